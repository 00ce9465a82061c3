//! How events change a user.

use super::{SESSIONS_MAX, Session, User, UserEvent};
use crate::{Aggregate, Timestamp};

impl Aggregate for User {
    type Command = super::UserCommand;
    type Draft = super::UserDraft;
    type Event = UserEvent;
    type Rejection = super::UserRejection;

    const KIND: &'static str = "user";

    fn create(draft: super::UserDraft, id: u64) -> super::UserCommand {
        draft.into_command(id)
    }

    fn decide(
        state: Option<&Self>,
        command: &Self::Command,
        now: Timestamp,
    ) -> Result<Vec<Self::Event>, Self::Rejection> {
        super::decide::decide(state, command, now)
    }

    fn evolve(state: Option<Self>, event: &Self::Event, at: Timestamp) -> Option<Self> {
        match (state, event) {
            (
                None,
                UserEvent::UserRegistered {
                    user_id,
                    username,
                    email,
                    role,
                },
            ) => Some(Self {
                id: *user_id,
                username: username.clone(),
                email: email.clone(),
                role: *role,
                sessions: Vec::new(),
                created_at: at,
                updated_at: at,
            }),
            (None, _) => None,
            (Some(user), UserEvent::UserRegistered { .. }) => Some(user),
            (Some(mut user), event) => {
                match event {
                    UserEvent::UserRegistered { .. } => {}
                    UserEvent::SessionOpened { session }
                    | UserEvent::SessionRefreshed { session } => {
                        put(&mut user.sessions, session);
                    }
                    UserEvent::SessionClosed { id, .. } => {
                        user.sessions.retain(|session| session.id != *id);
                    }
                }
                user.updated_at = at;
                Some(user)
            }
        }
    }

    fn at_rest(&self) -> bool {
        false
    }
}

/// Replaces the session of that number, or adds it and lets the oldest give way.
fn put(sessions: &mut Vec<Session>, session: &Session) {
    match sessions.iter_mut().find(|open| open.id == session.id) {
        Some(open) => *open = session.clone(),
        None => {
            if sessions.len() >= SESSIONS_MAX {
                sessions.remove(0);
            }
            sessions.push(session.clone());
        }
    }
}
