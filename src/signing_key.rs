//! The key that signs access tokens: made on the first start, and kept beside the data for its owner's eyes only.

use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, Result};

/// Its file in the data directory.
const FILE: &str = "signing-key.pem";
/// Only the owner may read it, and write it.
const MODE: u32 = 0o600;

/// The key in this directory, in PEM; a new one if there is none.
///
/// The file appears whole or not at all, so that a crash leaves no half a key.
pub(crate) fn load_or_create(dir: &Path) -> Result<String> {
    let path = dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(pem) => return Ok(pem),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be read", path.display()));
        }
    }
    let pem = actors::auth::new_signing_key()?;
    let fresh = dir.join(format!("{FILE}.new"));
    let write = || -> std::io::Result<()> {
        let _ = fs::remove_file(&fresh);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&fresh)?;
        file.write_all(pem.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        fs::File::open(dir)?.sync_all()
    };
    write().with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(pem)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = load_or_create(dir.path()).unwrap();
        assert_eq!(load_or_create(dir.path()).unwrap(), first);
        let mode = fs::metadata(dir.path().join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, MODE);
    }
}
