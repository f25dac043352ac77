//! One keep-alive HTTP/1.1 connection to a server on this machine, as lean as a driver can be that
//! shares its cores with what it measures.

use std::io;
use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use tokio::net::TcpStream;

/// Where to call, and as whom.
#[derive(Clone, Debug)]
pub struct Target {
    address: SocketAddr,
    authorization: String,
}

impl Target {
    /// A base URL as the server prints it.
    ///
    /// # Errors
    /// For an address that is not loopback.
    pub fn new(base: &str, token: &str) -> anyhow::Result<Self> {
        let address: SocketAddr = base
            .strip_prefix("http://")
            .context("plain HTTP only")?
            .trim_end_matches('/')
            .parse()
            .context("an address and a port")?;
        ensure!(address.ip().is_loopback(), "{address} is not on this machine: loopback only");
        Ok(Self { address, authorization: format!("Bearer {token}") })
    }

    /// The same place, as somebody else.
    pub fn with_token(&self, token: &str) -> Self {
        Self { address: self.address, authorization: format!("Bearer {token}") }
    }
}

/// What to ask.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub body: String,
}

impl Request {
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), body: String::new() }
    }

    pub fn with(method: &'static str, path: impl Into<String>, body: &serde_json::Value) -> Self {
        Self { method, path: path.into(), body: body.to_string() }
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Wire {
    target: Target,
    stream: TcpStream,
    sent: Vec<u8>,
    read: Vec<u8>,
}

impl Wire {
    pub async fn open(target: &Target) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { target: target.clone(), stream, sent: Vec::new(), read: Vec::with_capacity(16 * 1024) })
    }

    /// Ask; the status and the body.
    pub async fn ask(&mut self, request: &Request) -> anyhow::Result<(u16, &[u8])> {
        self.sent.clear();
        let media = if request.path.starts_with("/api/") { "application/json" } else { "application/scim+json" };
        let head = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\nauthorization: {}\r\ncontent-type: {media}\r\n\
             content-length: {}\r\n\r\n",
            request.method,
            request.path,
            self.target.address,
            self.target.authorization,
            request.body.len()
        );
        self.sent.extend_from_slice(head.as_bytes());
        self.sent.extend_from_slice(request.body.as_bytes());
        let mut written = 0;
        while written < self.sent.len() {
            match self.stream.try_write(&self.sent[written..]) {
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(error) => return Err(error.into()),
            }
        }
        self.read.clear();
        let head = loop {
            self.more().await?;
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let (status, length) = parse(&self.read[..head])?;
        self.read.reserve(length);
        while self.read.len() < head + length {
            self.more().await?;
        }
        Ok((status, &self.read[head..head + length]))
    }

    /// As [`Wire::ask`], for a reply that must be a success; the body as JSON.
    pub async fn json(&mut self, request: &Request) -> anyhow::Result<serde_json::Value> {
        let (status, body) = self.ask(request).await?;
        if !(200..300).contains(&status) {
            bail!("{} {}: {status} {}", request.method, request.path, String::from_utf8_lossy(body));
        }
        if body.is_empty() { Ok(serde_json::Value::Null) } else { Ok(serde_json::from_slice(body)?) }
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        loop {
            self.stream.readable().await?;
            match self.stream.try_read_buf(&mut self.read) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Status and length of the body.
fn parse(head: &[u8]) -> anyhow::Result<(u16, usize)> {
    let text = std::str::from_utf8(head)?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("a status line")?.parse()?;
    let mut length = 0;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse()?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            bail!("a reply without a length");
        }
    }
    Ok((status, length))
}
