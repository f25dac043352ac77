//! A proxy in front of PostgreSQL that cuts a connection at a chosen statement: before the server
//! hears of it, or after it was carried out and before the answer arrives.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::Database;

/// Where a statement's way is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The server never hears of it.
    BeforeStatement,
    /// The server carries it out; the answer is lost.
    BeforeReply,
}

#[derive(Debug, Default)]
struct State {
    /// Statements until the cut; 0 where none is planned.
    left: AtomicUsize,
    /// Whether the server may still carry out the statement.
    carried_out: AtomicBool,
    cuts: AtomicUsize,
    stopping: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
    /// The statements since they were counted last, each a round trip.
    said: Mutex<Vec<String>>,
}

/// Listens until dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

impl Proxy {
    /// Stand in front of this database's server.
    pub fn before(database: &Database) -> Self {
        let target = database.server().expect("a PostgreSQL database");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(server) = TcpStream::connect(&target) else { continue };
                connect(client, server, &shared);
            }
        });
        Self { address, state }
    }

    /// Its address, as in a URL.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Cut at the `n`-th statement from now, on whichever connection it comes.
    pub fn arm(&self, n: usize, cut: Cut) {
        self.state.carried_out.store(cut == Cut::BeforeReply, Ordering::SeqCst);
        self.state.cuts.store(0, Ordering::SeqCst);
        self.state.left.store(n, Ordering::SeqCst);
    }

    /// No cut any more. Whether it had happened.
    pub fn disarm(&self) -> bool {
        self.state.left.store(0, Ordering::SeqCst);
        self.state.cuts.load(Ordering::SeqCst) > 0
    }

    /// Count statements from now on, each a round trip; none is cut.
    pub fn count(&self) {
        self.state.said.lock().expect("what was said").clear();
        self.arm(usize::MAX, Cut::BeforeStatement);
    }

    /// How many there were.
    pub fn counted(&self) -> usize {
        usize::MAX - self.state.left.load(Ordering::SeqCst)
    }

    /// The beginning of each of them, in the order in which they came.
    pub fn said(&self) -> Vec<String> {
        self.state.said.lock().expect("what was said").clone()
    }

    /// Cut every connection there is.
    pub fn cut_all(&self) {
        for stream in self.state.streams.lock().expect("the streams").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        self.cut_all();
        // The listener's thread looks once more and ends.
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    /// Whether this statement is the one.
    fn is_due(&self) -> bool {
        let counted = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        counted == Ok(1)
    }
}

fn connect(client: TcpStream, server: TcpStream, state: &Arc<State>) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let copy = |stream: &TcpStream| stream.try_clone().expect("a handle");
    let mut kept = state.streams.lock().expect("the streams");
    kept.extend([copy(&client), copy(&server)]);
    drop(kept);
    // Set once the answer must not arrive.
    let mute = Arc::new(AtomicBool::new(false));
    let (from_server, to_client, muted) = (copy(&server), copy(&client), Arc::clone(&mute));
    std::thread::spawn(move || answers(from_server, to_client, &muted));
    let state = Arc::clone(state);
    std::thread::spawn(move || {
        let _ = statements(&client, &server, &state, &mute);
        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
    });
}

fn answers(mut from: TcpStream, mut to: TcpStream, mute: &AtomicBool) {
    let mut buffer = [0_u8; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || mute.load(Ordering::SeqCst) || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// Pass messages on, a whole round trip at a time: a simple query, or everything up to a Sync.
fn statements(mut from: &TcpStream, mut to: &TcpStream, state: &State, mute: &AtomicBool) -> std::io::Result<()> {
    let mut waiting = Vec::new();
    let mut spoken = Spoken::default();
    // The first message has no type, and neither has one that asks for encryption.
    let mut is_first = true;
    loop {
        let mut kind = [0_u8; 1];
        if !is_first {
            from.read_exact(&mut kind)?;
            waiting.extend_from_slice(&kind);
        }
        let mut length = [0_u8; 4];
        from.read_exact(&mut length)?;
        waiting.extend_from_slice(&length);
        let mut body = vec![0_u8; u32::from_be_bytes(length) as usize - 4];
        from.read_exact(&mut body)?;
        waiting.extend_from_slice(&body);
        spoken.hear(kind[0], &body);
        let is_whole = std::mem::take(&mut is_first) || !matches!(kind[0], b'P' | b'B' | b'D' | b'E' | b'C');
        if matches!(kind[0], b'Q' | b'S') {
            state.said.lock().expect("what was said").push(std::mem::take(&mut spoken.now));
        }
        if matches!(kind[0], b'Q' | b'S') && state.is_due() {
            let carried_out = state.carried_out.load(Ordering::SeqCst);
            state.cuts.fetch_add(1, Ordering::SeqCst);
            if !carried_out {
                return Ok(());
            }
            mute.store(true, Ordering::SeqCst);
        }
        if is_whole {
            to.write_all(&waiting)?;
            waiting.clear();
        }
    }
}

/// What one connection says: a prepared statement is named again by its name.
#[derive(Debug, Default)]
struct Spoken {
    prepared: HashMap<String, String>,
    now: String,
}

impl Spoken {
    fn hear(&mut self, kind: u8, body: &[u8]) {
        let mut texts = body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        let (first, second) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
        match kind {
            b'Q' => self.now = first,
            b'P' => {
                self.now = format!("prepare: {second}");
                self.prepared.insert(first, second);
            }
            b'B' => self.now = self.prepared.get(&second).cloned().unwrap_or_default(),
            _ => {}
        }
    }
}
