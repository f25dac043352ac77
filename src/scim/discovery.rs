//! The three discovery endpoints (RFC 7644 section 4): what the server can do, which resource types
//! it has, and their schemas. Every document carries `meta`, which validators ask for.

use serde_json::{Value, json};

use super::schema::{ENTERPRISE_URN, GROUP_URN, Schemas, USER_URN};
use crate::base::limits;

const CONFIG_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const TYPE_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const SCHEMA_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

fn join(base_url: &str, path: &str) -> String {
    format!("{}{path}", base_url.trim_end_matches('/'))
}

/// `GET /ServiceProviderConfig`. Bulk is off, but its integers are there: authentik parses strictly
/// and takes a missing one for "no PATCH, no filter".
pub fn service_provider_config(base_url: &str) -> Value {
    json!({
        "schemas": [CONFIG_URN],
        "patch": { "supported": true },
        "bulk": {
            "supported": false,
            "maxOperations": limits::PATCH_OPERATIONS,
            "maxPayloadSize": limits::LARGE_BODY_BYTES,
        },
        "filter": { "supported": true, "maxResults": limits::PAGE },
        "changePassword": { "supported": false },
        "sort": { "supported": false },
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A token made with `scimhub token create`, sent as `Authorization: Bearer …`.",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": join(base_url, "/ServiceProviderConfig"),
        },
    })
}

/// `GET /ResourceTypes`, one value each.
pub fn resource_types(base_url: &str) -> Vec<Value> {
    let one = |name: &str, endpoint: &str, description: &str, schema: &str, extensions: Value| {
        json!({
            "schemas": [TYPE_URN],
            "id": name,
            "name": name,
            "endpoint": endpoint,
            "description": description,
            "schema": schema,
            "schemaExtensions": extensions,
            "meta": {
                "resourceType": "ResourceType",
                "location": join(base_url, &format!("/ResourceTypes/{name}")),
            },
        })
    };
    vec![
        one("User", "/Users", "User Account", USER_URN, json!([{ "schema": ENTERPRISE_URN, "required": false }])),
        one("Group", "/Groups", "Group", GROUP_URN, json!([])),
    ]
}

/// `GET /Schemas`, one value each: User, Group, EnterpriseUser.
pub fn schemas(base_url: &str) -> Vec<Value> {
    Schemas::standard()
        .published()
        .iter()
        .map(|document| {
            let mut document = document.clone();
            if let Some(object) = document.as_object_mut() {
                let id = object.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
                object.insert("schemas".into(), json!([SCHEMA_URN]));
                object.insert(
                    "meta".into(),
                    json!({ "resourceType": "Schema", "location": join(base_url, &format!("/Schemas/{id}")) }),
                );
            }
            document
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_names_served_schemas() {
        let served: Vec<Value> = schemas("https://h/scim/v2").iter().map(|s| s["id"].clone()).collect();
        assert_eq!(served.len(), 3);
        for kind in resource_types("https://h/scim/v2") {
            assert!(served.contains(&kind["schema"]));
            for extension in kind["schemaExtensions"].as_array().unwrap() {
                assert!(served.contains(&extension["schema"]));
            }
            assert!(kind["meta"]["location"].as_str().unwrap().starts_with("https://h/scim/v2/ResourceTypes/"));
        }
        let config = service_provider_config("https://h/scim/v2/");
        assert_eq!(config["meta"]["location"], "https://h/scim/v2/ServiceProviderConfig");
        assert!(config["bulk"]["maxOperations"].is_u64() && config["bulk"]["maxPayloadSize"].is_u64());
    }
}
