//! URLs of apps: read once, checked, and extended only by escaped segments and parameters, so
//! that nothing an app says can lead a request elsewhere (T-33).

use std::fmt;
use std::net::IpAddr;

use super::addresses::AddressPolicy;
use super::error::{AddressRefused, NetError};

/// A checked URL. `Debug` and `Display` show scheme, host and port only: paths of some apps hold
/// tenant keys, and queries hold names.
#[derive(Clone, PartialEq, Eq)]
pub struct Target(reqwest::Url);

impl Target {
    /// Read the base URL of a connection.
    ///
    /// # Errors
    /// [`NetError::Refused`] with a sentence for the person who typed it.
    pub fn parse(text: &str) -> Result<Self, NetError> {
        let url = reqwest::Url::parse(text.trim())
            .map_err(|_| NetError::Refused(String::from("the URL is not a valid http or https URL")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(NetError::Refused(String::from("the URL must begin with https:// (or http://)")));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NetError::Refused(String::from(
                "the URL must not hold a user name or password; credentials are secrets of their own",
            )));
        }
        if url.fragment().is_some() {
            return Err(NetError::Refused(String::from("the URL must not have a fragment (#…)")));
        }
        Ok(Self(url))
    }

    /// The same place with `segments` behind the path, each escaped.
    pub fn join(&self, segments: &[&str]) -> Self {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
            for segment in segments {
                // The parser would take these as steps in the tree even when escaped.
                match *segment {
                    "." => path.push("%2E"),
                    ".." => path.push("%2E%2E"),
                    other => path.push(other),
                };
            }
        }
        Self(url)
    }

    /// The same place with these query parameters added, escaped.
    pub fn with_query(&self, pairs: &[(&str, &str)]) -> Self {
        let mut url = self.0.clone();
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        Self(url)
    }

    /// Host and port, as error texts name it.
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        match self.0.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Whether it is plain http.
    pub fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// The address, when the host is one. The parser has already read decimal, octal and
    /// hexadecimal spellings.
    fn literal(&self) -> Option<IpAddr> {
        self.0.host_str().and_then(|host| host.trim_start_matches('[').trim_end_matches(']').parse().ok())
    }

    /// Hold the URL against the policy without calling anybody: for the moment a connection is
    /// saved, and before every call, because a resolver is not asked about literal addresses.
    ///
    /// # Errors
    /// [`NetError::NotAllowed`] for plain http or a literal address that is not allowed.
    pub fn check(&self, policy: &AddressPolicy) -> Result<(), NetError> {
        if self.is_plain() && policy.networks.is_empty() {
            return Err(NetError::NotAllowed(String::from("plain http is not allowed here; use https")));
        }
        let Some(address) = self.literal() else { return Ok(()) };
        let allowed = if self.is_plain() { policy.allowed_inside(address) } else { policy.allows(address) };
        if allowed { Ok(()) } else { Err(NetError::NotAllowed(format!("{}: {AddressRefused}", self.host()))) }
    }

    pub(super) fn url(&self) -> &reqwest::Url {
        &self.0
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.host())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t23_every_spelling_of_a_private_address_is_refused() {
        let policy = AddressPolicy::public_only();
        for text in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://0x7f.1/",
            "https://127.0.0.1./",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[0:0:0:0:0:0:0:1]/",
            "https://169.254.169.254/latest/meta-data",
            "https://0xa9fea9fe/",
            "https://2852039166/",
            "https://[fd00:ec2::254]/",
            "https://[fe80::1]/",
            "https://10.0.0.1:8443/x",
            "https://１２７.0.0.1/",
            "https://①②⑦.0.0.1/",
            "https://0/",
            "https://0.0.0.0/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
            "https://%31%32%37.0.0.1/",
            "http://1.1.1.1/",
            "http://example.com/",
        ] {
            let target = Target::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!(matches!(target.check(&policy), Err(NetError::NotAllowed(_))), "{text}");
        }
        for text in [
            "ftp://example.com",
            "file:///etc/passwd",
            "https://u:p@example.com",
            "https://e.com/#x",
            "x",
            "",
            "https://",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn plain_http_reaches_allowed_networks_only() {
        let policy = AddressPolicy::with_loopback();
        for (text, fine) in [
            ("http://127.0.0.1:9/scim", true),
            ("http://[::1]:9/scim", true),
            ("http://1.1.1.1/scim", false),
            ("http://10.0.0.1/scim", false),
            ("https://1.1.1.1/scim", true),
            ("https://example.com/scim", true),
        ] {
            assert_eq!(Target::parse(text).unwrap().check(&policy).is_ok(), fine, "{text}");
        }
    }

    #[test]
    fn segments_and_parameters_are_escaped() {
        let base = Target::parse("https://app.example/scim/v2/?tenant=7").unwrap();
        for (segment, path) in [
            ("a/b", "/scim/v2/Users/a%2Fb"),
            ("..", "/scim/v2/Users/%2E%2E"),
            ("x?y#z", "/scim/v2/Users/x%3Fy%23z"),
            ("é", "/scim/v2/Users/%C3%A9"),
        ] {
            let joined = base.join(&["Users", segment]);
            let shown = joined.url().path().to_owned();
            assert!(shown == path || shown.replace("%25", "%") == path, "{segment}: {shown}");
            assert_eq!(joined.url().query(), Some("tenant=7"));
        }
        let asked = base.join(&["Users"]).with_query(&[("filter", "userName eq \"a&b\"")]);
        assert_eq!(asked.url().query(), Some("tenant=7&filter=userName+eq+%22a%26b%22"));
        assert_eq!(format!("{asked:?} {asked}"), "https://app.example https://app.example");
    }
}
