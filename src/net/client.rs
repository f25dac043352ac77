//! The HTTP client every connector uses: bounded in time and size, no redirects, no proxy from
//! the environment, addresses checked when the connection is made.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Once};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::addresses::AddressPolicy;
use super::error::{AddressRefused, NetError};
use super::url::Target;
use crate::base::limits;
use crate::base::secret::SecretString;

/// What to do with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Create.
    Post,
    /// Replace.
    Put,
    /// Change.
    Patch,
    /// Remove.
    Delete,
}

impl Method {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    fn wire(self) -> reqwest::Method {
        match self {
            Self::Get => reqwest::Method::GET,
            Self::Post => reqwest::Method::POST,
            Self::Put => reqwest::Method::PUT,
            Self::Patch => reqwest::Method::PATCH,
            Self::Delete => reqwest::Method::DELETE,
        }
    }
}

/// One call. `Debug` shows no header value and no body.
#[derive(Clone)]
pub struct Request {
    method: Method,
    target: Target,
    headers: Vec<(&'static str, String)>,
    bearer: Option<SecretString>,
    body: Option<Vec<u8>>,
    timeout: Duration,
    answer_bytes: usize,
}

impl Request {
    /// A call without a body.
    pub fn new(method: Method, target: Target) -> Self {
        Self {
            method,
            target,
            headers: Vec::new(),
            bearer: None,
            body: None,
            timeout: limits::CALL_TIMEOUT,
            answer_bytes: limits::REMOTE_BODY_BYTES,
        }
    }

    /// Add a header; its name is ours, never the app's.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Send `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer(mut self, token: Option<&SecretString>) -> Self {
        self.bearer = token.cloned();
        self
    }

    /// Send a body of this media type.
    #[must_use]
    pub fn body(self, media_type: &'static str, body: Vec<u8>) -> Self {
        let mut request = self.header("content-type", media_type);
        request.body = Some(body);
        request
    }

    /// Give up after this long in all, never later than the limit of one call.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(limits::CALL_TIMEOUT);
        self
    }

    /// A call of ours to a server of ours, which may go over a whole workspace before it answers.
    /// Never for an app.
    #[must_use]
    pub fn to_ourselves(mut self) -> Self {
        self.timeout = limits::COMMAND_TIMEOUT;
        self.answer_bytes = limits::COMMAND_ANSWER_BYTES;
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.as_str(), self.target)
    }
}

/// What came back, whatever the status.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    headers: HeaderMap,
    /// The body, complete.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's text; `None` when it is missing or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} bytes", self.status, self.body.len())
    }
}

/// Where names are looked up; tests put a lying one here.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Time limits of a client.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Name, TCP and TLS together.
    pub connect: Duration,
    /// The whole call.
    pub call: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: limits::CONNECT_TIMEOUT, call: limits::CALL_TIMEOUT }
    }
}

/// Cheap to clone; holds the connection pools.
#[derive(Clone)]
pub struct Client {
    /// For https: public addresses and allowed networks.
    tls: reqwest::Client,
    /// For plain http: allowed networks only, so that no credential goes over the internet in clear.
    plain: reqwest::Client,
    policy: Arc<AddressPolicy>,
    timeouts: Timeouts,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("policy", &self.policy).field("timeouts", &self.timeouts).finish_non_exhaustive()
    }
}

static PROVIDER: Once = Once::new();

impl Client {
    /// A client under this policy.
    ///
    /// # Errors
    /// [`NetError::Setup`] when the HTTP library cannot be set up.
    pub fn new(policy: AddressPolicy) -> Result<Self, NetError> {
        Self::with(policy, Timeouts::default(), &system_lookup())
    }

    /// A client with other time limits or another name look-up.
    ///
    /// # Errors
    /// [`NetError::Setup`] when the HTTP library cannot be set up.
    pub fn with(policy: AddressPolicy, timeouts: Timeouts, lookup: &Lookup) -> Result<Self, NetError> {
        PROVIDER.call_once(|| {
            // Fails only where somebody installed one before us, which serves as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let policy = Arc::new(policy);
        let build = |plain: bool| {
            let guard = Guard { policy: Arc::clone(&policy), plain, lookup: Arc::clone(lookup) };
            base_builder(timeouts).dns_resolver(guard)
        };
        // A machine without any CA certificate can still call its own networks; https calls then
        // fail with a certificate error instead of the whole server.
        let tls = build(false)
            .build()
            .or_else(|_| build(false).tls_certs_only(std::iter::empty()).build())
            .map_err(|error| NetError::Setup(error.without_url().to_string()))?;
        let plain = build(true)
            .tls_certs_only(std::iter::empty())
            .build()
            .map_err(|error| NetError::Setup(error.without_url().to_string()))?;
        Ok(Self { tls, plain, policy, timeouts })
    }

    /// What this client may call.
    pub fn policy(&self) -> &AddressPolicy {
        &self.policy
    }

    /// Make the call and read the whole answer.
    ///
    /// # Errors
    /// A [`NetError`]; every status is an [`Answer`], not an error. Redirects are not followed.
    pub async fn send(&self, request: Request) -> Result<Answer, NetError> {
        let Request { method, target, headers, bearer, body, timeout, answer_bytes } = request;
        target.check(&self.policy)?;
        let host = target.host();
        let client = if target.is_plain() { &self.plain } else { &self.tls };
        let mut outgoing = client
            .request(method.wire(), target.url().clone())
            .timeout(timeout.min(self.timeouts.call))
            .headers(header_map(headers, bearer.as_ref())?);
        if let Some(body) = body {
            outgoing = outgoing.body(body);
        }
        let answer = match outgoing.send().await {
            Ok(answer) => answer,
            Err(error) => return Err(classify(&error, host)),
        };
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let mut body = Vec::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let Ok(chunk) = chunk else {
                return Err(NetError::Lost { host, status: Some(status), why: "the answer broke off" });
            };
            if body.len().saturating_add(chunk.len()) > answer_bytes {
                return Err(NetError::TooLarge { host, status, limit: answer_bytes });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body })
    }
}

fn base_builder(timeouts: Timeouts) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.call)
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(8)
        .user_agent(concat!("scimhub/", env!("CARGO_PKG_VERSION")))
}

fn header_map(headers: Vec<(&'static str, String)>, bearer: Option<&SecretString>) -> Result<HeaderMap, NetError> {
    let mut map = HeaderMap::new();
    map.insert(ACCEPT, HeaderValue::from_static("application/json"));
    for (name, value) in headers {
        let value = HeaderValue::from_str(&value)
            .map_err(|_| NetError::Refused(format!("the header {name} cannot hold this value")))?;
        map.insert(HeaderName::from_static(name), value);
    }
    if let Some(token) = bearer {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| NetError::Refused(String::from("the token holds characters that no header can carry")))?;
        value.set_sensitive(true);
        map.insert(AUTHORIZATION, value);
    }
    Ok(map)
}

/// Before or after sending? Anything that is not surely before counts as after.
fn classify(error: &reqwest::Error, host: String) -> NetError {
    if refused_address(error) {
        return NetError::NotAllowed(format!("{host}: {AddressRefused}"));
    }
    if error.is_builder() {
        return NetError::Refused(format!("{host}: the request could not be built"));
    }
    if error.is_connect() {
        let why = if error.is_timeout() { "no connection in time" } else { "no connection" };
        return NetError::NotSent { host, why };
    }
    let why = if error.is_timeout() { "no answer in time" } else { "the connection broke" };
    NetError::Lost { host, status: None, why }
}

fn refused_address(error: &reqwest::Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = source {
        if inner.is::<AddressRefused>() {
            return true;
        }
        source = inner.source();
    }
    false
}

/// The resolver that stands between a name and a connection.
struct Guard {
    policy: Arc<AddressPolicy>,
    plain: bool,
    lookup: Lookup,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        let plain = self.plain;
        let found = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let found = found.await?;
            // One forbidden address among the answers spoils them all: mixing is how a name
            // that changes between check and connect would try it.
            let allowed = found
                .iter()
                .all(|socket| if plain { policy.allowed_inside(socket.ip()) } else { policy.allows(socket.ip()) });
            if !allowed {
                return Err(AddressRefused.into());
            }
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

/// The operating system's name look-up.
pub fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.is_empty() { Err(std::io::ErrorKind::NotFound.into()) } else { Ok(found) }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Answers every connection with `reply` and closes; counts connections.
    async fn listener(reply: &'static [u8]) -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                seen.fetch_add(1, Ordering::SeqCst);
                let mut buffer = [0u8; 4096];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(reply).await;
            }
        });
        (port, count)
    }

    fn local() -> Client {
        let timeouts = Timeouts { connect: Duration::from_secs(2), call: Duration::from_millis(700) };
        Client::with(AddressPolicy::with_loopback(), timeouts, &system_lookup()).unwrap()
    }

    fn get(url: &str) -> Request {
        Request::new(Method::Get, Target::parse(url).unwrap())
    }

    #[tokio::test]
    async fn t23_redirects_are_not_followed() {
        let (inner, seen) = listener(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        for status in ["301", "302", "307", "308"] {
            let reply = format!(
                "HTTP/1.1 {status} x\r\nlocation: http://127.0.0.1:{inner}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            let (outer, _) = listener(Box::leak(reply.into_bytes().into_boxed_slice())).await;
            let answer = local().send(get(&format!("http://127.0.0.1:{outer}/"))).await.unwrap();
            assert_eq!(answer.status.to_string(), status);
        }
        assert_eq!(seen.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn t23_a_name_is_judged_by_the_address_it_has_at_connect() {
        let (port, seen) = listener(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        // Public at the first look, then private; and both at once.
        for answers in [vec!["1.1.1.1"], vec!["127.0.0.1"], vec!["1.1.1.1", "127.0.0.1"], vec!["::ffff:127.0.0.1"]] {
            let private = answers.iter().any(|a| a.contains("127"));
            let lookup: Lookup = Arc::new(move |_| {
                let found = answers.iter().map(|a| SocketAddr::new(a.parse().unwrap(), 9)).collect();
                Box::pin(async move { Ok(found) })
            });
            let timeouts = Timeouts { connect: Duration::from_millis(50), call: Duration::from_millis(100) };
            let client = Client::with(AddressPolicy::public_only(), timeouts, &lookup).unwrap();
            let error = client.send(get(&format!("https://app.example:{port}/"))).await.unwrap_err();
            assert_eq!(matches!(error, NetError::NotAllowed(_)), private, "{error:?}");
        }
        assert_eq!(seen.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn plain_http_by_name_never_leaves_the_allowed_networks() {
        let lookup: Lookup = Arc::new(|_| Box::pin(async { Ok(vec!["1.1.1.1:80".parse().unwrap()]) }));
        let client = Client::with(AddressPolicy::with_loopback(), Timeouts::default(), &lookup).unwrap();
        let error = client.send(get("http://app.example/")).await.unwrap_err();
        assert!(matches!(error, NetError::NotAllowed(_)), "{error:?}");
    }

    #[tokio::test]
    async fn f08_failures_say_whether_anything_was_sent() {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = gone.local_addr().unwrap().port();
        drop(gone);
        let refused = local().send(get(&format!("http://127.0.0.1:{port}/secret?token=x"))).await.unwrap_err();
        assert!(matches!(refused, NetError::NotSent { .. }), "{refused:?}");
        assert!(!refused.to_string().contains("secret") && !refused.to_string().contains("token"));

        for (reply, status) in [
            (&b""[..], None),
            (&b"HTTP/1.1 200 OK\r\n"[..], None),
            (&b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{"[..], Some(201)),
        ] {
            let (port, _) = listener(reply).await;
            let error = local().send(get(&format!("http://127.0.0.1:{port}/"))).await.unwrap_err();
            assert!(matches!(&error, NetError::Lost { status: s, .. } if *s == status), "{error:?}");
        }

        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let error = local().send(get(&format!("http://127.0.0.1:{port}/"))).await.unwrap_err();
        assert!(matches!(&error, NetError::Lost { why: "no answer in time", .. }), "{error:?}");
    }

    #[tokio::test]
    async fn t33_an_endless_answer_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0u8; 1024];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
            while stream.write_all(&chunk).await.is_ok() {}
        });
        let error = local().send(get(&format!("http://127.0.0.1:{port}/"))).await.unwrap_err();
        assert!(matches!(error, NetError::TooLarge { status: 200, .. }), "{error:?}");
    }

    #[test]
    fn t25_nothing_secret_is_shown() {
        let request = get("https://app.example/tenant-key/Users?filter=ann")
            .bearer(Some(&SecretString::from(String::from("canary-token"))));
        let shown = format!("{request:?}");
        assert_eq!(shown, "GET https://app.example");
    }
}
