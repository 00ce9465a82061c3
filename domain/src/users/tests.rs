//! That only the newest refresh token of an open session is good, whatever is tried.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::{collection::vec, prelude::*};

use super::{
    Role, SESSIONS_MAX, Session, SessionEnd, TokenHash, User, UserCommand, UserEvent, UserRejection,
};
use crate::{Aggregate, Timestamp, UserId};

/// How long a refresh token is good in these tests.
const LIFETIME: Duration = Duration::from_secs(100);

proptest! {
    #[test]
    fn sessions_follow_the_model(steps in steps()) {
        let mut user = user();
        let mut model = Model::default();
        for step in steps {
            let command = model.command(step);
            let decided = User::decide(Some(&user), &command, model.now);
            let expected = model.follow(&command);
            prop_assert_eq!(&decided, &expected, "{:?}", command);
            user = User::evolve_all(Some(user), &decided.unwrap_or_default(), model.now).unwrap();
            prop_assert_eq!(&user.sessions, &model.sessions);
            prop_assert!(user.sessions.len() <= SESSIONS_MAX);
        }
    }

    #[test]
    fn an_event_applied_twice_changes_nothing_more(steps in steps()) {
        let mut user = Some(user());
        let mut model = Model::default();
        for step in steps {
            let command = model.command(step);
            let events = User::decide(user.as_ref(), &command, model.now).unwrap_or_default();
            let _ = model.follow(&command);
            for event in events {
                user = User::evolve(user, &event, model.now);
                let again = User::evolve(user.clone(), &event, model.now);
                prop_assert_eq!(&again, &user);
            }
        }
    }

    #[test]
    fn only_the_newest_token_of_a_session_is_good(exchanges in 1..10_u8, reused in any::<prop::sample::Index>()) {
        let mut user = with_sessions(1);
        for token in 0..exchanges {
            let events = refresh(&user, 0, token, token + 1, at(0)).unwrap();
            prop_assert_eq!(&events[..], [UserEvent::SessionRefreshed { session: session(0, token + 1, at(0)) }]);
            user = User::evolve_all(Some(user), &events, at(0)).unwrap();
        }
        prop_assert_eq!(user.sessions.len(), 1);
        prop_assert_eq!(user.sessions[0].token_hash, hash(exchanges));

        let old = u8::try_from(reused.index(exchanges.into())).unwrap();
        let events = refresh(&user, 0, old, 99, at(0)).unwrap();
        prop_assert_eq!(
            &events[..],
            [UserEvent::SessionClosed { id: 0, end: SessionEnd::TokenReused }]
        );
        user = User::evolve_all(Some(user), &events, at(0)).unwrap();
        for token in 0..=exchanges {
            prop_assert_eq!(
                refresh(&user, 0, token, 99, at(0)),
                Err(UserRejection::SessionOver),
                "the whole family is over, its newest token too"
            );
        }
    }

    #[test]
    fn the_oldest_sessions_give_way(opened in 0..60_u64) {
        let user = with_sessions(opened);
        let open: Vec<u64> = user.sessions.iter().map(|session| session.id).collect();
        let oldest = opened.saturating_sub(SESSIONS_MAX as u64);
        prop_assert_eq!(open, (oldest..opened).collect::<Vec<_>>());
    }
}

#[test]
fn ending_one_family_leaves_the_others() {
    let user = with_sessions(3);
    let events = refresh(&user, 1, 77, 78, at(0)).unwrap();
    let user = User::evolve_all(Some(user), &events, at(0)).unwrap();
    let open: Vec<u64> = user.sessions.iter().map(|session| session.id).collect();
    assert_eq!(open, [0, 2]);
}

#[test]
fn a_refreshed_session_keeps_its_place() {
    let user = with_sessions(SESSIONS_MAX as u64);
    let events = refresh(&user, 0, 0, 1, at(0)).unwrap();
    let user = User::evolve_all(Some(user), &events, at(0)).unwrap();
    assert_eq!(user.sessions.len(), SESSIONS_MAX);
    assert_eq!(user.sessions[0].id, 0);
}

#[test]
fn a_token_ends_with_its_time() {
    let user = with_sessions(1);
    let end = at(0).plus(LIFETIME);
    assert!(refresh(&user, 0, 0, 1, end.minus(Duration::from_millis(1))).is_ok());
    assert_eq!(
        refresh(&user, 0, 0, 1, end),
        Err(UserRejection::SessionOver)
    );
}

#[test]
fn a_user_registers_once() {
    let user = user();
    let again = UserCommand::RegisterUser {
        user_id: user.id,
        username: "Ada".parse().unwrap(),
        email: None,
        role: Role::Admin,
    };
    assert_eq!(User::decide(Some(&user), &again, at(1)), Ok(Vec::new()));
    let event = UserEvent::UserRegistered {
        user_id: user.id,
        username: "Eve".parse().unwrap(),
        email: None,
        role: Role::Admin,
    };
    assert_eq!(
        User::evolve(Some(user.clone()), &event, at(1)),
        Some(user),
        "nobody becomes somebody else"
    );
}

#[test]
fn nobody_has_sessions_before_registering() {
    let commands = [
        UserCommand::OpenSession(session(1, 0, at(0))),
        UserCommand::RefreshSession {
            presented: hash(0),
            renewed: session(1, 1, at(0)),
        },
        UserCommand::CloseSession {
            id: 1,
            presented: hash(0),
        },
    ];
    for command in commands {
        assert_eq!(
            User::decide(None, &command, at(0)),
            Err(UserRejection::UnknownUser)
        );
    }
    let opened = UserEvent::SessionOpened {
        session: session(1, 0, at(0)),
    };
    assert_eq!(User::evolve(None, &opened, at(0)), None);
}

/// What somebody tries. A session is named by how many were opened before it, a token by how many came before it in
/// its session.
#[derive(Clone, Debug)]
enum Step {
    Open,
    Refresh {
        session: prop::sample::Index,
        token: Token,
    },
    Close {
        session: prop::sample::Index,
        token: Token,
    },
    /// Time passes until the next login.
    Wait(Duration),
}

#[derive(Clone, Copy, Debug)]
enum Token {
    Newest,
    Replaced,
    MadeUp,
}

/// The rules once more, written down in the plainest way.
#[derive(Default)]
struct Model {
    now: Timestamp,
    /// The sessions ever opened, each with the number of tokens it has had.
    opened: Vec<u8>,
    sessions: Vec<Session>,
}

impl Model {
    fn command(&mut self, step: Step) -> UserCommand {
        match step {
            Step::Wait(duration) => {
                self.now = self.now.plus(duration);
                self.open()
            }
            _ if self.opened.is_empty() => self.open(),
            Step::Open => self.open(),
            Step::Refresh { session: at, token } => {
                let id = at.index(self.opened.len());
                let presented = self.token(id, token);
                self.opened[id] += 1;
                UserCommand::RefreshSession {
                    presented,
                    renewed: session(id as u64, self.opened[id], self.now),
                }
            }
            Step::Close { session, token } => {
                let id = session.index(self.opened.len());
                UserCommand::CloseSession {
                    id: id as u64,
                    presented: self.token(id, token),
                }
            }
        }
    }

    fn open(&mut self) -> UserCommand {
        self.opened.push(0);
        UserCommand::OpenSession(session(self.opened.len() as u64 - 1, 0, self.now))
    }

    fn token(&self, id: usize, token: Token) -> TokenHash {
        let open = self
            .sessions
            .iter()
            .find(|session| session.id == id as u64)
            .map(|session| session.token_hash[0]);
        match (token, open) {
            (Token::Newest, Some(newest)) => hash(newest),
            (Token::Newest, None) => hash(self.opened[id]),
            (Token::Replaced, Some(newest)) if newest > 0 => hash(newest - 1),
            (Token::Replaced | Token::MadeUp, _) => hash(255),
        }
    }

    fn follow(&mut self, command: &UserCommand) -> Result<Vec<UserEvent>, UserRejection> {
        match command {
            UserCommand::RegisterUser { .. } => Ok(Vec::new()),
            UserCommand::OpenSession(session) => {
                self.sessions.push(session.clone());
                if self.sessions.len() > SESSIONS_MAX {
                    self.sessions.remove(0);
                }
                Ok(vec![UserEvent::SessionOpened {
                    session: session.clone(),
                }])
            }
            UserCommand::RefreshSession { presented, renewed } => {
                let now = self.now;
                let place = self
                    .sessions
                    .iter()
                    .position(|open| open.id == renewed.id && now < open.expires_at)
                    .ok_or(UserRejection::SessionOver)?;
                if self.sessions[place].token_hash == *presented {
                    self.sessions[place] = renewed.clone();
                    Ok(vec![UserEvent::SessionRefreshed {
                        session: renewed.clone(),
                    }])
                } else {
                    self.sessions.remove(place);
                    Ok(vec![UserEvent::SessionClosed {
                        id: renewed.id,
                        end: SessionEnd::TokenReused,
                    }])
                }
            }
            UserCommand::CloseSession { id, presented } => {
                let Some(place) = self.sessions.iter().position(|open| open.id == *id) else {
                    return Ok(Vec::new());
                };
                let closed = self.sessions.remove(place);
                let end = if closed.token_hash == *presented {
                    SessionEnd::LoggedOut
                } else {
                    SessionEnd::TokenReused
                };
                Ok(vec![UserEvent::SessionClosed { id: *id, end }])
            }
        }
    }
}

fn steps() -> BoxedStrategy<Vec<Step>> {
    let token = || {
        prop_oneof![
            6 => Just(Token::Newest),
            1 => Just(Token::Replaced),
            1 => Just(Token::MadeUp),
        ]
    };
    let step = prop_oneof![
        4 => Just(Step::Open),
        6 => (any::<prop::sample::Index>(), token())
            .prop_map(|(session, token)| Step::Refresh { session, token }),
        2 => (any::<prop::sample::Index>(), token())
            .prop_map(|(session, token)| Step::Close { session, token }),
        1 => (0..120_u64).prop_map(|secs| Step::Wait(Duration::from_secs(secs))),
    ];
    vec(step, 0..80).boxed()
}

/// A user that has logged in so often.
fn with_sessions(opened: u64) -> User {
    (0..opened).fold(user(), |user, id| {
        let command = UserCommand::OpenSession(session(id, 0, at(0)));
        let events = User::decide(Some(&user), &command, at(0)).unwrap();
        User::evolve_all(Some(user), &events, at(0)).unwrap()
    })
}

fn user() -> User {
    let command = UserCommand::RegisterUser {
        user_id: UserId::new(5).unwrap(),
        username: "Ada".parse().unwrap(),
        email: None,
        role: Role::Customer,
    };
    let events = User::decide(None, &command, at(0)).unwrap();
    User::evolve_all(None, &events, at(0)).unwrap()
}

fn refresh(
    user: &User,
    id: u64,
    presented: u8,
    next: u8,
    now: Timestamp,
) -> Result<Vec<UserEvent>, UserRejection> {
    let command = UserCommand::RefreshSession {
        presented: hash(presented),
        renewed: session(id, next, now),
    };
    User::decide(Some(user), &command, now)
}

fn session(id: u64, token: u8, now: Timestamp) -> Session {
    Session {
        id,
        token_hash: hash(token),
        expires_at: now.plus(LIFETIME),
    }
}

fn hash(token: u8) -> TokenHash {
    [token; 32]
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1_000)
}
