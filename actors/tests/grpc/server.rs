//! What all services share: bounds, health, reflection; and the lists that fill by themselves.

use std::time::Duration;

use super::*;

#[test]
fn a_request_that_is_too_large_is_refused() {
    run(|node| async move {
        let large = register("ann", &"x".repeat(300 * 1_024), None);
        let refused = node.auth().register(large).await.unwrap_err();
        assert_eq!(refused.code(), Code::OutOfRange);
        // The connection lives on.
        assert!(login(&node.channel, "admin").await.is_ok());
        node
    });
}

#[test]
fn notifications_and_the_log_show_what_happened() {
    run(|node| async move {
        let (ann, bob) = (node.customer("ann").await, node.customer("bob").await);
        let product = node.product("TEE", 1).await;
        let placed = node.order(&ann, new_order(product, 1, None)).await.unwrap();
        let id = placed.order.unwrap().id;
        let told = |token: &str| {
            let request = with_token(token, v1::ListNotificationsRequest::default());
            let mut client = NotificationServiceClient::new(node.channel.clone());
            async move {
                let listed = client.list_notifications(request).await.unwrap();
                listed.into_inner().notifications
            }
        };
        while told(&ann).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(told(&ann).await[0].order_id, id);
        assert!(told(&bob).await.is_empty());

        let mut logs = LogServiceClient::new(node.channel.clone());
        let request = v1::ListLogsRequest {
            order_id: Some(id),
            r#type: Some("order.confirmed.v1".to_owned()),
            level: Some(v1::LogLevel::Info.into()),
            ..v1::ListLogsRequest::default()
        };
        let refused = logs.list_logs(with_token(&ann, request.clone())).await;
        assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
        loop {
            let listed = logs.list_logs(with_token(&node.admin, request.clone()));
            let entries = listed.await.unwrap().into_inner().entries;
            if let [entry] = entries.as_slice() {
                assert_eq!(entry.order_id, Some(id));
                break;
            }
            assert!(entries.is_empty());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        node
    });
}

#[test]
fn health_follows_the_shop() {
    run(|node| async move {
        let mut health = HealthClient::new(node.channel.clone());
        for service in ["", "stampede.v1.OrderService"] {
            let request = HealthCheckRequest {
                service: service.to_owned(),
            };
            let mut watched = health.watch(request).await.unwrap().into_inner();
            while watched.next().await.unwrap().unwrap().status() != ServingStatus::Serving {}
        }
        let request = HealthCheckRequest {
            service: "stampede.v1.Nothing".to_owned(),
        };
        let unknown = health.check(request).await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound);

        let watched = health.watch(HealthCheckRequest::default()).await.unwrap();
        let mut watched = watched.into_inner();
        node.running.announce_stop();
        while watched.next().await.unwrap().unwrap().status() != ServingStatus::NotServing {}
        node
    });
}

#[test]
fn reflection_names_every_service() {
    run(|node| async move {
        let mut reflection = ServerReflectionClient::new(node.channel.clone());
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let requests = futures::stream::iter([request]);
        let answers = reflection.server_reflection_info(requests).await.unwrap();
        let answer = answers.into_inner().next().await.unwrap().unwrap();
        let Some(MessageResponse::ListServicesResponse(listed)) = answer.message_response else {
            panic!("{answer:?}");
        };
        let names: Vec<_> = listed.service.iter().map(|s| s.name.as_str()).collect();
        for service in ["Auth", "Product", "Order", "Notification", "Log"] {
            let name = format!("stampede.v1.{service}Service");
            assert!(names.contains(&name.as_str()), "{name} in {names:?}");
        }
        assert!(names.contains(&"grpc.health.v1.Health"));
        node
    });
}
