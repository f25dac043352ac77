//! The installation's key: a file of its own, never in the database or its backup. From it come
//! the keys for sealing secrets, hashing tokens and digesting activity, each under its own label,
//! so that none tells anything about another.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::StoreError;
use super::conn::{DbConn, Place};
use super::settings;
use crate::base::ids::{HubId, WorkspaceId};
use crate::base::random;
use crate::base::secret::{Secret, SecretString};
use crate::domain::credential::TokenKey;
use crate::domain::seal::Sealer;
use crate::domain::session::SessionKey;

/// First word of a key file, so that a wrong file is recognised.
const FILE_HEAD: &str = "scimhub-key-1";
/// The setting that says which key a database was set up with.
const CHECK: &str = "key_check";
const NONCE_BYTES: usize = 12;

/// A secret as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Which key sealed it.
    pub key_id: String,
    /// Nonce, then ciphertext with its tag.
    pub bytes: Vec<u8>,
}

/// Why a sealed secret does not open. Says nothing about its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another key sealed it.
    #[error("it was sealed with a key that this process does not have")]
    UnknownKey,
    /// It was changed, or belongs to another workspace, hub or name.
    #[error("it was changed, or was sealed for another hub")]
    Forged,
}

/// The keys of this installation.
#[derive(Clone)]
pub struct Keyring {
    id: String,
    seal: Secret<[u8; 32]>,
    token: Secret<[u8; 32]>,
    activity: Secret<[u8; 32]>,
    mark: Secret<[u8; 32]>,
    session: Secret<[u8; 32]>,
    check: String,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({})", self.id)
    }
}

fn derive(master: &Secret<[u8; 32]>, label: &str) -> [u8; 32] {
    let key = hmac::digest::Key::<Hmac<Sha256>>::default();
    // HMAC takes a key of any length; the fallback exists only because the signature is fallible.
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(master.expose())
        .unwrap_or_else(|_| <Hmac<Sha256> as KeyInit>::new(&key));
    mac.update(b"scimhub ");
    mac.update(label.as_bytes());
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Which secret this is, bound into its seal: a copy in another place does not open.
fn associated(workspace: WorkspaceId, hub: HubId, name: &str) -> Vec<u8> {
    let mut data = b"scimhub secret 1".to_vec();
    data.extend_from_slice(&workspace.0.to_be_bytes());
    data.extend_from_slice(&hub.bytes());
    data.extend_from_slice(name.as_bytes());
    data
}

impl Keyring {
    /// Derive the keys from the 32 bytes of a key file.
    pub fn from_master(master: &Secret<[u8; 32]>) -> Self {
        Self {
            id: hex(derive(master, "key id").get(..4).unwrap_or_default()),
            seal: Secret::new(derive(master, "seal")),
            token: Secret::new(derive(master, "token")),
            activity: Secret::new(derive(master, "activity")),
            mark: Secret::new(derive(master, "activity mark")),
            session: Secret::new(derive(master, "page session")),
            check: hex(&derive(master, "check")),
        }
    }

    /// The key's public name, kept beside what it sealed.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key under which tokens are hashed.
    pub fn token_key(&self) -> TokenKey {
        TokenKey::new(&self.token)
    }

    /// The key for sessions of the page.
    pub fn session_key(&self) -> SessionKey {
        SessionKey::new(self.session.clone())
    }

    /// What marks the records of the activity as ours, digests and chains them.
    pub fn sealer(&self) -> Sealer {
        Sealer::new(self.activity.clone(), self.mark.clone())
    }

    /// Seal a connection secret for one hub and name.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is too long to seal (256 GiB).
    pub fn seal(
        &self,
        workspace: WorkspaceId,
        hub: HubId,
        name: &str,
        secret: &SecretString,
    ) -> Result<Sealed, StoreError> {
        let mut nonce = [0u8; NONCE_BYTES];
        random::fill(&mut nonce);
        let aad = associated(workspace, hub, name);
        let sealed = self
            .cipher()
            .encrypt(&Nonce::from(nonce), Payload { msg: secret.expose().as_bytes(), aad: &aad })
            .map_err(|_| StoreError::Corrupt(String::from("a secret that cannot be sealed")))?;
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed);
        Ok(Sealed { key_id: self.id.clone(), bytes })
    }

    /// Open it again.
    ///
    /// # Errors
    /// [`OpenError`]; for anything but the same workspace, hub and name it is `Forged`.
    pub fn open(
        &self,
        workspace: WorkspaceId,
        hub: HubId,
        name: &str,
        sealed: &Sealed,
    ) -> Result<SecretString, OpenError> {
        if sealed.key_id != self.id {
            return Err(OpenError::UnknownKey);
        }
        let (nonce, ciphertext) = sealed.bytes.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Forged)?;
        let aad = associated(workspace, hub, name);
        let plain = self
            .cipher()
            .decrypt(&Nonce::from(*nonce), Payload { msg: ciphertext, aad: &aad })
            .map_err(|_| OpenError::Forged)?;
        String::from_utf8(plain).map(SecretString::new).map_err(|_| OpenError::Forged)
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&chacha20poly1305::Key::from(*self.seal.expose()))
    }
}

/// Where the key file is unless told: beside the SQLite file, else in the working directory.
pub(super) fn default_path(place: &Place) -> PathBuf {
    match place {
        Place::Sqlite(file) => {
            let mut path = file.as_os_str().to_owned();
            path.push(".key");
            PathBuf::from(path)
        }
        Place::Postgres(_) => PathBuf::from("scimhub.key"),
    }
}

/// Read the key that belongs to this database; make one where the database has had none yet.
///
/// # Errors
/// [`StoreError::Refused`], naming the file, when it is missing, unreadable, or not the key this
/// database was set up with.
pub(super) fn obtain(conn: &mut DbConn, file: &Path) -> Result<Keyring, StoreError> {
    let recorded = settings::get_across_workspaces(conn, CHECK)?;
    let master = match (read(file)?, &recorded) {
        (Some(master), _) => master,
        (None, None) => make(file)?,
        (None, Some(_)) => {
            return Err(StoreError::Refused(format!(
                "the key file {} does not exist, but this database was set up with a key: \
                 put the file back, or name it with --key-file",
                file.display()
            )));
        }
    };
    let keyring = Keyring::from_master(&master);
    let recorded = match recorded {
        Some(recorded) => recorded,
        // Of several processes that start at once, the first one's key counts for all.
        None => settings::put_new_across_workspaces(conn, CHECK, &keyring.check)?,
    };
    if recorded == keyring.check {
        return Ok(keyring);
    }
    Err(StoreError::Refused(format!(
        "the key in {} is not the one this database was set up with: name the right file with --key-file",
        file.display()
    )))
}

fn refused(file: &Path, why: impl fmt::Display) -> StoreError {
    StoreError::Refused(format!("the key file {} cannot be used: {why}", file.display()))
}

fn read(file: &Path) -> Result<Option<Secret<[u8; 32]>>, StoreError> {
    let text = match fs::read_to_string(file) {
        Ok(text) => SecretString::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(file, error)),
    };
    if fs::metadata(file).is_ok_and(|found| found.permissions().mode() & 0o007 != 0) {
        tracing::warn!(file = %file.display(), "everybody on this machine can read the key file {}", file.display());
    }
    let key = text.expose().trim().strip_prefix(FILE_HEAD).and_then(|key| STANDARD.decode(key.trim()).ok());
    let key = Secret::new(key.unwrap_or_default());
    let bytes = <[u8; 32]>::try_from(key.expose().as_slice()).map_err(|_| refused(file, "it holds no scimhub key"))?;
    Ok(Some(Secret::new(bytes)))
}

/// Whole or not at all, also where two processes start at once: written beside, synced, then
/// given its name only if nobody else was faster.
fn make(file: &Path) -> Result<Secret<[u8; 32]>, StoreError> {
    let mut bytes = [0u8; 32];
    random::fill(&mut bytes);
    let master = Secret::new(bytes);
    let text = SecretString::new(format!("{FILE_HEAD} {}\n", STANDARD.encode(master.expose())));
    let mut unique = [0u8; 8];
    random::fill(&mut unique);
    let mut draft = file.as_os_str().to_owned();
    draft.push(format!(".{}", hex(&unique)));
    let draft = PathBuf::from(draft);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut opened| {
        opened.write_all(text.expose().as_bytes())?;
        opened.sync_all()?;
        fs::hard_link(&draft, file)
    });
    let _ = fs::remove_file(&draft);
    match written {
        Ok(()) => {
            if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                // A key that a power cut takes away would take every secret with it.
                fs::File::open(folder).and_then(|opened| opened.sync_all()).map_err(|e| refused(file, e))?;
            }
            tracing::info!(file = %file.display(), "made the key file {}; keep a copy apart from the database", file.display());
            Ok(master)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(file)?.ok_or_else(|| refused(file, "it vanished while it was read"))
        }
        Err(error) => Err(refused(file, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring(byte: u8) -> Keyring {
        Keyring::from_master(&Secret::new([byte; 32]))
    }

    fn hub(number: u128) -> HubId {
        HubId::from_uuid(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn t_28_a_sealed_secret_opens_only_where_it_belongs() {
        let keys = keyring(1);
        let secret = SecretString::new(String::from("hunter2"));
        let sealed = keys.seal(WorkspaceId(1), hub(1), "TOKEN", &secret).unwrap();
        assert_eq!(keys.open(WorkspaceId(1), hub(1), "TOKEN", &sealed).unwrap().expose(), "hunter2");
        assert!(!sealed.bytes.windows(7).any(|w| w == b"hunter2"));
        for (workspace, hub, name) in [(2, hub(1), "TOKEN"), (1, hub(2), "TOKEN"), (1, hub(1), "TOKEN2")] {
            assert_eq!(keys.open(WorkspaceId(workspace), hub, name, &sealed).unwrap_err(), OpenError::Forged);
        }
        let mut changed = sealed.clone();
        if let Some(last) = changed.bytes.last_mut() {
            *last ^= 1;
        }
        assert_eq!(keys.open(WorkspaceId(1), hub(1), "TOKEN", &changed).unwrap_err(), OpenError::Forged);
        changed.bytes.truncate(5);
        assert_eq!(keys.open(WorkspaceId(1), hub(1), "TOKEN", &changed).unwrap_err(), OpenError::Forged);
        assert_eq!(keyring(2).open(WorkspaceId(1), hub(1), "TOKEN", &sealed).unwrap_err(), OpenError::UnknownKey);
    }

    #[test]
    fn the_same_secret_is_never_sealed_the_same_way_twice() {
        let keys = keyring(1);
        let secret = SecretString::new(String::from("hunter2"));
        let seal = || keys.seal(WorkspaceId(1), hub(1), "TOKEN", &secret).unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_key_file_is_made_once_private_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.key");
        let made = make(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&file).unwrap().unwrap().expose(), made.expose());
        assert_eq!(make(&file).unwrap().expose(), made.expose(), "the slower of two takes the faster one's");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        fs::write(&file, "scimhub-key-1 short").unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("a.key"));
    }

    #[test]
    fn debug_shows_no_key() {
        let shown = format!("{:?}", keyring(7));
        assert_eq!(shown, format!("Keyring({})", keyring(7).id()));
    }
}
