//! People as an IdP sends them: about one kilobyte each, as a reply.

use serde_json::{Value, json};

pub const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// The nth person.
pub fn user(name: &str) -> Value {
    json!({
        "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
        ],
        "userName": format!("{name}@example.com"),
        "externalId": format!("ext-{name}"),
        "name": { "givenName": "Ann", "familyName": format!("Adler {name}"), "formatted": format!("Ann Adler {name}") },
        "displayName": format!("Ann Adler {name}"),
        "title": "Engineer of things that must work",
        "userType": "Employee",
        "locale": "en-GB",
        "active": true,
        "emails": [{ "value": format!("{name}@example.com"), "type": "work", "primary": true }],
        "phoneNumbers": [{ "value": "+49 30 1234567", "type": "work" }],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "employeeNumber": name,
            "department": "Research and development",
            "organization": "Example"
        }
    })
}

pub fn group(name: &str) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name })
}

pub fn add(ids: &[impl AsRef<str>]) -> Value {
    let members: Vec<Value> = ids.iter().map(|id| json!({ "value": id.as_ref() })).collect();
    json!({ "schemas": [PATCH], "Operations": [{ "op": "add", "path": "members", "value": members }] })
}

pub fn remove(id: &str) -> Value {
    let path = format!("members[value eq \"{id}\"]");
    json!({ "schemas": [PATCH], "Operations": [{ "op": "remove", "path": path }] })
}
