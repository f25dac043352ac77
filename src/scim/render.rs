//! A whole resource from its stored document and what the server adds: `id`, `meta`, and `groups`
//! or `members`. The order of keys is fixed, so that equal states are equal bytes.

use serde_json::{Map, Value, json};

use super::etag;
use super::resource::Object;
use super::schema::ResourceKind;
use crate::base::clock::Micros;

/// What the server knows about a resource besides its document.
#[derive(Debug, Clone)]
pub struct Meta<'a> {
    /// Type of the resource.
    pub kind: ResourceKind,
    /// Its id.
    pub id: &'a str,
    /// When it was made.
    pub created: Micros,
    /// When it last changed.
    pub modified: Micros,
    /// Its version; the ETag is made from it.
    pub version: i64,
    /// Public base URL, up to and without the endpoint.
    pub base_url: &'a str,
}

impl Meta<'_> {
    /// The resource's URI.
    pub fn location(&self) -> String {
        format!("{}{}/{}", self.base_url.trim_end_matches('/'), self.kind.endpoint(), self.id)
    }

    fn to_json(&self) -> Value {
        json!({
            "resourceType": self.kind.name(),
            "created": self.created.to_rfc3339(),
            "lastModified": self.modified.to_rfc3339(),
            "location": self.location(),
            "version": etag::of(self.version),
        })
    }
}

/// One group of a user (`User.groups`) as an answer shows it.
pub fn group_of_user(base_url: &str, id: &str, display_name: &str) -> Value {
    let url = format!("{}/Groups/{id}", base_url.trim_end_matches('/'));
    json!({ "value": id, "$ref": url, "display": display_name, "type": "direct" })
}

/// One member of a group as an answer shows it.
pub fn member(base_url: &str, kind: ResourceKind, id: &str, display: Option<&str>) -> Value {
    let url = format!("{}{}/{id}", base_url.trim_end_matches('/'), kind.endpoint());
    let mut object = Map::new();
    object.insert("value".into(), id.into());
    object.insert("$ref".into(), url.into());
    object.insert("type".into(), kind.name().into());
    if let Some(display) = display {
        object.insert("display".into(), display.into());
    }
    Value::Object(object)
}

/// The name of the attribute that is kept as rows: `groups` of a user, `members` of a group.
pub fn linked(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::User => "groups",
        ResourceKind::Group => "members",
    }
}

/// The whole resource as a value, to project or filter it. An empty `links` is left out:
/// unassigned and empty are one state.
pub fn object(document: &Object, meta: &Meta<'_>, links: Vec<Value>) -> Object {
    let mut whole = Map::new();
    whole.insert("id".into(), meta.id.into());
    for (key, value) in document {
        whole.insert(key.clone(), value.clone());
    }
    if !links.is_empty() {
        whole.insert(linked(meta.kind).into(), Value::Array(links));
    }
    whole.insert("meta".into(), meta.to_json());
    whole
}

/// The whole resource as text, without reading the stored document: for answers that show all of it.
pub fn text(document: &str, meta: &Meta<'_>, links: &[Value]) -> String {
    splice(document, meta, links, |out, link| out.push_str(&link.to_string()))
}

/// A whole user as text, its groups by id and name, as [`text`] would give it. The hot read: nothing
/// is put together as a value first.
pub fn user_text(document: &str, meta: &Meta<'_>, groups: &[(String, &str)]) -> String {
    let base = meta.base_url.trim_end_matches('/');
    splice(document, meta, groups, |out, (id, name)| {
        out.push_str("{\"value\":");
        push_text(out, &[id]);
        out.push_str(",\"$ref\":");
        push_text(out, &[base, "/Groups/", id]);
        out.push_str(",\"display\":");
        push_text(out, &[name]);
        out.push_str(",\"type\":\"direct\"}");
    })
}

fn splice<T>(document: &str, meta: &Meta<'_>, links: &[T], push: impl Fn(&mut String, &T)) -> String {
    let inner = document.trim().strip_prefix('{').and_then(|d| d.strip_suffix('}')).unwrap_or_default().trim();
    let mut out = String::with_capacity(document.len() + 320 + links.len() * 192);
    out.push_str("{\"id\":");
    push_text(&mut out, &[meta.id]);
    if !inner.is_empty() {
        out.push(',');
        out.push_str(inner);
    }
    if !links.is_empty() {
        out.push_str(",\"");
        out.push_str(linked(meta.kind));
        out.push_str("\":[");
        for (i, link) in links.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            push(&mut out, link);
        }
        out.push(']');
    }
    let base = meta.base_url.trim_end_matches('/');
    let parts: [(&str, &[&str]); 5] = [
        (",\"meta\":{\"resourceType\":", &[meta.kind.name()]),
        (",\"created\":", &[&meta.created.to_rfc3339()]),
        (",\"lastModified\":", &[&meta.modified.to_rfc3339()]),
        (",\"location\":", &[base, meta.kind.endpoint(), "/", meta.id]),
        (",\"version\":", &[&etag::of(meta.version)]),
    ];
    for (key, value) in parts {
        out.push_str(key);
        push_text(&mut out, value);
    }
    out.push_str("}}");
    out
}

/// A JSON string of these parts.
fn push_text(out: &mut String, parts: &[&str]) {
    out.push('"');
    for part in parts {
        if part.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
            out.push_str(part);
        } else {
            let escaped = Value::from(*part).to_string();
            out.push_str(escaped.strip_prefix('"').and_then(|e| e.strip_suffix('"')).unwrap_or_default());
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_agree() {
        let document = json!({"schemas": ["urn:x"], "userName": "a\"}", "name": {"givenName": "é"}});
        let meta = Meta {
            kind: ResourceKind::User,
            id: "7f",
            created: Micros(1_763_867_400_123_000),
            modified: Micros(1_763_867_400_123_000),
            version: 4,
            base_url: "https://h/scim/v2",
        };
        for links in [vec![], vec![group_of_user("https://h/scim/v2/", "g", "G")]] {
            let whole = object(document.as_object().unwrap(), &meta, links.clone());
            assert_eq!(Value::Object(whole.clone()).to_string(), text(&document.to_string(), &meta, &links));
            assert_eq!(whole["meta"]["version"], "W/\"4\"");
            assert_eq!(whole["meta"]["location"], "https://h/scim/v2/Users/7f");
        }
        let groups = [("g1".to_owned(), "a\"\\\u{1f}ä"), ("g2".to_owned(), "")];
        let base_url = "https://h/scim/v2/\"";
        for meta in [meta.clone(), Meta { base_url, id: "\\", ..meta.clone() }] {
            let links: Vec<Value> = groups.iter().map(|(id, name)| group_of_user(meta.base_url, id, name)).collect();
            assert_eq!(user_text(&document.to_string(), &meta, &groups), text(&document.to_string(), &meta, &links));
            let whole = object(document.as_object().unwrap(), &meta, links);
            assert_eq!(Value::Object(whole).to_string(), user_text(&document.to_string(), &meta, &groups));
        }
        assert!(text("{}", &meta, &[]).starts_with("{\"id\":\"7f\",\"meta\""));
    }
}
