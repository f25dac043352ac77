//! A certificate with its chain and key, read from two PEM files, and everything that can be wrong
//! with them said in words that name the file.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use sha2::{Digest, Sha256};

use super::Files;
use super::validity::{self, Validity};
use crate::base::limits;
use crate::base::secret::Secret;

/// A certificate that can be shown to clients.
#[derive(Debug)]
pub struct Pair {
    /// Chain and key.
    pub certified: Arc<CertifiedKey>,
    /// The life of the first certificate.
    pub validity: Validity,
}

/// What the two files held at one look, good or bad; enough to tell a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen([Result<[u8; 32], String>; 2]);

type Content = Result<Secret<Vec<u8>>, String>;

/// One look at the files.
pub struct Look {
    cert: Content,
    key: Content,
}

impl Look {
    /// Read both files; that one cannot be read is found out by [`Look::pair`].
    pub fn at(files: &Files) -> Self {
        Self { cert: content(&files.cert), key: content(&files.key) }
    }

    /// What to compare with another look.
    pub fn seen(&self) -> Seen {
        let digest = |content: &Content| {
            content.as_ref().map(|bytes| Sha256::digest(bytes.expose()).into()).map_err(Clone::clone)
        };
        Seen([digest(&self.cert), digest(&self.key)])
    }

    /// The pair that the files hold.
    ///
    /// # Errors
    /// Everything that is wrong, one sentence each.
    pub fn pair(&self, files: &Files) -> Result<Pair, Vec<String>> {
        let in_cert = |why: &str| format!("tls_cert: {} {why}", files.cert.display());
        let in_key = |why: &str| format!("tls_key: {} {why}", files.key.display());
        let chain = self.cert.as_ref().map_err(Clone::clone).and_then(|bytes| chain(bytes.expose()));
        let key = self.key.as_ref().map_err(Clone::clone).and_then(|bytes| key(bytes.expose()));
        let (chain, key) = match (chain, key) {
            (Ok(chain), Ok(key)) => (chain, key),
            (chain, key) => {
                let problems = [chain.err().map(|why| in_cert(&why)), key.err().map(|why| in_key(&why))];
                return Err(problems.into_iter().flatten().collect());
            }
        };
        let first = chain.first().ok_or_else(|| vec![in_cert(NO_CERTIFICATE)])?;
        let Some(validity) = validity::read(first) else {
            return Err(vec![in_cert("holds something that is not an X.509 certificate")]);
        };
        let provider = ring::default_provider();
        let loaded = provider
            .key_provider
            .load_private_key(key)
            .map_err(|error| vec![in_key(&format!("holds a key that cannot be used: {error}"))])?;
        let certified = CertifiedKey::new(chain, Arc::clone(&loaded));
        match certified.keys_match() {
            // Unknown: a key that does not tell its public half; the handshake will.
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
                Ok(Pair { certified: Arc::new(certified), validity })
            }
            Err(Error::InconsistentKeys(_)) => {
                let fits = |cert: &CertificateDer<'static>| {
                    CertifiedKey::new(vec![cert.clone()], Arc::clone(&loaded)).keys_match().is_ok()
                };
                Err(vec![if certified.cert.iter().any(fits) {
                    in_cert("must begin with the server's own certificate; the rest of its chain comes after it")
                } else {
                    format!(
                        "tls_key: the key in {} does not belong to the certificate in {}",
                        files.key.display(),
                        files.cert.display()
                    )
                }])
            }
            Err(error) => Err(vec![in_cert(&format!("holds a certificate that cannot be used: {error}"))]),
        }
    }
}

const NO_CERTIFICATE: &str = "holds no certificate (PEM, -----BEGIN CERTIFICATE-----)";

/// Whether anybody on this machine may read the file.
pub fn everybody_reads(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|found| found.permissions().mode() & 0o007 != 0)
}

fn content(file: &Path) -> Content {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let opened = File::open(file).map_err(cannot)?;
    let mut bytes = Secret::new(Vec::new());
    opened.take(limits::TLS_FILE_BYTES + 1).read_to_end(bytes.expose_mut()).map_err(cannot)?;
    if u64::try_from(bytes.expose().len()).is_ok_and(|length| length <= limits::TLS_FILE_BYTES) {
        Ok(bytes)
    } else {
        Err(format!("is larger than {} bytes", limits::TLS_FILE_BYTES))
    }
}

fn chain(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(bytes).collect::<Result<_, _>>().map_err(|error| damaged(&error))?;
    if chain.is_empty() { Err(String::from(NO_CERTIFICATE)) } else { Ok(chain) }
}

fn key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    match PrivateKeyDer::from_pem_slice(bytes) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => {
            let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
            Err(if bytes.windows(encrypted.len()).any(|window| window == encrypted) {
                String::from("is protected by a password; decrypt it first (openssl pkey -in … -out …)")
            } else {
                String::from("holds no private key (PEM: PKCS#8, PKCS#1 or SEC1)")
            })
        }
        Err(error) => Err(damaged(&error)),
    }
}

/// Never the library's own text: it quotes lines of the file, and the file may be the key.
fn damaged(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => String::from("is cut off: a -----END line is missing"),
        _ => String::from("is damaged: it is not PEM text"),
    }
}
