//! Looking for secrets where none may be (threat T-25): each in every spelling it could take on
//! its way out.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Secrets by name, and what to look for.
#[derive(Clone, Debug, Default)]
pub struct Canaries(Vec<(String, Vec<(&'static str, String)>)>);

impl Canaries {
    /// Look for this one too. The name is what a failure shows.
    pub fn add(&mut self, name: &str, secret: &str) {
        self.0.push((name.to_owned(), spellings(secret)));
    }

    /// Everything of these that `text` holds, by name and spelling.
    pub fn found_in(&self, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (name, spellings) in &self.0 {
            for (spelling, needle) in spellings {
                if let Some(at) = text.find(needle) {
                    found.push(format!("{name} ({spelling}) in: {}", around(text, at, needle.len())));
                }
            }
        }
        found
    }

    /// Fail when `text` holds any of them.
    ///
    /// # Panics
    /// With every find, and where it stands.
    #[track_caller]
    pub fn assert_absent(&self, place: &str, text: &str) {
        let found = self.found_in(text);
        assert!(found.is_empty(), "{place} holds secrets:\n{}", found.join("\n"));
    }
}

/// The line a find stands in, cut to a readable length.
fn around(text: &str, at: usize, length: usize) -> String {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1).max(at.saturating_sub(400));
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline).min(at + length + 100);
    String::from_utf8_lossy(&text.as_bytes()[start..end]).into_owned()
}

/// Raw, percent-encoded, as a JSON string, in base64 of both alphabets (at each place it may have
/// within a longer text), in hexadecimal, and as Rust prints bytes.
fn spellings(secret: &str) -> Vec<(&'static str, String)> {
    assert!(secret.len() >= 8, "a text so short would be found by chance");
    let bytes = secret.as_bytes();
    let mut all = vec![("raw", secret.to_owned())];
    let percent = |digits: &dyn Fn(u8) -> String| -> String {
        bytes.iter().map(|b| if b.is_ascii_alphanumeric() { char::from(*b).to_string() } else { digits(*b) }).collect()
    };
    all.push(("percent-encoded", percent(&|b| format!("%{b:02X}"))));
    all.push(("percent-encoded", percent(&|b| format!("%{b:02x}"))));
    all.push(("in JSON", serde_json::to_string(secret).expect("text").trim_matches('"').to_owned()));
    all.push(("as a Rust string", secret.escape_debug().to_string()));
    for shift in 0..3 {
        let mut padded = vec![b' '; shift];
        padded.extend_from_slice(bytes);
        // Characters at the ends also depend on the neighbours.
        let (skip, keep) = ([0, 2, 3][shift], padded.len() * 8 / 6);
        let cut = |encoded: String| encoded[skip..keep].to_owned();
        all.push(("base64", cut(STANDARD_NO_PAD.encode(&padded))));
        all.push(("base64url", cut(URL_SAFE_NO_PAD.encode(&padded))));
    }
    let spelled = |separator: &str, show: &dyn Fn(u8) -> String| {
        bytes.iter().map(|b| show(*b)).collect::<Vec<_>>().join(separator)
    };
    all.push(("hexadecimal", spelled("", &|b| format!("{b:02x}"))));
    all.push(("hexadecimal", spelled("", &|b| format!("{b:02X}"))));
    all.push(("as bytes", spelled(", ", &|b| b.to_string())));
    let mut escaped = String::new();
    for b in bytes {
        let _ = write!(escaped, "\\x{b:02x}");
    }
    all.push(("escaped", escaped));
    all.sort();
    all.dedup_by(|one, other| one.1 == other.1);
    all
}

#[test]
fn t25_a_canary_is_found_in_every_spelling() {
    let secret = "c4nary/\"+ key?>~\u{e4}";
    let mut canaries = Canaries::default();
    canaries.add("the key", secret);
    let encode = |text: &str| STANDARD_NO_PAD.encode(text);
    let hidden = [
        format!("before {secret} after"),
        format!("{:?}", [secret]),
        format!("{:?}", secret.as_bytes()),
        serde_json::json!({ "deep": [secret] }).to_string(),
        encode(secret),
        encode(&format!("x{secret}y")),
        encode(&format!("Basic xy{secret}")),
        URL_SAFE_NO_PAD.encode(format!("user:{secret}")),
        format!("https://h/?k={}", "c4nary%2F%22%2B%20key%3F%3E%7E%C3%A4"),
        secret.bytes().map(|b| format!("{b:02x}")).collect(),
    ];
    for text in hidden {
        assert!(!canaries.found_in(&text).is_empty(), "missed in {text}");
    }
    assert!(canaries.found_in("c4nary/ key").is_empty());
}
