//! Who asks: the metadata `authorization: Bearer <access token>`. The cookie tokens of the old demo are not accepted.

use domain::{UserId, users::Role};
use tonic::{Status, metadata::MetadataMap};

use crate::{
    auth::{Audience, Auth},
    edge::{self, Code, Refusal},
};

/// Somebody who is logged in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    /// Who.
    pub(crate) id: UserId,
    role: Role,
}

impl Caller {
    /// Who makes this call.
    pub(crate) fn of(metadata: &MetadataMap, auth: &Auth) -> Result<Self, Status> {
        let token = token(metadata).ok_or_else(|| {
            Refusal::new(
                Code::Unauthorized,
                "send an access token in the metadata authorization: Bearer <token>",
            )
        })?;
        let identity = auth.verify(token, Audience::Api)?;
        Ok(Self {
            id: identity.user_id,
            role: identity.role,
        })
    }

    /// The same, if it is an administrator.
    pub(crate) fn admin(metadata: &MetadataMap, auth: &Auth) -> Result<Self, Status> {
        Self::of(metadata, auth)?.as_admin()
    }

    /// Whether they run the shop.
    pub(crate) fn is_admin(self) -> bool {
        self.role == Role::Admin
    }

    /// The same, if they run the shop.
    pub(crate) fn as_admin(self) -> Result<Self, Status> {
        if self.is_admin() {
            Ok(self)
        } else {
            Err(Refusal::forbidden().into())
        }
    }

    /// Whether something of that user's may be shown to them.
    pub(crate) fn may_see(self, owner: UserId) -> bool {
        self.id == owner || self.is_admin()
    }

    /// Whose things to list: one's own; everybody's for an administrator.
    pub(crate) fn lists(self) -> Option<UserId> {
        (!self.is_admin()).then_some(self.id)
    }
}

/// The token, if there is exactly one.
fn token(metadata: &MetadataMap) -> Option<&str> {
    let mut lines = metadata.get_all("authorization").iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    edge::bearer(line.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn there_is_exactly_one_token() {
        let mut metadata = MetadataMap::new();
        assert_eq!(token(&metadata), None);
        metadata.append("authorization", "Bearer a".parse().unwrap());
        assert_eq!(token(&metadata), Some("a"));
        metadata.append("authorization", "Bearer b".parse().unwrap());
        assert_eq!(token(&metadata), None);
    }

    #[test]
    fn a_customer_sees_only_what_is_theirs() {
        let user = |id, role| Caller {
            id: UserId::new(id).unwrap(),
            role,
        };
        let (anna, admin) = (user(7, Role::Customer), user(1, Role::Admin));
        assert!(anna.may_see(anna.id) && !anna.may_see(admin.id) && admin.may_see(anna.id));
        assert_eq!((anna.lists(), admin.lists()), (Some(anna.id), None));
        assert!(anna.as_admin().is_err() && admin.as_admin().is_ok());
    }
}
