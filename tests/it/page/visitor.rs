//! A reader without a script: keeps the cookie as a browser would, fills in forms, follows nothing.

use crate::support::http::{Client, Reply};

/// Somebody at the page.
#[derive(Debug)]
pub struct Visitor {
    pub client: Client,
    /// `name=value` of the session's cookie; empty before signing in.
    pub cookie: String,
}

/// A form's body.
pub fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect()
    };
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    pairs.join("&").into_bytes()
}

pub const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// The value of an attribute behind a place in a page.
pub fn after<'a>(page: &'a str, before: &str, until: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(before)?;
    rest.split_once(until).map(|(value, _)| value)
}

/// The proof in a page's forms.
pub fn proof(page: &str) -> String {
    after(page, "name=\"proof\" value=\"", "\"").expect("a form with a proof").to_owned()
}

impl Visitor {
    /// Nobody yet.
    pub fn new(base: &str) -> Self {
        Self { client: Client::anonymous(base), cookie: String::new() }
    }

    /// Somebody who typed this token.
    pub async fn signed_in(base: &str, token: &str) -> Self {
        let mut visitor = Self::new(base);
        let reply = visitor.post("/sign-in", &[("token", token), ("next", "/")]).await.expect(303);
        assert_eq!(reply.header("location"), Some("/"));
        let set = reply.header("set-cookie").expect("a cookie");
        visitor.cookie = set.split(';').next().expect("name=value").to_owned();
        visitor
    }

    fn headers<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut headers = more.to_vec();
        if !self.cookie.is_empty() {
            headers.push(("cookie", &self.cookie));
        }
        headers
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.client.send("GET", path, &self.headers(&[]), None).await
    }

    /// POST a form as this server's own page would.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.post_with(path, fields, &[("sec-fetch-site", "same-origin")]).await
    }

    /// POST a form with these headers.
    pub async fn post_with(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Reply {
        let mut all = self.headers(headers);
        all.push(FORM);
        self.client.send("POST", path, &all, Some(form(fields))).await
    }

    /// The proof of this session.
    pub async fn proof(&self) -> String {
        proof(&self.get("/").await.expect(200).text())
    }
}
