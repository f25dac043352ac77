//! A small mail server: enough of RFC 5321 to take messages from a client that keeps to it (EHLO,
//! AUTH PLAIN, MAIL, RCPT, DATA with dot-stuffing, RSET, NOOP, QUIT), and to refuse them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::hubs::SOON;
use crate::support::eventually;

/// A message that was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// Head and body as they came, dots unstuffed.
    pub data: String,
    /// Who signed in, and with which password.
    pub signed_in: Option<(String, String)>,
}

impl Mail {
    /// A header's value.
    pub fn header(&self, name: &str) -> &str {
        let found = self.data.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        found.unwrap_or_default()
    }

    /// The body as its reader sees it.
    pub fn text(&self) -> String {
        let (_, body) = self.data.split_once("\n\n").expect("a head");
        match self.header("Content-Transfer-Encoding") {
            "base64" => {
                String::from_utf8(STANDARD.decode(body.replace('\n', "")).unwrap()).unwrap().replace("\r\n", "\n")
            }
            "quoted-printable" => unquote(body),
            _ => body.to_owned(),
        }
    }
}

/// Quoted-printable (RFC 2045 section 6.7).
fn unquote(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'=' && tail.len() >= 2 {
            let digits = std::str::from_utf8(&tail[..2]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[derive(Debug, Default)]
struct State {
    mails: Mutex<Vec<Mail>>,
    refuses: AtomicBool,
    /// Address → what is answered for it, and how often it was asked.
    refused: Mutex<BTreeMap<String, (String, usize)>>,
    stopping: AtomicBool,
}

/// Listens until dropped.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    state: Arc<State>,
}

impl MailServer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let _ = converse(&stream, &state);
                });
            }
        });
        Self { address, state }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Whether every message is refused from now on, as a server does that is short of space.
    pub fn refuse(&self, refuses: bool) {
        self.state.refuses.store(refuses, Ordering::SeqCst);
    }

    /// From now on messages for one address are refused with this answer, an empty one by breaking the
    /// connection off; taken again without one.
    pub fn refuse_for(&self, address: &str, answer: Option<&str>) {
        let mut refused = self.state.refused.lock().unwrap();
        match answer {
            Some(answer) => _ = refused.insert(address.to_owned(), (answer.to_owned(), 0)),
            None => _ = refused.remove(address),
        }
    }

    /// How often a message for an address was refused since.
    pub fn refusals_of(&self, address: &str) -> usize {
        self.state.refused.lock().unwrap().get(address).map_or(0, |(_, count)| *count)
    }

    /// The messages for one address.
    pub fn mails_of(&self, address: &str) -> Vec<Mail> {
        self.mails().into_iter().filter(|mail| mail.to == [address]).collect()
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.state.mails.lock().unwrap().clone()
    }

    /// Wait until it has taken so many; all of them.
    pub async fn until_taken(&self, count: usize) -> Vec<Mail> {
        eventually(&format!("{count} mails"), SOON, async || self.mails().len() >= count).await;
        self.mails()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn converse(stream: &TcpStream, state: &State) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let mut out = stream;
    let mut mail = Mail::default();
    out.write_all(b"220 mail.test ESMTP\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        let (verb, rest) = line.split_once([' ', ':']).unwrap_or((&line, ""));
        let reply = match (verb.to_ascii_uppercase().as_str(), rest) {
            ("EHLO", _) => String::from("250-mail.test\r\n250-8BITMIME\r\n250 AUTH PLAIN"),
            ("HELO" | "NOOP", _) => String::from("250 mail.test"),
            ("RSET", _) => {
                mail = Mail { signed_in: mail.signed_in.take(), ..Mail::default() };
                String::from("250 OK")
            }
            ("AUTH", rest) => {
                let given = rest.strip_prefix("PLAIN ").unwrap_or_default();
                let plain = String::from_utf8(STANDARD.decode(given).unwrap_or_default()).unwrap_or_default();
                let mut parts = plain.split('\0').skip(1).map(str::to_owned);
                mail.signed_in = parts.next().zip(parts.next());
                if mail.signed_in.is_some() { "235 OK".into() } else { "535 no".into() }
            }
            ("MAIL", rest) => {
                mail.from = between(rest);
                if state.refuses.load(Ordering::SeqCst) {
                    "452 no space, says canary-of-the-server".into()
                } else {
                    "250 OK".into()
                }
            }
            ("RCPT", rest) => {
                let address = between(rest);
                match state.refused.lock().unwrap().get_mut(&address) {
                    Some((answer, count)) if answer.is_empty() => {
                        *count += 1;
                        return Ok(());
                    }
                    Some((answer, count)) => {
                        *count += 1;
                        answer.clone()
                    }
                    None => {
                        mail.to.push(address);
                        String::from("250 OK")
                    }
                }
            }
            ("DATA", _) => {
                out.write_all(b"354 go on\r\n")?;
                for line in lines.by_ref() {
                    let line = line?;
                    if line == "." {
                        break;
                    }
                    mail.data.push_str(line.strip_prefix('.').unwrap_or(&line));
                    mail.data.push('\n');
                }
                let signed_in = mail.signed_in.clone();
                state.mails.lock().unwrap().push(std::mem::take(&mut mail));
                mail.signed_in = signed_in;
                String::from("250 taken")
            }
            ("QUIT", _) => {
                out.write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            _ => String::from("500 what?"),
        };
        out.write_all(format!("{reply}\r\n").as_bytes())?;
    }
    Ok(())
}

/// `FROM:<ann@example.com> BODY=8BITMIME`
fn between(text: &str) -> String {
    let (_, rest) = text.split_once('<').unwrap_or(("", text));
    rest.split('>').next().unwrap_or_default().to_owned()
}
