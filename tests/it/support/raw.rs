//! Requests that no HTTP library would send: bytes in, the reply's bytes out.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::http::Reply;

/// How long an answer may take to begin, on a machine that does much else.
const BEGINS: Duration = Duration::from_secs(30);
/// How long a connection is listened to that has answered in whole.
const SILENT: Duration = Duration::from_secs(2);

/// Whether this begins with a whole reply: its head, and as much body as that says.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| answer.len() - end - 4 >= length)
}

/// Send `bytes` to `base` and read until the server closes, or has answered and falls silent.
pub fn exchange(base: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(base.trim_start_matches("http://")).expect("the server listens");
    stream.set_read_timeout(Some(BEGINS)).expect("a time-out");
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut buffer = [0u8; 16 * 1024];
    while let Ok(count) = stream.read(&mut buffer) {
        if count == 0 {
            break;
        }
        answer.extend_from_slice(&buffer[..count]);
        if is_whole(&answer) {
            stream.set_read_timeout(Some(SILENT)).expect("a time-out");
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
    answer
}

/// Send one request with exactly these header lines and this body; `Connection: close` is added.
///
/// # Panics
/// When the reply is not HTTP.
pub fn request(base: &str, method: &str, target: &[u8], headers: &[&[u8]], body: &[u8]) -> Reply {
    let mut bytes = [method.as_bytes(), b" ", target, b" HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"].concat();
    for header in headers {
        bytes.extend_from_slice(header);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    read(&exchange(base, &bytes))
}

/// Bytes as a reply.
///
/// # Panics
/// When they are not HTTP.
pub fn read(answer: &[u8]) -> Reply {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or_else(|| {
        panic!("no HTTP reply: {:?}", String::from_utf8_lossy(answer));
    });
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|l| l.split(' ').nth(1)).and_then(|s| s.parse().ok()).expect("a status");
    let headers = lines.filter_map(|l| l.split_once(": ")).map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
    Reply { status, headers, body: answer[end + 4..].to_vec() }
}
