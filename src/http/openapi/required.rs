//! Which fields must be there, asked of the type itself as `shape` does: it is given nothing, then what
//! it missed, until it misses nothing more.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::shape;

/// The schema of a body, with what must be in it at the top.
pub fn body<T: DeserializeOwned>() -> Value {
    let mut schema = shape::schema::<T>();
    let needed = schema.get("properties").and_then(Value::as_object).map(names::<T>).unwrap_or_default();
    if let (false, Some(schema)) = (needed.is_empty(), schema.as_object_mut()) {
        schema.insert(String::from("required"), json!(needed));
    }
    schema
}

/// The names among `fields` without which `T` cannot be read. A field that takes only some texts is
/// given one that it refuses: what comes behind it is then not found, and described as may be.
pub fn names<T: DeserializeOwned>(fields: &Map<String, Value>) -> Vec<String> {
    let mut given = Map::new();
    while let Err(error) = serde_json::from_value::<T>(Value::Object(given.clone())) {
        let text = error.to_string();
        let missed = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        match missed.and_then(|name| fields.get_key_value(name)) {
            Some((name, schema)) if !given.contains_key(name) => given.insert(name.clone(), sample(schema)),
            Some(_) | None => break,
        };
    }
    fields.keys().filter(|name| given.contains_key(*name)).cloned().collect()
}

/// Something that fits a schema.
fn sample(schema: &Value) -> Value {
    if let Some(first) = schema.get("enum").and_then(Value::as_array).and_then(|words| words.first()) {
        return first.clone();
    }
    match schema.get("type").and_then(Value::as_str).unwrap_or_default() {
        "boolean" => json!(false),
        "integer" | "number" => json!(1),
        "array" => json!([]),
        "object" => json!({}),
        _ => json!("x"),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is looked at")]
    struct Wanted {
        name: String,
        count: u32,
        #[serde(default)]
        words: Vec<String>,
        flag: Option<bool>,
        lines: Vec<i64>,
    }

    #[test]
    fn what_must_be_there_is_found() {
        assert_eq!(body::<Wanted>()["required"], json!(["name", "count", "lines"]));
        assert_eq!(body::<Option<bool>>().get("required"), None);
    }
}
