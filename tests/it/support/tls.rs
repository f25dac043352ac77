//! A certificate authority made at test time, and a client that trusts it and nothing else: one
//! real TLS connection that stays open for as long as the test wants.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use super::http::Reply;

/// An RSA key, because none can be made without another library. It guards nothing.
const RSA: &[u8] = include_bytes!("rsa-2048-for-tests.pk8.der");

/// How a key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// P-256 as PKCS#8.
    Pkcs8,
    /// P-256 as SEC1 (`EC PRIVATE KEY`).
    Sec1,
    /// RSA as PKCS#8.
    RsaPkcs8,
    /// RSA as PKCS#1 (`RSA PRIVATE KEY`).
    Pkcs1,
    /// Ed25519 as PKCS#8.
    Ed25519,
}

/// A root, and an intermediate that signs.
pub struct Authority {
    root: CertificateDer<'static>,
    between: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// What a server is given.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The server's certificate and the intermediate, PEM.
    pub cert: String,
    /// Its key, PEM.
    pub key: String,
    /// The server's certificate.
    pub der: Vec<u8>,
}

fn ca(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Bytes as PEM.
pub fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The part of a PKCS#8 key that begins `before` bytes ahead of `mark`.
fn inner<'a>(pkcs8: &'a [u8], mark: &[u8], before: usize) -> &'a [u8] {
    let at = pkcs8.windows(mark.len()).position(|w| w == mark).expect("the mark");
    &pkcs8[at - before..]
}

impl Authority {
    /// A fresh one.
    pub fn new() -> Self {
        let (root_key, between_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let root = ca("test root");
        let root_der = root.self_signed(&root_key).unwrap().der().clone();
        let root = Issuer::new(root, root_key);
        let between = ca("test intermediate");
        let between_der = between.signed_by(&between_key, &root).unwrap().der().clone();
        Self { root: root_der, between: between_der, issuer: Issuer::new(between, between_key) }
    }

    /// A certificate for this machine, valid from last year until 2090.
    pub fn issue(&self) -> Issued {
        self.issue_as(KeyForm::Pkcs8, (2020, 2090))
    }

    /// The same with a key of another form, or another life (first days of two years).
    pub fn issue_as(&self, form: KeyForm, life: (i32, i32)) -> Issued {
        let key = match form {
            KeyForm::Pkcs8 | KeyForm::Sec1 => KeyPair::generate().unwrap(),
            KeyForm::Ed25519 => KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap(),
            KeyForm::RsaPkcs8 | KeyForm::Pkcs1 => KeyPair::try_from(RSA).unwrap(),
        };
        let mut params = CertificateParams::new(vec![String::from("localhost"), String::from("127.0.0.1")]).unwrap();
        params.not_before = rcgen::date_time_ymd(life.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(life.1, 1, 1);
        let der = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let pkcs8 = key.serialize_der();
        let key = match form {
            KeyForm::Pkcs8 | KeyForm::RsaPkcs8 | KeyForm::Ed25519 => pem("PRIVATE KEY", &pkcs8),
            // SEQUENCE (2 bytes of head), INTEGER 1, OCTET STRING of 32 bytes.
            KeyForm::Sec1 => pem("EC PRIVATE KEY", inner(&pkcs8, &[2, 1, 1, 4, 32], 2)),
            // SEQUENCE (4 bytes of head), INTEGER 0, INTEGER of 257 bytes.
            KeyForm::Pkcs1 => pem("RSA PRIVATE KEY", inner(&pkcs8, &[2, 1, 0, 2, 0x82, 1, 1], 4)),
        };
        let cert = pem("CERTIFICATE", &der) + &pem("CERTIFICATE", &self.between);
        Issued { cert, key, der: der.to_vec() }
    }

    /// Open a connection to `base` and do the handshake, trusting only this authority.
    ///
    /// # Errors
    /// Why the handshake failed.
    pub fn connect(&self, base: &str) -> Result<Line, String> {
        self.connect_as(base, rustls::ALL_VERSIONS, &[])
    }

    /// The same with some versions of TLS and some application protocols only.
    ///
    /// # Errors
    /// Why the handshake failed.
    pub fn connect_as(
        &self,
        base: &str,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> Result<Line, String> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        let mut session = ClientConnection::new(Arc::new(config), name).map_err(|e| e.to_string())?;
        let mut socket = TcpStream::connect(base.trim_start_matches("https://")).map_err(|e| e.to_string())?;
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut socket).map_err(|e| e.to_string())?;
        }
        Ok(Line { stream: StreamOwned::new(session, socket) })
    }

    /// One request on a connection of its own.
    pub fn request(&self, base: &str, method: &str, target: &[u8], headers: &[&[u8]]) -> Reply {
        let mut all = vec![&b"Connection: close"[..]];
        all.extend_from_slice(headers);
        self.connect(base).expect("a handshake").ask(method, target, &all).expect("a reply")
    }
}

impl Issued {
    /// Write both files into `folder`, each whole at once as a careful renewal does; answers where.
    pub fn write(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let place = |name: &str, text: &str| {
            let (path, draft) = (folder.join(name), folder.join(format!("{name}.new")));
            std::fs::write(&draft, text).unwrap();
            std::fs::set_permissions(&draft, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            std::fs::rename(&draft, &path).unwrap();
            path
        };
        (place("tls.crt", &self.cert), place("tls.key", &self.key))
    }
}

/// A connection that is open.
pub struct Line {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Line {
    /// The certificate the server showed, DER.
    pub fn certificate(&self) -> Vec<u8> {
        self.stream.conn.peer_certificates().expect("certificates")[0].to_vec()
    }

    /// What the two sides agreed to speak.
    pub fn protocol(&self) -> Option<String> {
        self.stream.conn.alpn_protocol().map(|p| String::from_utf8_lossy(p).into_owned())
    }

    /// The version of TLS.
    pub fn version(&self) -> rustls::ProtocolVersion {
        self.stream.conn.protocol_version().expect("a version")
    }

    /// Send a request and read its reply; the connection stays.
    ///
    /// # Errors
    /// When the connection ended before the whole reply was there.
    pub fn ask(&mut self, method: &str, target: &[u8], headers: &[&[u8]]) -> Result<Reply, String> {
        self.send(method, target, headers)?;
        self.reply()
    }

    /// Send the head of a request.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn send(&mut self, method: &str, target: &[u8], headers: &[&[u8]]) -> Result<(), String> {
        let mut bytes = [method.as_bytes(), b" ", target, b" HTTP/1.1\r\nHost: test\r\n"].concat();
        for header in headers {
            bytes.extend_from_slice(header);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        self.write(&bytes)
    }

    /// Send bytes as they are.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).map_err(|e| e.to_string())
    }

    /// Read a reply, which must say how long it is.
    ///
    /// # Errors
    /// When the connection ended before the whole reply was there.
    pub fn reply(&mut self) -> Result<Reply, String> {
        let mut answer = Vec::new();
        let mut buffer = [0u8; 4096];
        loop {
            if let Some(reply) = whole(&answer) {
                return Ok(reply);
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(format!("cut off after {} bytes", answer.len())),
                Ok(count) => answer.extend_from_slice(&buffer[..count]),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Whether the server has closed; waits for it a little.
    pub fn is_closed(&mut self) -> bool {
        self.stream.read(&mut [0u8; 1]).map_or(true, |count| count == 0)
    }
}

fn whole(answer: &[u8]) -> Option<Reply> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let reply = super::raw::read(answer);
    let length: usize = reply.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    (answer.len() >= end + 4 + length).then_some(reply)
}
