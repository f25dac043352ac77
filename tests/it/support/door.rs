//! A door in front of an app: while it is shut, connections are refused; opened again, it is at
//! the same address.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::until;

/// An address that leads to another one while it is open.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    target: SocketAddr,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    thread: Option<JoinHandle<()>>,
    closing: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Door {
    /// An open door to `http://HOST:PORT`.
    pub fn to(base: &str) -> Self {
        let target = base.trim_start_matches("http://").parse().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let door = Self { address: listener.local_addr().expect("its address"), target, inside: Mutex::default() };
        door.listen(listener);
        door
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Refuse connections and break those there are.
    pub fn shut(&self) {
        let mut inside = self.inside.lock().expect("the door");
        inside.closing.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = inside.thread.take() {
            thread.join().expect("the door's thread");
        }
        for stream in inside.streams.lock().expect("the streams").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lead on again, at the same address.
    pub fn open(&self) {
        let mut listener = None;
        until("the old address", std::time::Duration::from_secs(30), || {
            listener = TcpListener::bind(self.address).ok();
            listener.is_some()
        });
        self.listen(listener.expect("it is bound"));
    }

    fn listen(&self, listener: TcpListener) {
        let mut inside = self.inside.lock().expect("the door");
        inside.closing = Arc::default();
        let (closing, streams, target) = (Arc::clone(&inside.closing), Arc::clone(&inside.streams), self.target);
        inside.thread = Some(std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if closing.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(app) = TcpStream::connect(target) else { continue };
                let copy = |stream: &TcpStream| stream.try_clone().expect("a handle");
                streams.lock().expect("the streams").extend([copy(&client), copy(&app)]);
                for (from, to) in [(copy(&client), copy(&app)), (app, client)] {
                    std::thread::spawn(move || pass(from, to));
                }
            }
        }));
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shut();
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
