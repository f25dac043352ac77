//! What a body or a query that does not fit its type is told: where and what, in words for whoever
//! sent it, not for whoever wrote the type.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// `value` as `T`.
///
/// # Errors
/// One sentence with the place inside the body. It never holds a value that was sent: a secret in
/// the wrong field must not come back (threat T-25).
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let place = error.path().to_string();
        // The path of the whole is a single dot; an unknown or missing field is named by its message.
        let message = plain(&error.inner().to_string());
        match place.rsplit_once('.').map_or(place.as_str(), |(_, last)| last) {
            "" | "." => message,
            last if message.contains(&format!("`{last}`")) => message,
            _ => format!("{place}: {message}"),
        }
    })
}

/// serde's message without the value in it, and its words for types in words of JSON.
pub fn plain(text: &str) -> String {
    if let Some(name) = text.strip_prefix("missing field ") {
        return format!("field {name} is missing");
    }
    // What was sent may be in backticks of its own; serde's list of names begins at the last ", expected".
    let Some((found, expected)) = text.rsplit_once(", expected ") else { return text.to_owned() };
    if found.starts_with("unknown field ") {
        return format!("{found}, expected {expected}");
    }
    if found.starts_with("unknown variant ") {
        return format!("it is none of its values, expected {expected}");
    }
    match found.strip_prefix("invalid type: ").or_else(|| found.strip_prefix("invalid value: ")) {
        Some(found) => format!("it is {}, expected {}", kind(found), wanted(expected)),
        None => text.to_owned(),
    }
}

/// What was sent, by its kind alone: `string "hunter2"` is text.
fn kind(found: &str) -> &'static str {
    match found.split([' ', '"', '`']).next().unwrap_or_default() {
        "string" => "text",
        "integer" => "a number",
        "floating" => "a number with a fraction",
        "boolean" => "true or false",
        "null" | "unit" => "null",
        "sequence" => "a list",
        "map" => "an object",
        _ => "something else",
    }
}

fn wanted(expected: &str) -> &str {
    match expected {
        "a string" | "a borrowed string" | "string" | "str" => "text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not below zero",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        other if other.starts_with("struct ") || other.starts_with("internally tagged enum") => "an object",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only reading it matters")]
    struct Hub {
        label: String,
        #[serde(default)]
        limits: Vec<Limit>,
        #[serde(default)]
        mode: Mode,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only reading it matters")]
    struct Limit {
        removals: u32,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        #[default]
        Observe,
        Active,
    }

    #[test]
    fn a_mistake_is_told_with_its_place_and_without_what_was_sent() {
        for (body, told) in [
            (json!({}), "field `label` is missing"),
            (json!({"label": 5}), "label: it is a number, expected text"),
            (json!({"label": "x", "limits": 1}), "limits: it is a number, expected a list"),
            (
                json!({"label": "x", "limits": [{"removals": 1}, {"removals": "hunter2, expected u32"}]}),
                "limits[1].removals: it is text, expected a whole number, not below zero",
            ),
            (json!({"label": "x", "limits": [{"removals": -7}]}), "limits[0].removals: it is a number, expected"),
            (json!({"label": "x", "limits": [{}]}), "limits[0]: field `removals` is missing"),
            (
                json!({"label": "x", "mode": "hunter2"}),
                "mode: it is none of its values, expected `observe` or `active`",
            ),
            (json!({"label": "x", "no_such": 1}), "unknown field `no_such`, expected one of `label`, `limits`, `mode`"),
            (json!("hunter2"), "it is text, expected an object"),
        ] {
            let text = read::<Hub>(body.clone()).unwrap_err();
            assert!(text.starts_with(told), "{body}: {text}");
            assert!(!text.contains("hunter2") && !text.contains("struct"), "{body}: {text}");
        }
        assert!(read::<Hub>(json!({"label": "x", "mode": "active"})).is_ok());
    }
}
