//! Values as bytes that can be made anew: state columns and page cursors.
//!
//! A version byte, then bincode 2. What must be readable for years is protobuf and not this. The crate is finished and
//! no longer maintained; this module is the only one that knows it.

use serde::{Serialize, de::DeserializeOwned};

/// The version of the layout. It grows when a type kept in a state column changes. Whoever raises it has to bring the
/// step that makes the stored states anew from the journal: there has been no need for one yet.
pub const VERSION: u8 = 1;

/// The most bytes a value may ask for while it is decoded. Cursors come from outside.
const DECODED_BYTES_MAX: usize = 1 << 24;

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There are none.
    #[error("there is nothing to decode")]
    Empty,
    /// They were written by another version of the program.
    #[error("it has version {found} and this program reads version {VERSION}")]
    Version {
        /// The version that was found.
        found: u8,
    },
    /// They are cut short, too long or not such a value.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<DECODED_BYTES_MAX>()
}

/// The value as bytes.
///
/// # Panics
/// If the type refuses to be serialised, which types that derive `Serialize` do not.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.push(VERSION);
    // A vector takes any number of bytes, and bincode refuses only what a hand-written `Serialize` may do: sequences
    // of unknown length and errors of its own.
    bincode::serde::encode_into_std_write(value, &mut bytes, config())
        .expect("a derived serialisation into memory cannot fail");
    bytes
}

/// The value in these bytes.
///
/// # Errors
/// [`DecodeError`] unless all of the bytes are one such value of this version.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (&version, body) = bytes.split_first().ok_or(DecodeError::Empty)?;
    if version != VERSION {
        return Err(DecodeError::Version { found: version });
    }
    let (value, read) = bincode::serde::decode_from_slice(body, config())
        .map_err(|error| DecodeError::Damaged(error.to_string()))?;
    if read == body.len() {
        Ok(value)
    } else {
        Err(DecodeError::Damaged(format!(
            "{} bytes too many",
            body.len() - read
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back() {
        let value = (7_u64, Some("größe".to_owned()), vec![1_i32, -1]);
        assert_eq!(decode(&encode(&value)), Ok(value));
    }

    #[test]
    fn another_version_is_told_apart_from_damage() {
        let mut bytes = encode(&7_u64);
        bytes[0] = 0;
        assert_eq!(
            decode::<u64>(&bytes),
            Err(DecodeError::Version { found: 0 })
        );
        assert_eq!(decode::<u64>(&[]), Err(DecodeError::Empty));
    }

    #[test]
    fn what_is_cut_or_too_long_is_damaged() {
        let bytes = encode(&"text".to_owned());
        let longer = [bytes.as_slice(), &[0]].concat();
        for bad in [&bytes[..bytes.len() - 1], &longer] {
            assert!(matches!(
                decode::<String>(bad),
                Err(DecodeError::Damaged(_))
            ));
        }
    }

    #[test]
    fn a_forged_length_does_not_take_all_memory() {
        let forged = [VERSION, 253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert!(decode::<String>(&forged).is_err());
        assert!(decode::<Vec<u64>>(&forged).is_err());
    }
}
