//! HTTP of the practice app: credential, log and faults around the page, the switchboard and the
//! SCIM endpoint.

use std::collections::VecDeque;
use std::net::TcpListener;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use super::faults::{Break, Fault, Faults};
use super::seats::Spaces;
use super::users::{self, Call, Reply};
use super::{invitations, lock, page, switchboard};
use crate::base::clock::SharedClock;
use crate::base::secret::SecretString;

/// Requests the log remembers.
const LOG: usize = 20_000;

/// What all requests share.
#[derive(Debug)]
pub struct Shared {
    token: SecretString,
    pub(super) clock: SharedClock,
    pub(super) spaces: Mutex<Spaces>,
    pub(super) faults: Mutex<Faults>,
    pub(super) log: Mutex<VecDeque<Value>>,
}

impl Shared {
    pub(super) fn new(token: SecretString, clock: SharedClock) -> Self {
        Self { token, clock, spaces: Mutex::default(), faults: Mutex::default(), log: Mutex::default() }
    }

    fn knows(&self, request: &HttpRequest) -> bool {
        let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let wanted = format!("Bearer {}", self.token.expose());
        sent.is_some_and(|sent| bool::from(sent.as_bytes().ct_eq(wanted.as_bytes())))
    }

    fn note(&self, request: &HttpRequest, status: u16) {
        let mut log = lock(&self.log);
        if log.len() >= LOG {
            log.pop_front();
        }
        log.push_back(json!({
            "at": self.clock.now().to_rfc3339(),
            "method": request.method().as_str(),
            "target": target(request),
            "status": status,
            "op_id": op_id(request),
            "request_id": header_text(request, "x-request-id"),
            "authorization": request.headers().contains_key(header::AUTHORIZATION).then_some("***"),
        }));
    }
}

/// Path and query.
fn target(request: &HttpRequest) -> String {
    request.uri().path_and_query().map(|target| target.as_str().to_owned()).unwrap_or_default()
}

fn op_id(request: &HttpRequest) -> Option<String> {
    header_text(request, "x-attempt-id")
}

fn header_text(request: &HttpRequest, name: &str) -> Option<String> {
    request.headers().get(name).and_then(|value| value.to_str().ok()).map(String::from)
}

/// Run until stopped. Sends the handle back once it listens.
pub(super) fn run(listener: TcpListener, shared: Arc<Shared>, started: &Sender<ServerHandle>) {
    let data = web::Data::from(shared);
    actix_web::rt::System::new().block_on(async move {
        let built = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .app_data(web::PayloadConfig::new(4 * 1024 * 1024))
                .default_service(web::to(handle))
        })
        .workers(2)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(listener);
        let Ok(server) = built else { return };
        let server = server.run();
        if started.send(server.handle()).is_ok() {
            let _ = server.await;
        }
    });
}

async fn handle(request: HttpRequest, body: web::Bytes, shared: web::Data<Shared>) -> HttpResponse {
    let method = request.method().as_str().to_owned();
    let path = request.path().to_owned();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.as_slice() {
        [] if method == "GET" => {
            let html = page::render(&lock(&shared.spaces), shared.clock.now());
            HttpResponse::Ok().content_type("text/html; charset=utf-8").body(html)
        }
        ["join", space, id] => {
            let mut spaces = lock(&shared.spaces);
            let found = spaces.spaces.get_mut(*space);
            let (status, html) = match found {
                Some(space) => invitations::follow(space, &method, id, shared.clock.now()),
                None => (404, String::from("<h1>Not found</h1>\n")),
            };
            HttpResponse::build(code(status)).content_type("text/html; charset=utf-8").body(html)
        }
        ["_test", what] => {
            if !shared.knows(&request) {
                return HttpResponse::Unauthorized().json(json!({"error": "send the sandbox's token"}));
            }
            let (status, answer) = switchboard::answer(&shared, &method, what, &body);
            HttpResponse::build(code(status)).json(answer)
        }
        ["scim", "v2", rest @ ..] => scim(&request, &body, &shared, "default", rest).await,
        [space, "scim", "v2", rest @ ..] => scim(&request, &body, &shared, space, rest).await,
        _ => HttpResponse::NotFound().content_type("text/html; charset=utf-8").body("<h1>Not found</h1>\n"),
    }
}

async fn scim(
    request: &HttpRequest,
    body: &web::Bytes,
    shared: &web::Data<Shared>,
    space: &str,
    path: &[&str],
) -> HttpResponse {
    let fault = lock(&shared.faults).take(request.method().as_str(), &target(request));
    if let Some(fault) = &fault {
        if !fault.delay().is_zero() {
            tokio::time::sleep(fault.delay()).await;
        }
        if fault.drop == Some(Break::Before) {
            shared.note(request, 0);
            return broken();
        }
        if let Some(status) = fault.status {
            shared.note(request, status);
            return planned(fault, status);
        }
    }
    let reply = if shared.knows(request) {
        commit(request, body, shared, space, path)
    } else {
        users::error(401, None, "the bearer token is missing or wrong")
    };
    shared.note(request, reply.status);
    if let Some(fault) = &fault {
        if !fault.delay_after().is_zero() {
            tokio::time::sleep(fault.delay_after()).await;
        }
        if fault.drop == Some(Break::AfterCommit) {
            return broken();
        }
    }
    wire(reply)
}

fn commit(request: &HttpRequest, body: &[u8], shared: &Shared, space: &str, path: &[&str]) -> Reply {
    let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let query = web::Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map(web::Query::into_inner)
        .unwrap_or_default();
    let content_type = text(header::CONTENT_TYPE).and_then(|t| t.split(';').next()).unwrap_or_default().trim();
    let place = request.path().split_once("/v2").map_or("", |(before, _)| before);
    let op = op_id(request);
    let call = Call {
        method: request.method().as_str(),
        path,
        query: &query,
        content_type,
        if_match: text(header::IF_MATCH),
        op_id: op.as_deref(),
        body,
        base: &format!("http://{}{place}/v2", request.connection_info().host()),
        now: shared.clock.now(),
    };
    let mut spaces = lock(&shared.spaces);
    let Spaces { rules, spaces } = &mut *spaces;
    users::answer(spaces.entry(space.to_owned()).or_default(), rules, &call)
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn wire(reply: Reply) -> HttpResponse {
    let mut response = HttpResponse::build(code(reply.status));
    if let Some(etag) = reply.etag {
        response.insert_header((header::ETAG, etag));
    }
    match reply.body {
        Some(body) => response.content_type("application/scim+json").body(body.to_string()),
        None => response.finish(),
    }
}

fn planned(fault: &Fault, status: u16) -> HttpResponse {
    let mut response = HttpResponse::build(code(status));
    response.content_type("application/scim+json");
    for (name, value) in &fault.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::from_str(value)) {
            response.insert_header((name, value));
        }
    }
    match &fault.body {
        Some(Value::String(text)) => response.body(text.clone()),
        Some(body) => response.body(body.to_string()),
        None => response.finish(),
    }
}

/// A body that fails at once: the connection ends without a usable answer.
fn broken() -> HttpResponse {
    let nothing = futures_util::stream::once(async {
        Err::<web::Bytes, std::io::Error>(std::io::ErrorKind::ConnectionReset.into())
    });
    HttpResponse::Ok().streaming(nothing)
}
