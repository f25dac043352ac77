//! A whole resource from its stored document and what the server adds: `id`, `meta`, and `groups`
//! or `members`. The order of keys is fixed, so that equal states are equal bytes.

use serde_json::{Map, Value, json};
use uuid::Uuid;

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

/// An entry of `User.groups` or `Group.members`. They are kept as rows, and a large group has many: no
/// JSON value is put together for one that is only written.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// Type of what it leads to.
    pub kind: ResourceKind,
    /// Its id.
    pub id: Uuid,
    /// What people call it; empty where it has no name.
    pub display: &'a str,
}

impl Link<'_> {
    /// As a resource of the kind `of` shows it.
    pub fn to_json(self, of: ResourceKind, base_url: &str) -> Value {
        let id = self.id.hyphenated().to_string();
        let url = format!("{}{}/{id}", base_url.trim_end_matches('/'), self.kind.endpoint());
        match of {
            ResourceKind::User => json!({ "value": id, "$ref": url, "display": self.display, "type": "direct" }),
            ResourceKind::Group if self.display.is_empty() => {
                json!({ "value": id, "$ref": url, "type": self.kind.name() })
            }
            ResourceKind::Group => {
                json!({ "value": id, "$ref": url, "type": self.kind.name(), "display": self.display })
            }
        }
    }

    /// The text of [`Self::to_json`].
    fn push(self, out: &mut String, of: ResourceKind, base_url: &str) {
        let mut buffer = Uuid::encode_buffer();
        let id = &*self.id.hyphenated().encode_lower(&mut buffer);
        out.push_str("{\"value\":");
        push_text(out, &[id]);
        out.push_str(",\"$ref\":");
        push_text(out, &[base_url.trim_end_matches('/'), self.kind.endpoint(), "/", id]);
        match of {
            ResourceKind::User => {
                out.push_str(",\"display\":");
                push_text(out, &[self.display]);
                out.push_str(",\"type\":\"direct\"}");
            }
            ResourceKind::Group => {
                out.push_str(",\"type\":");
                push_text(out, &[self.kind.name()]);
                if !self.display.is_empty() {
                    out.push_str(",\"display\":");
                    push_text(out, &[self.display]);
                }
                out.push('}');
            }
        }
    }
}

/// The name of the attribute that is kept as rows: `groups` of a user, `members` of a group.
pub fn linked(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::User => "groups",
        ResourceKind::Group => "members",
    }
}

/// The whole resource as a value, to project or filter it. Empty `links` are left out:
/// unassigned and empty are one state.
pub fn object<'a>(document: &Object, meta: &Meta<'_>, links: impl Iterator<Item = Link<'a>>) -> Object {
    let mut whole = Map::new();
    whole.insert("id".into(), meta.id.into());
    for (key, value) in document {
        whole.insert(key.clone(), value.clone());
    }
    let links: Vec<Value> = links.map(|link| link.to_json(meta.kind, meta.base_url)).collect();
    if !links.is_empty() {
        whole.insert(linked(meta.kind).into(), Value::Array(links));
    }
    whole.insert("meta".into(), meta.to_json());
    whole
}

/// The whole resource as text, without reading the stored document: for answers that show all of it.
pub fn text<'a>(document: &str, meta: &Meta<'_>, links: impl ExactSizeIterator<Item = Link<'a>>) -> String {
    let inner = document.trim().strip_prefix('{').and_then(|d| d.strip_suffix('}')).unwrap_or_default().trim();
    let mut out = String::with_capacity(document.len() + 320 + links.len() * 192);
    out.push_str("{\"id\":");
    push_text(&mut out, &[meta.id]);
    if !inner.is_empty() {
        out.push(',');
        out.push_str(inner);
    }
    let many = links.len() > 0;
    for (at, link) in links.enumerate() {
        if at == 0 {
            out.push_str(",\"");
            out.push_str(linked(meta.kind));
            out.push_str("\":[");
        } else {
            out.push(',');
        }
        link.push(&mut out, meta.kind, meta.base_url);
    }
    if many {
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
        let kinds = [ResourceKind::User, ResourceKind::Group];
        let names = ["G", "a\"\\\u{1f}ä", ""];
        for (kind, to) in kinds.into_iter().flat_map(|kind| kinds.map(|to| (kind, to))) {
            let links = names.map(|display| Link { kind: to, id: Uuid::from_u128(0xab << 120), display });
            for (base_url, id) in [("https://h/scim/v2", "7f"), ("https://h/scim/v2/", "7f"), ("https://h/\"", "\\")] {
                let meta = Meta { kind, base_url, id, ..meta };
                for most in 0..=links.len() {
                    let links = || links.into_iter().take(most);
                    let whole = object(document.as_object().unwrap(), &meta, links());
                    assert_eq!(Value::Object(whole).to_string(), text(&document.to_string(), &meta, links()));
                }
            }
        }
        let whole = object(document.as_object().unwrap(), &meta, [].into_iter());
        assert_eq!(whole["meta"]["version"], "W/\"4\"");
        assert_eq!(whole["meta"]["location"], "https://h/scim/v2/Users/7f");
        assert!(text("{}", &meta, [].into_iter()).starts_with("{\"id\":\"7f\",\"meta\""));
    }

    #[test]
    fn a_link_is_what_the_rfc_says() {
        let id = Uuid::from_u128(1);
        let group = Link { kind: ResourceKind::Group, id, display: "G" };
        let url = format!("https://h/scim/v2/Groups/{id}");
        let of_user = json!({ "value": id.to_string(), "$ref": url, "display": "G", "type": "direct" });
        assert_eq!(group.to_json(ResourceKind::User, "https://h/scim/v2/"), of_user);
        let of_group = json!({ "value": id.to_string(), "$ref": url, "type": "Group", "display": "G" });
        assert_eq!(group.to_json(ResourceKind::Group, "https://h/scim/v2"), of_group);
    }
}
