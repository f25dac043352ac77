//! An endpoint on a port of its own. It reads what comes, computes the signature itself, and answers
//! as it is told to: with any status, late, or by breaking off.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::hubs::SOON;
use crate::support::eventually;

/// A key in the path, as some services want it: a secret too.
pub const KEY: &str = "path-key-4e1b77";

/// How a call is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With this status and these header lines.
    Status(u16, &'static str),
    /// The connection is closed without a word.
    Reset,
    /// Not at all, until the receiver is dropped.
    Silence,
}

/// A call that came.
#[derive(Clone, Debug)]
pub struct Call {
    pub head: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Call {
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// Whether one of its signatures is that of this secret, and how many there are.
    pub fn signed_by(&self, secret: &str) -> (bool, usize) {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("a signing secret")).expect("base64");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
        mac.update(format!("{}.{}.", self.headers["webhook-id"], self.headers["webhook-timestamp"]).as_bytes());
        mac.update(&self.body);
        let own = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let all: Vec<&str> = self.headers["webhook-signature"].split(' ').collect();
        (all.contains(&own.as_str()), all.len())
    }
}

#[derive(Debug)]
struct State {
    calls: Mutex<Vec<Call>>,
    next: Mutex<VecDeque<Answer>>,
    always: Mutex<Answer>,
    held: Mutex<Vec<TcpStream>>,
    stopping: AtomicBool,
}

/// Listens until dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    state: Arc<State>,
}

impl Receiver {
    /// One that answers 204.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State {
            calls: Mutex::default(),
            next: Mutex::default(),
            always: Mutex::new(Answer::Status(204, "")),
            held: Mutex::default(),
            stopping: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}/{KEY}", self.address)
    }

    /// From now on.
    pub fn always(&self, answer: Answer) {
        *self.state.always.lock().unwrap() = answer;
    }

    /// The next calls, before that.
    pub fn next(&self, answers: &[Answer]) {
        self.state.next.lock().unwrap().extend(answers.iter().cloned());
    }

    pub fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().unwrap().clone()
    }

    /// Wait until so many calls came; all of them.
    pub async fn until_called(&self, count: usize) -> Vec<Call> {
        eventually(&format!("{count} calls of the endpoint"), SOON, async || self.calls().len() >= count).await;
        self.calls()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        self.state.held.lock().unwrap().clear();
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: TcpStream, state: &State) {
    while let Some(call) = read(&mut stream) {
        state.calls.lock().unwrap().push(call);
        let planned = state.next.lock().unwrap().pop_front();
        let answer = planned.unwrap_or_else(|| state.always.lock().unwrap().clone());
        match answer {
            Answer::Status(status, headers) => {
                let reply = format!("HTTP/1.1 {status} x\r\n{headers}content-length: 0\r\n\r\n");
                if stream.write_all(reply.as_bytes()).is_err() {
                    return;
                }
            }
            Answer::Reset => return,
            Answer::Silence => {
                state.held.lock().unwrap().push(stream);
                return;
            }
        }
    }
}

fn read(stream: &mut TcpStream) -> Option<Call> {
    let mut bytes = Vec::new();
    let mut buffer = [0u8; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let headers: BTreeMap<String, String> = head
                .lines()
                .skip(1)
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            let length: usize = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let body = bytes[end + 4..end + 4 + length].to_vec();
                return Some(Call { head, headers, body });
            }
        }
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
            Ok(_) | Err(_) => return None,
        }
    }
}
