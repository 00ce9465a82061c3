//! Users between nodes, with their sessions. A password's hash travels beside the command, never within a state.

use domain::{
    Addressee, Aggregate, Timestamp, UserId,
    users::{User, UserCommand, UserDraft, UserRejection},
};

use super::{Command, OnWire, aggregate, other_kind, rejection, v1};
use crate::{
    InvalidField,
    common::{bytes, choice, id, list, message, required, text},
};

impl OnWire for User {
    fn write_command(addressee: &Addressee<Self>) -> Option<Command> {
        match addressee {
            Addressee::New(draft) => Some(Command::RegisterUser(v1::RegisterUser {
                username: draft.username.as_str().to_owned(),
                email: draft.email.as_deref().map(ToOwned::to_owned),
                role: crate::v1::Role::from(draft.role).into(),
            })),
            Addressee::Existing(user_id, command) => write(*user_id, command),
        }
    }

    fn read_command(command: Command) -> Result<Addressee<Self>, InvalidField> {
        match command {
            Command::RegisterUser(user) => Ok(Addressee::New(UserDraft {
                username: text(&user.username, "username")?,
                email: user.email.map(Into::into),
                role: choice::<crate::v1::Role, _>(user.role, "role")?,
            })),
            Command::OpenSession(open) => Ok(Addressee::Existing(
                id(UserId::new, open.user_id, "user_id")?.get(),
                UserCommand::OpenSession(message(open.session, "session")?),
            )),
            Command::RefreshSession(refresh) => Ok(Addressee::Existing(
                id(UserId::new, refresh.user_id, "user_id")?.get(),
                UserCommand::RefreshSession {
                    presented: bytes(&refresh.presented, "presented")?,
                    renewed: message(refresh.renewed, "renewed")?,
                },
            )),
            Command::CloseSession(close) => Ok(Addressee::Existing(
                id(UserId::new, close.user_id, "user_id")?.get(),
                UserCommand::CloseSession {
                    id: close.session_id,
                    presented: bytes(&close.presented, "presented")?,
                },
            )),
            _ => other_kind("command", Self::KIND),
        }
    }

    fn write_state(&self) -> v1::Aggregate {
        aggregate(v1::aggregate::State::User(v1::User {
            user: Some(self.into()),
            sessions: self.sessions.iter().map(Into::into).collect(),
            updated_at_ms: self.updated_at.as_millis(),
        }))
    }

    fn read_state(message: v1::Aggregate) -> Result<Self, InvalidField> {
        match message.state {
            Some(v1::aggregate::State::User(user)) => {
                read(user).map_err(|error| error.within("user"))
            }
            _ => other_kind("state", Self::KIND),
        }
    }

    fn write_rejection(reason: &UserRejection) -> v1::Rejection {
        use v1::rejection::Reason;

        rejection(match reason {
            UserRejection::UnknownUser => Reason::Unknown(v1::Unknown {}),
            UserRejection::SessionOver => Reason::SessionOver(v1::SessionOver {}),
        })
    }

    fn read_rejection(message: v1::Rejection) -> Result<UserRejection, InvalidField> {
        use v1::rejection::Reason;

        match required(message.reason, "reason")? {
            Reason::Unknown(_) => Ok(UserRejection::UnknownUser),
            Reason::SessionOver(_) => Ok(UserRejection::SessionOver),
            _ => other_kind("reason", Self::KIND),
        }
    }
}

fn write(user_id: u64, command: &UserCommand) -> Option<Command> {
    match command {
        UserCommand::OpenSession(session) => Some(Command::OpenSession(v1::OpenSession {
            user_id,
            session: Some(session.into()),
        })),
        UserCommand::RefreshSession { presented, renewed } => {
            Some(Command::RefreshSession(v1::RefreshSession {
                user_id,
                presented: presented.to_vec(),
                renewed: Some(renewed.into()),
            }))
        }
        UserCommand::CloseSession { id, presented } => {
            Some(Command::CloseSession(v1::CloseSession {
                user_id,
                session_id: *id,
                presented: presented.to_vec(),
            }))
        }
        UserCommand::RegisterUser { .. } => None,
    }
}

fn read(message: v1::User) -> Result<User, InvalidField> {
    let user = required(message.user, "user")?;
    Ok(User {
        id: id(UserId::new, user.id, "id")?,
        username: text(&user.username, "username")?,
        email: user.email.map(Into::into),
        role: choice::<crate::v1::Role, _>(user.role, "role")?,
        sessions: list(message.sessions, "sessions")?,
        created_at: Timestamp::from_millis(user.created_at_ms),
        updated_at: Timestamp::from_millis(message.updated_at_ms),
    })
}
