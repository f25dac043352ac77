//! The connection fields of a hub: each has the form that the app's manifest gives it, and a secret is
//! never written out.

use super::plain;
use crate::base::nearest::{hint, quoted};
use crate::domain::app::{App, Field, FieldFormat};

/// A connection field as somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// The value itself.
    Plain(String),
    /// `{ secret = "NAME" }`: set by `secret set` or the write-only API.
    Secret(String),
    /// `{ env = "NAME" }`: read by a local command from its own environment, then sealed.
    Env(String),
}

/// One connection field.
///
/// # Errors
/// When the app has no such field, a secret is written out, or the value has not the field's form.
/// The value itself is never part of the sentence.
pub fn field(app: &App, name: &str, given: &Given) -> Result<(), String> {
    let Some(field) = app.fields.iter().find(|field| field.name == name) else {
        let known: Vec<&str> = app.fields.iter().map(|field| field.name.as_str()).collect();
        return Err(format!("{} has no connection field '{name}'; {}", app.name, hint(name, &known)));
    };
    match given {
        Given::Plain(_) if field.secret => Err(format!(
            "{name} is a secret and must not be written out; write {name} = {{ secret = \"NAME\" }} and set it with `scimhub secret set`"
        )),
        Given::Plain(value) => form(field, value).map_err(|wrong| format!("{name}: {wrong}")),
        Given::Secret(reference) | Given::Env(reference) => {
            if !field.secret {
                return Err(format!("{name} is not a secret; write its value out"));
            }
            secret_name(reference).map_err(|wrong| format!("{name}: {wrong}"))
        }
    }
}

/// The name of a secret or of an environment variable.
///
/// # Errors
/// When it is not 1 to 100 letters, digits, `_`, `-` or `.`.
pub fn secret_name(name: &str) -> Result<(), String> {
    let fits = (1..=100).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if fits { Ok(()) } else { Err(String::from("the name of a secret has 1 to 100 letters, digits, '_', '-' or '.'")) }
}

fn form(field: &Field, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err(String::from("it is empty; leave the field out or give it a value"));
    }
    plain(value)?;
    if value.trim() != value || value.contains("  ") {
        return Err(String::from("it has blanks at an end, or two in a row; write it as the app does"));
    }
    match field.format {
        FieldFormat::Text if !field.values.is_empty() && !field.values.iter().any(|known| known == value) => {
            let known: Vec<&str> = field.values.iter().map(String::as_str).collect();
            Err(format!("it must be one of {}", quoted(&known)))
        }
        FieldFormat::Text => Ok(()),
        FieldFormat::Url => url(value),
        FieldFormat::Digits => {
            if !value.bytes().all(|b| b.is_ascii_digit()) {
                return Err(String::from("it must be digits only, without spaces or dashes"));
            }
            match field.length {
                Some(length) if value.len() != length => {
                    Err(format!("it must have {length} digits; this has {}", value.len()))
                }
                Some(_) | None => Ok(()),
            }
        }
        FieldFormat::Slug => {
            let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
            if value.len() <= 100 && value.split(['-', '_']).all(word) {
                Ok(())
            } else {
                Err(String::from(
                    "it must be as in the address: letters and digits with single '-' or '_' between them",
                ))
            }
        }
        FieldFormat::Account => {
            if value.len() <= 254 && !value.chars().any(char::is_whitespace) {
                Ok(())
            } else {
                Err(String::from("it must be the account's sign-in name: at most 254 characters, no spaces"))
            }
        }
        FieldFormat::UniqueIdentifier => {
            if (3..=30).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric()) {
                Ok(())
            } else {
                Err(String::from("it must be 3 to 30 letters and digits, without symbols"))
            }
        }
        FieldFormat::Flag => match value {
            "true" | "false" => Ok(()),
            _ => Err(String::from("it must be true or false")),
        },
    }
}

/// An http or https address without credentials, query or fragment in it: a password in a URL
/// would be stored and shown in the clear.
fn url(value: &str) -> Result<(), String> {
    let rest = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
    let Some(rest) = rest else { return Err(String::from("it must begin with https:// (or http://)")) };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.is_empty() {
        return Err(String::from("the host is missing"));
    }
    if host.contains('@') {
        return Err(String::from("it must not hold a user name or password; set those as secrets"));
    }
    // `https://user:pass/word@host`: a slash in a password that somebody pasted in ends the host early.
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    if !host.ends_with(']') && !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(String::from("what follows ':' is no port; a password is set as a secret, not in the address"));
    }
    if value.contains(['?', '#']) {
        return Err(String::from("it must not hold a query or fragment"));
    }
    let strange = |c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | '\\' | '{' | '}');
    if host.chars().any(strange) || path.chars().any(strange) {
        return Err(String::from("it holds characters that no address has"));
    }
    Ok(())
}

/// The fields that must be there and are not.
pub fn missing(app: &App, has: impl Fn(&str) -> bool) -> Vec<&Field> {
    app.fields.iter().filter(|field| !field.optional && !has(&field.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalog::Catalog;
    use crate::domain::hub_rules::app;

    #[test]
    fn fields_have_their_forms() {
        let catalog = Catalog::builtin().unwrap();
        let plain = |value: &str| Given::Plain(value.to_owned());
        let meta = app(&catalog, "meta-business").unwrap();
        let scim = app(&catalog, "scim").unwrap();
        let ahrefs = app(&catalog, "ahrefs").unwrap();
        let chatgpt = app(&catalog, "chatgpt").unwrap();
        let good = [
            (meta, "business_id", plain("123")),
            (meta, "access_token", Given::Secret(String::from("META_TOKEN"))),
            (scim, "base_url", plain("https://app.example/scim/v2")),
            (scim, "base_url", plain("https://[2001:db8::1]/scim")),
            (scim, "base_url", plain("https://[2001:db8::1]:8443/scim")),
            (ahrefs, "unique_identifier", plain("abc")),
            (chatgpt, "business_id", plain("Space One")),
        ];
        for (app, name, given) in good {
            assert_eq!(field(app, name, &given), Ok(()), "{name} {given:?}");
        }
        let bad = [
            (meta, "business_id", plain("12 3")),
            (meta, "business_id", Given::Secret(String::from("X"))),
            (meta, "access_token", plain("EAAB-very-secret")),
            (meta, "acess_token", plain("x")),
            (scim, "base_url", plain("ftp://app.example")),
            (scim, "base_url", plain("https://me:pw@app.example/")),
            (scim, "base_url", plain("https://me:p/w@app.example/")),
            (scim, "base_url", plain("https://app.example:443x/")),
            (scim, "base_url", plain("https:///x")),
            (scim, "base_url", plain("https://app.example/?token=1")),
            (scim, "token", Given::Secret(String::from("a b"))),
            (ahrefs, "unique_identifier", plain("ab")),
            (ahrefs, "unique_identifier", plain("with-dash")),
            (chatgpt, "business_id", plain("Space One ")),
            (chatgpt, "business_id", plain("Space  One")),
        ];
        for (app, name, given) in bad {
            let wrong = field(app, name, &given).unwrap_err();
            assert!(!wrong.contains("EAAB") && !wrong.contains("pw@"), "{wrong}");
        }
    }
}
