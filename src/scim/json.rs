//! Reading a request body: UTF-8 JSON, an object at the top, bounded depth. Repeated keys are
//! refused, because JSON readers disagree on which one counts; U+0000 because databases refuse it.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::error::ScimError;
use crate::base::limits::JSON_DEPTH;

/// Decode a body that must be an object.
///
/// # Errors
/// 400 `invalidSyntax` for anything else, with the place where reading stopped.
pub fn decode(bytes: &[u8]) -> Result<Value, ScimError> {
    let value = decode_any(bytes)?;
    if !value.is_object() {
        return Err(ScimError::invalid_syntax("The body must be a JSON object."));
    }
    Ok(value)
}

/// Decode any JSON value under the same bounds; PATCH uses it for JSON inside a string.
///
/// # Errors
/// 400 `invalidSyntax`.
pub fn decode_any(bytes: &[u8]) -> Result<Value, ScimError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Bounded { left: JSON_DEPTH }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|e| ScimError::invalid_syntax(format!("The body is not acceptable JSON: {e}.")))?;
    Ok(value)
}

/// A value that may nest `left` containers deep.
#[derive(Clone, Copy)]
struct Bounded {
    left: usize,
}

impl Bounded {
    fn inside<E: de::Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left }),
            None => Err(E::custom(format!("nested deeper than {JSON_DEPTH} levels"))),
        }
    }
}

fn checked<E: de::Error>(text: &str) -> Result<(), E> {
    if text.contains('\0') { Err(E::custom("the character U+0000 is not allowed")) } else { Ok(()) }
}

impl<'de> DeserializeSeed<'de> for Bounded {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_f64<E: de::Error>(self, v: f64) -> Result<Value, E> {
        Number::from_f64(v).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<Value, E> {
        checked(v)?;
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E: de::Error>(self, v: String) -> Result<Value, E> {
        checked(&v)?;
        Ok(Value::String(v))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.inside()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.inside()?;
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            checked(&key)?;
            if object.contains_key(&key) {
                return Err(de::Error::custom(format!("the key \"{key}\" occurs twice in one object")));
            }
            let value = map.next_value_seed(inner)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_refused() {
        for body in [
            "",
            "{",
            "[]",
            "\"x\"",
            "1",
            "null",
            "{} {}",
            r#"{"a":1,"a":2}"#,
            r#"{"a":"\u0000"}"#,
            r#"{"a\u0000":1}"#,
            "{\"a\": 1e999}",
        ] {
            let error = decode(body.as_bytes()).unwrap_err();
            assert_eq!(error.scim_type, Some(super::super::error::ScimType::InvalidSyntax), "{body}");
        }
        assert!(decode(b"{\"a\": \"\xff\"}").is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |n: usize| format!("{{\"a\":{}1{}}}", "[".repeat(n), "]".repeat(n));
        assert!(decode(nested(JSON_DEPTH - 1).as_bytes()).is_ok());
        assert!(decode(nested(JSON_DEPTH).as_bytes()).is_err());
        assert!(decode(nested(100_000).as_bytes()).is_err());
        assert!(decode(vec![b'['; 1 << 20].as_slice()).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }
}
