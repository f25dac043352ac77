//! List responses (RFC 7644 section 3.4.2). `Resources` is always there, `[]` when empty, because
//! clients read it without asking.

use serde_json::{Value, json};

/// URN of a list response.
pub const LIST_URN: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// A page: `total` counts all matches, `start_index` is 1-based.
pub fn response(total: u64, start_index: u64, resources: &[Value]) -> Value {
    json!({
        "schemas": [LIST_URN],
        "totalResults": total,
        "startIndex": start_index,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}

/// The same, from resources that are JSON text already.
pub fn text<S: AsRef<str>>(total: u64, start_index: u64, resources: &[S]) -> String {
    let size: usize = resources.iter().map(|r| r.as_ref().len() + 1).sum();
    let mut out = String::with_capacity(size + 160);
    out.push_str(&format!(
        "{{\"schemas\":[\"{LIST_URN}\"],\"totalResults\":{total},\"startIndex\":{start_index},\"itemsPerPage\":{},\"Resources\":[",
        resources.len()
    ));
    for (i, resource) in resources.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(resource.as_ref());
    }
    out.push_str("]}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_agree() {
        let resources = vec![json!({"id": "a"}), json!({"id": "b"})];
        let texts: Vec<String> = resources.iter().map(Value::to_string).collect();
        assert_eq!(response(9, 3, &resources).to_string(), text(9, 3, &texts));
        assert_eq!(response(0, 1, &[]).to_string(), text::<String>(0, 1, &[]));
    }
}
