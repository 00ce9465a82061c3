//! The secret by which the nodes of one cluster know each other: all of them have the key that signs tokens.

use std::fmt;

use sha2::{Digest, Sha256};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::Interceptor,
};

/// The metadata that carries it.
const METADATA: &str = "stampede-cluster";
/// What sets this hash apart from any other hash of the key.
const PURPOSE: &str = "stampede cluster";

/// The secret of a cluster, derived from its signing key.
#[derive(Clone)]
pub struct ClusterSecret([u8; 64]);

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret(..)")
    }
}

impl ClusterSecret {
    /// The secret of the cluster whose tokens this key signs.
    #[must_use]
    pub fn of(signing_key_pem: &str) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let hash = Sha256::new()
            .chain_update(PURPOSE)
            .chain_update(signing_key_pem)
            .finalize();
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(hash) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0x0f)];
        }
        Self(text)
    }

    /// Lets only those in who know the secret.
    pub(super) fn admit<T>(&self, request: Request<T>) -> Result<T, Status> {
        let is_known = request
            .metadata()
            .get(METADATA)
            .is_some_and(|presented| self.is(presented.as_bytes()));
        if is_known {
            Ok(request.into_inner())
        } else {
            Err(Status::unauthenticated(
                "the caller is no node of this cluster",
            ))
        }
    }

    /// Whether this is the secret. Takes the same time wherever the first difference is.
    fn is(&self, presented: &[u8]) -> bool {
        if presented.len() != self.0.len() {
            return false;
        }
        let difference = self.0.iter().zip(presented).fold(0, |difference, (a, b)| {
            std::hint::black_box(difference | (a ^ b))
        });
        difference == 0
    }
}

/// Sends the secret with every call.
#[derive(Clone, Debug)]
pub(super) struct Present(MetadataValue<Ascii>);

impl Present {
    pub(super) fn new(secret: &ClusterSecret) -> Self {
        let mut value = MetadataValue::try_from(secret.0.as_slice())
            .expect("hexadecimal digits are a metadata value");
        value.set_sensitive(true);
        Self(value)
    }
}

impl Interceptor for Present {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert(METADATA, self.0.clone());
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn call(mine: &ClusterSecret, present: Option<&ClusterSecret>) -> Result<(), tonic::Code> {
        let mut request = Request::new(());
        if let Some(secret) = present {
            request = Present::new(secret).call(request).unwrap();
        }
        mine.admit(request).map_err(|status| status.code())
    }

    #[test]
    fn the_secret_is_the_hash_in_hexadecimal_digits() {
        // printf 'stampede clusterkey' | sha256sum
        let expected = "6c2229fa21a1d73ef797337a9a1ae2a569f228725434beef68867b64a0a26cb4";
        assert_eq!(ClusterSecret::of("key").0, expected.as_bytes());
    }

    #[test]
    fn only_the_secret_lets_in() {
        let (mine, other) = (ClusterSecret::of("key"), ClusterSecret::of("yek"));
        assert_eq!(call(&mine, Some(&mine)), Ok(()));
        assert_eq!(call(&mine, Some(&other)), Err(tonic::Code::Unauthenticated));
        assert_eq!(call(&mine, None), Err(tonic::Code::Unauthenticated));
        assert!(!mine.is(&mine.0[..63]), "a part of it is not enough");
    }

    #[test]
    fn it_is_never_shown() {
        let secret = ClusterSecret::of("key");
        let text = std::str::from_utf8(&secret.0).unwrap().to_owned();
        assert!(!format!("{secret:?} {:?}", Present::new(&secret)).contains(&text));
    }
}
