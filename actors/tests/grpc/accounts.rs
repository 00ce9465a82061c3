//! Accounts, sessions and who may do what.

use std::time::Duration;

use super::*;

#[test]
fn accounts_are_made_and_used() {
    run(|node| async move {
        let user = node
            .auth()
            .register(register("Ann", PASSWORD, Some("ann@example.com")))
            .await
            .unwrap()
            .into_inner()
            .user
            .unwrap();
        assert_eq!(user.role(), v1::Role::Customer);
        let taken = node.auth().register(register("ann", PASSWORD, None)).await;
        let taken = taken.unwrap_err();
        assert_eq!(
            (taken.code(), reason(&taken).as_str()),
            (Code::AlreadyExists, "username_taken")
        );
        let bad = node
            .auth()
            .register(register("a b", "short", Some("x")))
            .await;
        let bad = bad.unwrap_err();
        assert_eq!(bad.code(), Code::InvalidArgument);
        let expected = [
            ("username", "invalid_format"),
            ("email", "invalid_format"),
            ("password", "too_short"),
        ];
        let expected = expected.map(|(field, reason)| (field.to_owned(), reason.to_owned()));
        assert_eq!(violations(&bad), expected);

        let token = login(&node.channel, "ann").await.unwrap();
        let me = node
            .auth()
            .get_me(with_token(&token, v1::GetMeRequest {}))
            .await;
        assert_eq!(me.unwrap().into_inner().user.unwrap(), user);
        let unknown = login(&node.channel, "nobody").await.unwrap_err();
        assert_eq!(reason(&unknown), "invalid_credentials");
        node
    });
}

#[test]
fn only_an_admin_makes_admins() {
    run(|node| async move {
        let customer = node.customer("ann").await;
        let request = || v1::RegisterRequest {
            role: Some(v1::Role::Admin.into()),
            ..register("second", PASSWORD, None)
        };
        let without = node.auth().register(request()).await.unwrap_err();
        assert_eq!(without.code(), Code::Unauthenticated);
        let by_customer = node.auth().register(with_token(&customer, request())).await;
        assert_eq!(by_customer.unwrap_err().code(), Code::PermissionDenied);
        let by_admin = node
            .auth()
            .register(with_token(&node.admin, request()))
            .await;
        let second = by_admin.unwrap().into_inner().user.unwrap();
        assert_eq!(second.role(), v1::Role::Admin);
        node
    });
}

#[test]
fn sessions_are_renewed_and_ended() {
    run(|node| async move {
        node.customer("ann").await;
        let request = v1::LoginRequest {
            username: "ann".to_owned(),
            password: PASSWORD.to_owned(),
        };
        let opened = node.auth().login(request).await.unwrap().into_inner();
        let first = opened.tokens.unwrap().refresh_token;
        let refresh = |refresh_token: &str| v1::RefreshRequest {
            refresh_token: refresh_token.to_owned(),
        };
        let renewed = node.auth().refresh(refresh(&first)).await.unwrap();
        let second = renewed.into_inner().tokens.unwrap().refresh_token;
        let logout = v1::LogoutRequest {
            refresh_token: second.clone(),
        };
        node.auth().logout(logout).await.unwrap();
        for used in [first, second, "nonsense".to_owned()] {
            let refused = node.auth().refresh(refresh(&used)).await.unwrap_err();
            assert_eq!(reason(&refused), "invalid_refresh_token");
        }
        node
    });
}

#[test]
fn tokens_are_needed_and_those_of_the_old_demo_are_none() {
    run(|node| async move {
        let me = node.auth().get_me(v1::GetMeRequest {}).await.unwrap_err();
        assert_eq!(
            (me.code(), reason(&me).as_str()),
            (Code::Unauthenticated, "unauthorized")
        );
        let legacy =
            node.shop
                .auth
                .login_legacy("admin", PASSWORD.to_owned(), Duration::from_secs(60));
        let (_, legacy) = legacy.await.unwrap();
        for token in [legacy.as_str(), "nonsense"] {
            let me = node
                .auth()
                .get_me(with_token(token, v1::GetMeRequest {}))
                .await;
            assert_eq!(me.unwrap_err().code(), Code::Unauthenticated);
        }
        let placed = node.orders().create_order(new_order(1, 1, None)).await;
        assert_eq!(placed.unwrap_err().code(), Code::Unauthenticated);
        node
    });
}
