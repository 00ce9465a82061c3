//! Which events a command brings about.

use super::{SessionEnd, User, UserCommand, UserEvent, UserRejection};
use crate::Timestamp;

pub(super) fn decide(
    state: Option<&User>,
    command: &UserCommand,
    now: Timestamp,
) -> Result<Vec<UserEvent>, UserRejection> {
    match (state, command) {
        (
            None,
            UserCommand::RegisterUser {
                user_id,
                username,
                email,
                role,
            },
        ) => Ok(vec![UserEvent::UserRegistered {
            user_id: *user_id,
            username: username.clone(),
            email: email.clone(),
            role: *role,
        }]),
        (Some(_), UserCommand::RegisterUser { .. }) => Ok(Vec::new()),
        (None, _) => Err(UserRejection::UnknownUser),
        (Some(_), UserCommand::OpenSession(session)) => Ok(vec![UserEvent::SessionOpened {
            session: session.clone(),
        }]),
        (Some(user), UserCommand::RefreshSession { presented, renewed }) => {
            let current = user
                .session(renewed.id)
                .filter(|session| session.expires_at > now)
                .ok_or(UserRejection::SessionOver)?;
            Ok(vec![if current.token_hash == *presented {
                UserEvent::SessionRefreshed {
                    session: renewed.clone(),
                }
            } else {
                UserEvent::SessionClosed {
                    id: renewed.id,
                    end: SessionEnd::TokenReused,
                }
            }])
        }
        (Some(user), UserCommand::CloseSession { id, presented }) => Ok(user
            .session(*id)
            .map(|session| UserEvent::SessionClosed {
                id: *id,
                end: if session.token_hash == *presented {
                    SessionEnd::LoggedOut
                } else {
                    SessionEnd::TokenReused
                },
            })
            .into_iter()
            .collect()),
    }
}
