//! Refresh tokens: a user, a session and a secret, of which only the hash is kept.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{UserId, users::TokenHash};
use sha2::{Digest, Sha256};

const SECRET_BYTES: usize = 32;
const TOKEN_BYTES: usize = 8 + 8 + SECRET_BYTES;

/// A refresh token, taken apart.
pub(super) struct RefreshToken {
    pub(super) user_id: UserId,
    pub(super) session_id: u64,
    secret: [u8; SECRET_BYTES],
}

impl RefreshToken {
    /// A new token of a session.
    pub(super) fn generate(user_id: UserId, session_id: u64) -> Self {
        let mut secret = [0; SECRET_BYTES];
        rand::fill(&mut secret);
        Self {
            user_id,
            session_id,
            secret,
        }
    }

    /// The token of that text, if it is one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let bytes: [u8; TOKEN_BYTES] = bytes.try_into().ok()?;
        let (user, rest) = bytes.split_first_chunk::<8>()?;
        let (session, secret) = rest.split_first_chunk::<8>()?;
        Some(Self {
            user_id: UserId::new(u64::from_be_bytes(*user))?,
            session_id: u64::from_be_bytes(*session),
            secret: secret.try_into().ok()?,
        })
    }

    /// The text that the client gets.
    pub(super) fn text(&self) -> String {
        let mut bytes = Vec::with_capacity(TOKEN_BYTES);
        bytes.extend(self.user_id.get().to_be_bytes());
        bytes.extend(self.session_id.to_be_bytes());
        bytes.extend(self.secret);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What is kept of it.
    pub(super) fn hash(&self) -> TokenHash {
        Sha256::digest(self.secret).into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_token_survives_its_text() {
        let token = RefreshToken::generate(UserId::new(17).unwrap(), 99);
        let again = RefreshToken::parse(&token.text()).unwrap();
        assert_eq!(again.user_id, token.user_id);
        assert_eq!(again.session_id, 99);
        assert_eq!(again.hash(), token.hash());
    }

    #[test]
    fn other_text_is_no_token() {
        for text in ["", "x", "!!!!", &"A".repeat(64), &"A".repeat(63)] {
            assert!(RefreshToken::parse(text).is_none(), "{text:?}");
        }
    }
}
