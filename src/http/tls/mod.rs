//! The server's own TLS: which certificate it shows, and how a renewed one takes its place
//! without a connection being dropped. rustls with ring, TLS 1.2 and 1.3, HTTP/1.1.

mod pair;
mod reload;
mod validity;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;

use crate::base::clock::SharedClock;
pub use reload::Certificates;

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The server's certificate and behind it the rest of its chain, PEM.
    pub cert: PathBuf,
    /// The key of the first certificate, PEM: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// Read the files and be ready to serve with them.
///
/// # Errors
/// Everything that is wrong with the two files, one sentence each, naming the file.
pub fn open(files: Files, clock: SharedClock) -> Result<Arc<Certificates>, Vec<String>> {
    Certificates::open(files, clock).map(Arc::new)
}

/// rustls as this server speaks it, with whatever certificate is current when a client comes.
///
/// # Errors
/// When ring offers none of rustls's protocol versions, which it does.
pub fn config(certificates: Arc<Certificates>) -> Result<ServerConfig, rustls::Error> {
    Ok(ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(certificates))
}
