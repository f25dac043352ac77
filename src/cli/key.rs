//! The key file: 32 bytes as hex digits, made with mode 0600 where there is none.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::base::random;
use crate::base::secret::Secret;
use crate::service::TokenKey;

/// The key that tokens are hashed under.
///
/// # Errors
/// When the file is not readable or not a key.
pub fn token_key(path: &Path) -> anyhow::Result<TokenKey> {
    let shown = path.display();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(mut file) => {
            let mut key = [0u8; 32];
            random::fill(&mut key);
            let text: String = key.iter().map(|b| format!("{b:02x}")).collect();
            file.write_all(text.as_bytes()).with_context(|| format!("cannot write the key file {shown}"))?;
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(|| format!("cannot make the key file {shown}")),
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the key file {shown}"))?;
    let digits: Vec<u8> =
        text.trim().chars().filter_map(|c| c.to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |sum, d| sum * 16 + d)).collect();
    match <[u8; 32]>::try_from(bytes) {
        Ok(key) if text.trim().len() == 64 => Ok(TokenKey::new(&Secret::new(key))),
        _ => bail!("the key file {shown} does not hold a key of 64 hex digits"),
    }
}
