//! What some apps must know of a person before they can add them, beside name, e-mail and role
//! (business-hubs.md section 12.3): each value given by hand, or read from an attribute of the user.
//! An addition that lacks one waits as *needs data*; nothing is dropped and nothing is made up.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::domain::app::App;
use crate::domain::hub::HubPolicy;
use crate::scim::resource::Object;

/// A value's length, in characters.
pub const VALUE_CHARACTERS: usize = 1_000;

/// A field that an app needs at add time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateField {
    /// Its key in the hub's policy and in the API.
    pub name: String,
    /// What people read.
    pub label: String,
    /// The user's attribute that tells it where the hub names no other.
    #[serde(default)]
    pub attribute: Option<String>,
    /// The attribute of the app's account that takes it.
    #[serde(default)]
    pub target: Option<String>,
    /// The only values there are; none: any text.
    #[serde(default)]
    pub values: Vec<String>,
}

impl CreateField {
    /// Whether the app would take this value.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn admits(&self, value: &str) -> Result<(), String> {
        if value.trim().is_empty() {
            return Err(String::from("it is blank; give a value, or null to take it away"));
        }
        if value.chars().any(char::is_control) || value.chars().count() > VALUE_CHARACTERS {
            return Err(format!("it must be one line of at most {VALUE_CHARACTERS} characters"));
        }
        if !self.values.is_empty() && !self.values.iter().any(|known| known == value) {
            return Err(format!("it must be one of {}", self.values.join(", ")));
        }
        Ok(())
    }

    /// The attribute it is read from in a hub.
    pub fn attribute_in<'a>(&'a self, policy: &'a HubPolicy) -> Option<&'a str> {
        policy.create_fields.get(&self.name).or(self.attribute.as_ref()).map(String::as_str)
    }
}

/// What is there for an addition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// By the field's name.
    pub values: BTreeMap<String, String>,
    /// The names of the fields nothing tells, in the manifest's order.
    pub missing: Vec<String>,
}

/// Fill an app's fields for one person: what was given by hand wins over the attribute.
pub fn fill(app: &App, policy: &HubPolicy, given: &BTreeMap<String, String>, document: Option<&Object>) -> Filled {
    let mut filled = Filled::default();
    for field in &app.create_fields {
        let by_hand = given.get(&field.name).cloned();
        let value = by_hand.or_else(|| read(document?, field.attribute_in(policy)?));
        match value.filter(|value| field.admits(value).is_ok()) {
            Some(value) => {
                filled.values.insert(field.name.clone(), value);
            }
            None => filled.missing.push(field.name.clone()),
        }
    }
    filled
}

/// The fields that an addition with these values still lacks.
pub fn lacking<'a>(app: &'a App, values: &BTreeMap<String, String>) -> Vec<&'a CreateField> {
    app.create_fields.iter().filter(|field| !values.contains_key(&field.name)).collect()
}

/// The same as a sentence.
pub fn sentence(app: &App, values: &BTreeMap<String, String>) -> String {
    let labels: Vec<&str> = lacking(app, values).into_iter().map(|field| field.label.as_str()).collect();
    format!("{} needs data to add this person: {}", app.name, labels.join(", "))
}

/// A path of an attribute: `title`, `name.givenName`, `phoneNumbers[type eq "mobile"].value`, or one
/// of an extension behind its URN and a colon.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Path<'a> {
    urn: Option<&'a str>,
    name: &'a str,
    of_type: Option<&'a str>,
    sub: Option<&'a str>,
}

fn path(text: &str) -> Option<Path<'_>> {
    let plain = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$'))
    };
    let is_urn = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
    let (urn, rest) = match text.rsplit_once(':').filter(|_| is_urn) {
        Some((urn, rest)) => (Some(urn), rest),
        None => (None, text),
    };
    // A dot within the URN (2.0) stands before the last colon, so any dot here is ours.
    let (head, of_type, tail) = match rest.split_once("[type eq \"") {
        Some((name, rest)) => {
            let (kind, tail) = rest.split_once("\"]")?;
            (name, Some(kind), tail.strip_prefix('.'))
        }
        None => match rest.split_once('.') {
            Some((name, sub)) => (name, None, Some(sub)),
            None => (rest, None, None),
        },
    };
    let fits = plain(head) && tail.is_none_or(plain) && of_type.is_none_or(plain);
    fits.then_some(Path { urn, name: head, of_type, sub: tail })
}

/// Whether a text names an attribute.
///
/// # Errors
/// With examples.
pub fn attribute(text: &str) -> Result<(), String> {
    match path(text) {
        Some(_) => Ok(()),
        None => Err(String::from(
            "it must name an attribute of the user: title, name.givenName, phoneNumbers[type eq \"mobile\"].value, \
             or urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter",
        )),
    }
}

/// The value of an attribute as text; of several the one of the type, the primary, else the first.
fn read(document: &Object, text: &str) -> Option<String> {
    let path = path(text)?;
    let within = match path.urn {
        // The core schema's own URN stands for no object of its own.
        Some(urn) if !urn.eq_ignore_ascii_case(CORE) => get(document, urn)?.as_object()?,
        Some(_) | None => document,
    };
    let found = get(within, path.name)?;
    let one = match found {
        Value::Array(list) => {
            let of_type = |item: &&Value| match path.of_type {
                Some(kind) => item.get("type").and_then(Value::as_str).is_some_and(|t| t.eq_ignore_ascii_case(kind)),
                None => true,
            };
            let mut fitting = list.iter().filter(of_type);
            let primary = fitting.clone().find(|item| item.get("primary") == Some(&Value::Bool(true)));
            primary.or_else(|| fitting.next())?
        }
        other => other,
    };
    let leaf = match one {
        Value::Object(object) => get(object, path.sub.unwrap_or("value"))?,
        other => other,
    };
    match leaf {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

fn get<'o>(object: &'o Object, name: &str) -> Option<&'o Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn attributes_are_read_by_their_paths() {
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let document = json!({
            "title": " Lead ", "active": true, "name": {"givenName": "Ann"},
            "phoneNumbers": [{"value": "1", "type": "work"}, {"value": "2", "type": "Mobile"},
                {"value": "3", "type": "home", "primary": true}],
            enterprise: {"costCenter": "4130", "manager": {"value": "m"}},
        });
        let document = document.as_object().unwrap();
        for (path, value) in [
            ("title", Some("Lead")),
            ("Title", Some("Lead")),
            ("active", Some("true")),
            ("name.givenName", Some("Ann")),
            ("name", None),
            ("phoneNumbers[type eq \"mobile\"].value", Some("2")),
            ("phoneNumbers", Some("3")),
            ("phoneNumbers[type eq \"fax\"].value", None),
            (&format!("{enterprise}:costCenter"), Some("4130")),
            (&format!("{enterprise}:manager"), Some("m")),
            (&format!("{CORE}:title"), Some("Lead")),
            ("nickName", None),
        ] {
            assert_eq!(read(document, path).as_deref(), value, "{path}");
            assert!(attribute(path).is_ok(), "{path}");
        }
        for path in ["", "a b", "emails[type ne \"x\"]", "urn:x:", "name.a.b", "emails[type eq \"x\"", "9", "x:y"] {
            assert!(attribute(path).is_err(), "{path}");
        }
    }
}
