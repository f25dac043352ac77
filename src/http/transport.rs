//! How a request travelled: from where, and whether anybody on the way could read it. A proxy's
//! headers count only when the proxy was named with `--trusted-proxy`; from anybody else they are
//! text that a client made up (T-05). `Host` and `X-Forwarded-Host` never count at all: what
//! locations begin with is configuration.

use std::net::{IpAddr, SocketAddr};
use std::str;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};

use super::App;
use super::error::Refusal;
use crate::base::limits;
use crate::base::network::Network;

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Who sent it, as far as this machine and its trusted proxies know.
    pub client: Option<IpAddr>,
    /// Whether it could be read on the way.
    pub way: Way,
}

/// Whether a request could be read on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Over TLS, or it never left this machine.
    Private,
    /// Over plain HTTP from another machine, or so a trusted proxy says.
    Clear,
    /// From a trusted proxy that does not say how the request came to it.
    Unsaid,
    /// Whoever sent it has hung up, so that nobody knows any more from where it came.
    Gone,
}

/// How this request came.
pub fn of(app: &App, request: &HttpRequest) -> Arrival {
    let peer = request.peer_addr().map(|address| address.ip());
    arrival(peer, app.exposure.tls, &app.exposure.trusted_proxies, request.headers())
}

/// Refuse a credential that could be read on the way, before anything is looked up for it.
///
/// # Errors
/// 403 that says what to do; the credential's owner must hear that it is no secret any more.
pub fn admit_credential(app: &App, request: &HttpRequest) -> Result<(), Refusal> {
    let Arrival { client, way } = of(app, request);
    let advice = match way {
        Way::Private => return Ok(()),
        Way::Clear => "call the public https address",
        Way::Unsaid => "the trusted proxy must say in X-Forwarded-Proto that the request came to it over https",
        // Nobody hears it; and a credential from this machine would be called one that was read on the way.
        Way::Gone => return Err(Refusal::new(StatusCode::FORBIDDEN, "the connection is gone")),
    };
    let client = client.map(tracing::field::display);
    tracing::warn!(client, "refused a credential that came over plain HTTP; it should be replaced");
    let detail = format!("credentials are not taken over plain HTTP: {advice}, and replace this credential");
    Err(Refusal::new(StatusCode::FORBIDDEN, detail))
}

fn arrival(peer: Option<IpAddr>, tls: bool, trusted: &[Network], headers: &HeaderMap) -> Arrival {
    let peer = peer.map(|peer| peer.to_canonical());
    let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(ip));
    let is_local = peer.is_some_and(|peer| peer.is_loopback());
    if !peer.is_some_and(is_trusted) {
        let way = match peer {
            _ if tls || is_local => Way::Private,
            Some(_) => Way::Clear,
            None => Way::Gone,
        };
        return Arrival { client: peer, way };
    }
    let way = match said_https(headers) {
        Some(true) => Way::Private,
        Some(false) => Way::Clear,
        // The proxy says nothing: it spoke TLS with us itself, or it is a command on this machine.
        None if tls || is_local => Way::Private,
        None => Way::Unsaid,
    };
    Arrival { client: forwarded_for(headers, is_trusted).or(peer), way }
}

/// Whether the proxy says that the client spoke https; `None` when it says nothing. Where several
/// values stand, each must say so: which of them a client smuggled in cannot be told.
fn said_https(headers: &HeaderMap) -> Option<bool> {
    let mut said = None;
    for value in headers.get_all("x-forwarded-proto") {
        let https = value.to_str().is_ok_and(|v| v.split(',').all(|proto| proto.trim().eq_ignore_ascii_case("https")));
        said = Some(said.unwrap_or(true) && https);
    }
    for value in headers.get_all(header::FORWARDED) {
        // RFC 7239 section 4: elements by comma, pairs by semicolon, values perhaps quoted.
        for element in value.to_str().unwrap_or_default().split(',') {
            let proto = element.split(';').filter_map(|pair| pair.split_once('=')).find_map(|(name, value)| {
                name.trim().eq_ignore_ascii_case("proto").then(|| value.trim().trim_matches('"').trim())
            });
            if let Some(proto) = proto {
                said = Some(said.unwrap_or(true) && proto.eq_ignore_ascii_case("https"));
            }
        }
    }
    said
}

/// The right-most address of `X-Forwarded-For` that is no trusted proxy: whatever stands further
/// left came from outside. What is no address ends the search at the hop that named it.
fn forwarded_for(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let mut nearest = None;
    let lines: Vec<_> = headers.get_all("x-forwarded-for").map(|line| line.to_str().unwrap_or_default()).collect();
    let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
    for hop in hops.take(limits::FORWARDED_HOPS) {
        let Some(hop) = address(hop.trim()) else { break };
        nearest = Some(hop);
        if !is_trusted(hop) {
            break;
        }
    }
    nearest
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let plain = bare.parse::<IpAddr>().ok();
    plain.or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip())).map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn came(peer: &str, tls: bool, trusted: &[&str], lines: &[(&str, &str)]) -> (String, Way) {
        let trusted: Vec<Network> = trusted.iter().map(|n| n.parse().unwrap()).collect();
        let found = arrival(Some(peer.parse().unwrap()), tls, &trusted, &headers(lines));
        (found.client.unwrap().to_string(), found.way)
    }

    const XFP: &str = "x-forwarded-proto";
    const XFF: &str = "x-forwarded-for";

    #[test]
    fn of_who_has_hung_up_nothing_is_said() {
        let proxies: Vec<Network> = vec!["10.0.0.0/8".parse().unwrap()];
        let lies = headers(&[(XFP, "https")]);
        assert_eq!(arrival(None, false, &proxies, &lies), Arrival { client: None, way: Way::Gone });
        assert_eq!(arrival(None, true, &proxies, &lies).way, Way::Private);
    }

    #[test]
    fn headers_of_strangers_mean_nothing() {
        let lies = [(XFP, "https"), ("forwarded", "for=127.0.0.1;proto=https"), (XFF, "127.0.0.1")];
        assert_eq!(came("198.51.100.1", false, &["10.0.0.0/8"], &lies), ("198.51.100.1".into(), Way::Clear));
        assert_eq!(came("198.51.100.1", false, &[], &lies), ("198.51.100.1".into(), Way::Clear));
        assert_eq!(came("198.51.100.1", true, &["10.0.0.0/8"], &lies), ("198.51.100.1".into(), Way::Private));
        let truths = [(XFP, "http"), (XFF, "198.51.100.7")];
        assert_eq!(came("127.0.0.1", false, &["10.0.0.0/8"], &truths), ("127.0.0.1".into(), Way::Private));
        assert_eq!(came("::ffff:127.0.0.1", false, &[], &truths), ("127.0.0.1".into(), Way::Private));
    }

    #[test]
    fn a_trusted_proxy_must_say_that_it_was_https() {
        for (lines, way) in [
            (vec![], Way::Unsaid),
            (vec![(XFP, "https")], Way::Private),
            (vec![(XFP, " HTTPS ")], Way::Private),
            (vec![(XFP, "https, https")], Way::Private),
            (vec![(XFP, "http")], Way::Clear),
            (vec![(XFP, "")], Way::Clear),
            (vec![(XFP, "httpsx")], Way::Clear),
            (vec![(XFP, "https, http")], Way::Clear),
            (vec![(XFP, "http, https")], Way::Clear),
            (vec![(XFP, "https"), (XFP, "http")], Way::Clear),
            (vec![("forwarded", "for=192.0.2.1;proto=https;by=10.0.0.1")], Way::Private),
            (vec![("forwarded", "for=\"[2001:db8::1]\"; Proto=\"https\"")], Way::Private),
            (vec![("forwarded", "proto=https, proto=http")], Way::Clear),
            (vec![("forwarded", "for=192.0.2.1")], Way::Unsaid),
            (vec![(XFP, "https"), ("forwarded", "proto=http")], Way::Clear),
            (vec![(XFP, "http"), ("forwarded", "proto=https")], Way::Clear),
            (vec![("x-forwarded-ssl", "on")], Way::Unsaid),
        ] {
            assert_eq!(came("10.1.2.3", false, &["10.0.0.0/8"], &lines).1, way, "{lines:?}");
        }
    }

    #[test]
    fn a_proxy_on_this_machine_is_believed_and_a_command_beside_it_needs_no_headers() {
        let trusted = ["127.0.0.1", "::1"];
        assert_eq!(came("127.0.0.1", false, &trusted, &[]).1, Way::Private);
        assert_eq!(came("127.0.0.1", false, &trusted, &[(XFP, "https")]).1, Way::Private);
        assert_eq!(came("127.0.0.1", false, &trusted, &[(XFP, "http")]).1, Way::Clear);
        assert_eq!(came("::1", false, &trusted, &[(XFP, "http")]).1, Way::Clear);
        assert_eq!(came("10.0.0.1", true, &["10.0.0.1"], &[]).1, Way::Private);
        assert_eq!(came("10.0.0.1", true, &["10.0.0.1"], &[(XFP, "http")]).1, Way::Clear);
    }

    #[test]
    fn the_client_is_the_right_most_address_that_is_no_proxy() {
        let long = "1.1.1.1, ".repeat(100) + "10.0.0.9";
        for (lines, client) in [
            (vec![], "10.0.0.1"),
            (vec!["198.51.100.7"], "198.51.100.7"),
            (vec!["127.0.0.1, 198.51.100.7"], "198.51.100.7"),
            (vec!["127.0.0.1", "198.51.100.7"], "198.51.100.7"),
            (vec!["198.51.100.7", "10.0.0.2"], "198.51.100.7"),
            (vec!["198.51.100.7,10.0.0.2 , 10.0.0.3"], "198.51.100.7"),
            (vec!["10.0.0.3,10.0.0.2"], "10.0.0.3"),
            (vec!["198.51.100.7, nonsense, 10.0.0.2"], "10.0.0.2"),
            (vec!["nonsense"], "10.0.0.1"),
            (vec![""], "10.0.0.1"),
            (vec!["198.51.100.7:4711"], "198.51.100.7"),
            (vec!["2001:db8::7"], "2001:db8::7"),
            (vec!["[2001:db8::7]"], "2001:db8::7"),
            (vec!["[2001:db8::7]:4711"], "2001:db8::7"),
            (vec!["::ffff:198.51.100.7"], "198.51.100.7"),
            (vec![long.as_str()], "1.1.1.1"),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| (XFF, *line)).chain([(XFP, "https")]).collect();
            let found = came("10.0.0.1", false, &["10.0.0.0/8"], &lines);
            assert_eq!(found, (client.to_owned(), Way::Private), "{lines:?}");
        }
    }
}
