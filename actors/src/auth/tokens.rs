//! Access tokens: JWTs signed with Ed25519 (RFC 7519, RFC 8037).

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Timestamp, UserId,
    users::{Role, User},
};
use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, spki::der::pem::LineEnding},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How long an access token is good for.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Verified tokens that are remembered at most.
const REMEMBERED_MAX: usize = 100_000;
const ISSUER: &str = "stampede";

/// For whom a token is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The API under `/v1`.
    Api,
    /// The cookie of the old demo's routes.
    Legacy,
}

impl Audience {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "stampede-api",
            Self::Legacy => "stampede-legacy",
        }
    }
}

/// Who makes a request, as its token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user_id: UserId,
    /// What it may do.
    pub role: Role,
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is none of ours, or for somebody else.
    #[error("the token is not valid")]
    Invalid,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
}

/// The signing key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing key is not an Ed25519 key in PKCS#8 PEM: {0}")]
pub struct SigningKeyError(String);

/// A new signing key, as PKCS#8 in PEM.
///
/// # Errors
/// If it cannot be written down.
pub fn new_signing_key() -> Result<String, SigningKeyError> {
    let mut secret = [0; 32];
    rand::fill(&mut secret);
    SigningKey::from_bytes(&secret)
        .to_pkcs8_pem(LineEnding::LF)
        .map(|pem| pem.to_string())
        .map_err(|error| SigningKeyError(error.to_string()))
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    role: String,
    iat: i64,
    exp: i64,
}

#[derive(Clone, Copy)]
struct Verified {
    identity: Identity,
    audience: Audience,
    expires_at_secs: i64,
}

/// Issues access tokens and verifies them.
pub struct TokenIssuer {
    header: Header,
    signing: EncodingKey,
    verifying: DecodingKey,
    public: String,
    verified: RwLock<HashMap<String, Verified>>,
}

impl TokenIssuer {
    /// An issuer with this key.
    ///
    /// # Errors
    /// [`SigningKeyError`].
    pub fn new(pem: &str) -> Result<Self, SigningKeyError> {
        let error = |error: &dyn std::fmt::Display| SigningKeyError(error.to_string());
        let key = SigningKey::from_pkcs8_pem(pem).map_err(|e| error(&e))?;
        let der = key.to_pkcs8_der().map_err(|e| error(&e))?;
        let public = URL_SAFE_NO_PAD.encode(key.verifying_key().to_bytes());
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(key_id(&public));
        Ok(Self {
            header,
            signing: EncodingKey::from_ed_der(der.as_bytes()),
            verifying: DecodingKey::from_ed_components(&public).map_err(|e| error(&e))?,
            public,
            verified: RwLock::default(),
        })
    }

    /// A token for a user, good from `now` on for so long.
    ///
    /// # Errors
    /// [`SigningKeyError`], which does not happen with a key that was read.
    pub fn issue(
        &self,
        user: &User,
        audience: Audience,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<String, SigningKeyError> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: audience.as_str().to_owned(),
            sub: user.id.to_string(),
            role: user.role.as_str().to_owned(),
            iat: now.as_secs(),
            exp: now.plus(lifetime).as_secs(),
        };
        jsonwebtoken::encode(&self.header, &claims, &self.signing)
            .map_err(|error| SigningKeyError(error.to_string()))
    }

    /// Who presents this token. A signature is checked once; the time is checked always.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(
        &self,
        token: &str,
        audience: Audience,
        now: Timestamp,
    ) -> Result<Identity, TokenError> {
        let remembered = self
            .verified
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(token)
            .copied();
        let verified = match remembered {
            Some(verified) => verified,
            None => self.check(token, now)?,
        };
        if verified.audience != audience {
            Err(TokenError::Invalid)
        } else if verified.expires_at_secs <= now.as_secs() {
            Err(TokenError::Expired)
        } else {
            Ok(verified.identity)
        }
    }

    /// The public key as a JWK set (RFC 7517, RFC 8037).
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        serde_json::json!({"keys": [{
            "kty": "OKP",
            "crv": "Ed25519",
            "use": "sig",
            "alg": "EdDSA",
            "kid": key_id(&self.public),
            "x": self.public,
        }]})
    }

    fn check(&self, token: &str, now: Timestamp) -> Result<Verified, TokenError> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = 0;
        // The time is checked by the caller, whose clock is the one that counts.
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[Audience::Api.as_str(), Audience::Legacy.as_str()]);
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verifying, &validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => TokenError::Expired,
                _ => TokenError::Invalid,
            })?
            .claims;
        let verified = Verified {
            identity: Identity {
                user_id: claims
                    .sub
                    .parse()
                    .ok()
                    .and_then(UserId::new)
                    .ok_or(TokenError::Invalid)?,
                role: Role::from_name(&claims.role).ok_or(TokenError::Invalid)?,
            },
            audience: if claims.aud == Audience::Api.as_str() {
                Audience::Api
            } else {
                Audience::Legacy
            },
            expires_at_secs: claims.exp,
        };
        let mut remembered = self
            .verified
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.retain(|_, verified| verified.expires_at_secs > now.as_secs());
            if remembered.len() >= REMEMBERED_MAX {
                remembered.clear();
            }
        }
        remembered.insert(token.to_owned(), verified);
        Ok(verified)
    }
}

/// The key's name: the first half of the SHA-256 of its public part.
fn key_id(public: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(public)[..16])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn user() -> User {
        User {
            id: UserId::new(12).unwrap(),
            username: "ann".parse().unwrap(),
            email: None,
            role: Role::Customer,
            sessions: Vec::new(),
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        }
    }

    fn issuer() -> TokenIssuer {
        TokenIssuer::new(&new_signing_key().unwrap()).unwrap()
    }

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_token_says_who_presents_it_until_it_expires() {
        let issuer = issuer();
        let token = issuer.issue(&user(), Audience::Api, NOW, MINUTE).unwrap();
        for _ in 0..2 {
            let identity = issuer.verify(&token, Audience::Api, NOW).unwrap();
            assert_eq!(identity.user_id, user().id);
            assert_eq!(identity.role, Role::Customer);
        }
        let later = NOW.plus(MINUTE);
        assert_eq!(
            issuer.verify(&token, Audience::Api, later),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn a_token_is_for_its_audience_only() {
        let issuer = issuer();
        let token = issuer
            .issue(&user(), Audience::Legacy, NOW, MINUTE)
            .unwrap();
        assert_eq!(
            issuer.verify(&token, Audience::Api, NOW),
            Err(TokenError::Invalid)
        );
        assert!(issuer.verify(&token, Audience::Legacy, NOW).is_ok());
    }

    #[test]
    fn a_token_of_another_key_is_invalid() {
        let token = issuer().issue(&user(), Audience::Api, NOW, MINUTE).unwrap();
        assert_eq!(
            issuer().verify(&token, Audience::Api, NOW),
            Err(TokenError::Invalid)
        );
    }

    #[test]
    fn a_changed_token_is_invalid() {
        let issuer = issuer();
        let token = issuer.issue(&user(), Audience::Api, NOW, MINUTE).unwrap();
        let mut parts = token.split('.');
        let (_, payload, signature) = (
            parts.next().unwrap(),
            parts.next().unwrap(),
            parts.next().unwrap(),
        );
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        for forged in [
            format!("{none}.{payload}."),
            format!("{none}.{payload}.{signature}"),
            String::new(),
            "a.b.c".to_owned(),
        ] {
            assert_eq!(
                issuer.verify(&forged, Audience::Api, NOW),
                Err(TokenError::Invalid)
            );
        }
    }
}
