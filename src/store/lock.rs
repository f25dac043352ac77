//! One `serve` per SQLite file: a lock of the operating system, which a killed process gives back.
//! Other commands do not take it and work on the same file beside the server.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::StoreError;
use super::conn::Place;

/// Held for as long as the process serves.
#[derive(Debug)]
pub struct ServeLock {
    _file: File,
}

impl ServeLock {
    /// Take the lock of a SQLite file; on PostgreSQL there is none, replicas share the database.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when another process serves this file, or the lock file cannot be
    /// made; says which file and what to do.
    pub(super) fn take(place: &Place) -> Result<Option<Self>, StoreError> {
        let Place::Sqlite(database) = place else { return Ok(None) };
        // The file itself, not the name it was called by: a link to it is the same database.
        let file = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_path_buf());
        let mut path = file.into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let refused = |error: std::io::Error| {
            StoreError::Refused(format!("the lock file {} cannot be used: {error}", path.display()))
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let holder = holder.trim();
                let process = if holder.is_empty() { String::new() } else { format!(" (process {holder})") };
                return Err(StoreError::Refused(format!(
                    "another scimhub{process} serves {}: stop it first, or give this one another --database; \
                     all other commands work beside it (lock file {})",
                    database.display(),
                    path.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
        // For the message above only; the lock itself is the operating system's.
        file.set_len(0).map_err(refused)?;
        file.write_all(std::process::id().to_string().as_bytes()).map_err(refused)?;
        Ok(Some(Self { _file: file }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let place: Place = format!("sqlite:{}/a.db", folder.path().display()).parse().unwrap();
        let first = ServeLock::take(&place).unwrap();
        let error = ServeLock::take(&place).unwrap_err().to_string();
        assert!(error.contains("a.db") && error.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        assert!(ServeLock::take(&place).unwrap().is_some());
    }

    #[test]
    fn a_link_to_the_file_is_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a.db"), folder.path().join("b.db"));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let place = |path: &std::path::Path| format!("sqlite:{}", path.display()).parse::<Place>().unwrap();
        let first = ServeLock::take(&place(&file)).unwrap();
        assert!(ServeLock::take(&place(&link)).is_err());
        drop(first);
    }
}
