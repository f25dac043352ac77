//! Mail to people, by one SMTP server that the installation names. TLS always, except to this very
//! machine; the password comes from the environment or a file, never from the URL.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{SmtpConnection, Tls, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;

use crate::base::clock::Micros;
use crate::base::secret::SecretString;

/// A server that accepts nothing for this long is given up for now.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why mail is not sent. Holds no password, no address of a person and no text of a mail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The settings cannot be used.
    #[error("{0}")]
    Settings(String),
    /// The server did not take it for this person, or an answer about them did not come. Says nothing
    /// about mail for others.
    #[error("the mail server did not take the message for this address: {0}")]
    Refused(String),
    /// The server takes nothing now, whoever it is for; it may later.
    #[error("the mail server did not take the message: {0}")]
    Failed(String),
}

/// Where mail goes out.
#[derive(Clone)]
pub struct MailSettings {
    /// `smtp://user@host:port` (STARTTLS; plain only on loopback) or `smtps://…`.
    pub url: String,
    /// The user's password.
    pub password: Option<SecretString>,
    /// Whom mail comes from.
    pub from: String,
}

impl fmt::Debug for MailSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailSettings({})", self.url)
    }
}

/// Sends mail. Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    host: String,
    port: u16,
    tls: Tls,
    credentials: Option<Credentials>,
    from: Address,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailer")
    }
}

/// What an SMTP URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Server {
    tls_at_once: bool,
    user: Option<String>,
    host: String,
    port: u16,
}

fn read_url(text: &str) -> Result<Server, MailError> {
    let wrong = |why: &str| {
        MailError::Settings(format!("smtp_url: {why}; write smtps://user@host:465 or smtp://user@host:587"))
    };
    let url = reqwest::Url::parse(text).map_err(|_| wrong("it is not a URL"))?;
    let tls_at_once = match url.scheme() {
        "smtps" => true,
        "smtp" => false,
        _ => return Err(wrong("it begins with smtp:// or smtps://")),
    };
    if url.password().is_some() {
        return Err(wrong("a password does not belong into it: give it by SCIMHUB_SMTP_PASSWORD or a file"));
    }
    let extra = !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some();
    let host = url.host_str().filter(|host| !host.is_empty() && !extra).ok_or_else(|| wrong("it needs a host only"))?;
    let user = Some(url.username()).filter(|user| !user.is_empty());
    Ok(Server {
        tls_at_once,
        user: user.map(|user| user.replace("%40", "@")),
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: url.port().unwrap_or(if tls_at_once { 465 } else { 587 }),
    })
}

impl Mailer {
    /// Check the settings; nobody is called.
    ///
    /// # Errors
    /// [`MailError::Settings`] for the person who wrote them.
    pub fn new(settings: &MailSettings) -> Result<Self, MailError> {
        let server = read_url(&settings.url)?;
        let from = settings.from.parse::<Address>();
        let from = from.map_err(|_| MailError::Settings(String::from("mail_from: it is not a mail address")))?;
        let is_local = server.host == "localhost"
            || server.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        let parameters = || {
            TlsParameters::new(server.host.clone())
                .map_err(|_| MailError::Settings(String::from("smtp_url: TLS to this host cannot be set up")))
        };
        let tls = match (server.tls_at_once, is_local) {
            (true, _) => Tls::Wrapper(parameters()?),
            (false, true) => Tls::None,
            (false, false) => Tls::Required(parameters()?),
        };
        let credentials = match (server.user, &settings.password) {
            (Some(user), Some(password)) => Some(Credentials::new(user, password.expose().clone())),
            (Some(_), None) => {
                return Err(MailError::Settings(String::from(
                    "smtp_url: it names a user; give the password by SCIMHUB_SMTP_PASSWORD or smtp_password_file",
                )));
            }
            (None, _) => None,
        };
        Ok(Self { host: server.host, port: server.port, tls, credentials, from })
    }

    /// Send one message to one person, and wait until the server has taken it. Blocks. `id` makes its
    /// Message-ID. A message for each, over a connection of its own: what a server says of one address,
    /// or how it ends the connection, is nobody else's.
    ///
    /// # Errors
    /// [`MailError`]; the server has taken nothing then, or did not say so.
    pub fn send(&self, to: &str, subject: &str, text: &str, (id, at): (uuid::Uuid, Micros)) -> Result<(), MailError> {
        let to: Address = to.parse().map_err(|_| MailError::Refused(String::from("it is not a mail address")))?;
        let message = message(&self.from, &to, subject, text, (id, at));
        let failed = |error: &Error| MailError::Failed(shown(error));
        let mut connection = self.connect().map_err(|error| failed(&error))?;
        let sender = Mail::new(Some(self.from.clone()), Vec::new());
        let sent = match connection.command(sender) {
            Err(error) => Err(failed(&error)),
            // From here on an answer, or none, is about this person: a server that hangs over one
            // address must not keep the next one from its turn.
            Ok(_) => connection
                .command(Rcpt::new(to, Vec::new()))
                .and_then(|_| connection.command(Data))
                .and_then(|_| connection.message(message.as_bytes()))
                .map_err(|error| MailError::Refused(shown(&error))),
        };
        match &sent {
            // It was taken, whatever comes of the farewell.
            Ok(_) => drop(connection.quit()),
            Err(_) => connection.abort(),
        }
        sent.map(|_| ())
    }

    fn connect(&self) -> Result<SmtpConnection, Error> {
        let hello = ClientId::default();
        let at_once = match &self.tls {
            Tls::Wrapper(parameters) => Some(parameters),
            Tls::None | Tls::Opportunistic(_) | Tls::Required(_) => None,
        };
        let server = (self.host.as_str(), self.port);
        let mut connection = SmtpConnection::connect(server, Some(PATIENCE), &hello, at_once, None)?;
        match &self.tls {
            Tls::Required(parameters) | Tls::Opportunistic(parameters) => connection.starttls(parameters, &hello)?,
            Tls::None | Tls::Wrapper(_) => {}
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials)?;
        }
        Ok(connection)
    }
}

/// A plain text message (RFC 5322, RFC 2045). The body is base64, so that no line of it is too long
/// for a server, begins with a dot, or is taken for a header.
fn message(from: &Address, to: &Address, subject: &str, text: &str, (id, at): (uuid::Uuid, Micros)) -> String {
    // Ours are ASCII and hold no line break; whatever else would come in stays out of the head.
    let subject: String =
        subject.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' }).collect();
    let date = jiff::Timestamp::from_microsecond(at.0)
        .ok()
        .and_then(|at| jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_string(&at).ok());
    let mut message = format!("From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\n");
    if let Some(date) = date {
        message.push_str(&format!("Date: {date}\r\n"));
    }
    message.push_str(&format!("Message-ID: <{}@{}>\r\n", id.simple(), from.domain()));
    message.push_str("Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n");
    message.push_str("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n");
    // A line break before each line: the first one is the empty line that ends the head.
    let body = STANDARD.encode(text.replace('\n', "\r\n"));
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(76));
        message.push_str("\r\n");
        message.push_str(line);
        rest = tail;
    }
    message.push_str("\r\n");
    message
}

/// What of a failure people may read: its kind and the server's code. The server's own words may
/// repeat an address or a credential.
fn shown(error: &Error) -> String {
    if let Some(code) = error.status() {
        return format!("it answered {code}");
    }
    let kind = if error.is_timeout() {
        "no answer in time"
    } else if error.is_tls() {
        "TLS failed"
    } else if error.is_client() {
        "it does not offer what is needed"
    } else {
        "no connection, or it broke"
    };
    kind.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_smtp_url_says_where_and_how() {
        let read = |text: &str| read_url(text).map(|s| (s.tls_at_once, s.user.unwrap_or_default(), s.host, s.port));
        assert_eq!(read("smtps://ops@mail.example"), Ok((true, "ops".into(), "mail.example".into(), 465)));
        assert_eq!(
            read("smtp://ops%40x.example@mail.example:25"),
            Ok((false, "ops@x.example".into(), "mail.example".into(), 25))
        );
        assert_eq!(read("smtp://[::1]:2525"), Ok((false, String::new(), "::1".into(), 2525)));
        for bad in [
            "mail.example:25",
            "http://mail.example",
            "smtp://",
            "smtp://u:p@mail.example",
            "smtp://h/x",
            "smtp://h?a=b",
        ] {
            let error = read_url(bad).unwrap_err().to_string();
            assert!(error.starts_with("smtp_url: "), "{bad}: {error}");
        }
    }

    #[test]
    fn a_message_is_plain_and_its_head_is_ours() {
        let address = |text: &str| text.parse::<Address>().unwrap();
        let text = ".\nFrom: x\n".repeat(20);
        let to = address("b@x.example");
        let made = message(&address("a@x.example"), &to, "two\r\nBcc: d", &text, (uuid::Uuid::nil(), Micros(0)));
        let (head, body) = made.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nTo: b@x.example\r\nSubject: two??Bcc: d\r\nDate: Thu, "), "{head}");
        assert!(body.lines().all(|line| line.len() <= 76 && !line.starts_with('.')), "{body}");
        let back = STANDARD.decode(body.replace("\r\n", "")).unwrap();
        assert_eq!(String::from_utf8(back).unwrap(), text.replace('\n', "\r\n"));
    }

    #[test]
    fn settings_are_checked_without_a_call() {
        let new = |url: &str, password: Option<&str>, from: &str| {
            let password = password.map(|text| SecretString::from(text.to_owned()));
            Mailer::new(&MailSettings { url: url.into(), password, from: from.into() }).map(|_| ())
        };
        assert_eq!(new("smtp://127.0.0.1:2525", None, "scimhub@x.example"), Ok(()));
        assert!(new("smtp://u@127.0.0.1", None, "scimhub@x.example").unwrap_err().to_string().contains("password"));
        assert!(new("smtp://127.0.0.1", None, "nobody").unwrap_err().to_string().contains("mail_from"));
    }
}
