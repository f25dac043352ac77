//! What a type takes, asked of the type itself: its `Deserialize` is run with a reader that has
//! nothing to give and writes down what it is asked for. So the description cannot say one thing and
//! the server read another. Each look answers one question and ends in an error, by design.

use std::cell::RefCell;
use std::fmt;

use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer as _, Visitor};
use serde_json::{Map, Value, json};

/// Deeper than this a body is described as "anything": ours are four deep, and a type that holds
/// itself must come to an end.
const DEPTH: usize = 8;
/// A name that no type knows.
const NOBODY: &str = "\u{1}";

/// The JSON schema (2020-12) of what `T` takes.
pub fn schema<T: DeserializeOwned>() -> Value {
    describe::<T>(&mut Vec::new())
}

/// The fields of `T` with their schemas, of a query.
pub fn fields<T: DeserializeOwned>() -> Map<String, Value> {
    match schema::<T>().get_mut("properties").map(Value::take) {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn describe<T: DeserializeOwned>(path: &mut Vec<Step>) -> Value {
    let Some(seen) = look::<T>(path).filter(|_| path.len() < DEPTH) else { return json!({}) };
    let at = |path: &mut Vec<Step>, step| {
        path.push(step);
        let found = describe::<T>(path);
        path.pop();
        found
    };
    match seen {
        Seen::Anything => json!({}),
        Seen::Simple(name) => json!({ "type": name }),
        Seen::List => json!({ "type": "array", "items": at(path, Step::Item) }),
        Seen::Map => json!({ "type": "object", "additionalProperties": at(path, Step::Value) }),
        Seen::Words(words) => {
            let plain = |word: &&'static str| {
                path.push(Step::Variant(word));
                let found = look::<T>(path);
                path.pop();
                matches!(found, Some(Seen::Simple("null")))
            };
            // A word that carries a value is not a plain text.
            if words.iter().collect::<Vec<_>>().into_iter().all(plain) { json!({ "enum": words }) } else { json!({}) }
        }
        Seen::Fields(names) => {
            let properties: Map<String, Value> =
                names.iter().map(|name| ((*name).to_owned(), at(path, Step::Field(name)))).collect();
            let mut object = json!({ "type": "object", "properties": properties });
            path.push(Step::Field(NOBODY));
            let strict = look::<T>(path).is_none();
            path.pop();
            if let (true, Some(object)) = (strict, object.as_object_mut()) {
                object.insert("additionalProperties".into(), json!(false));
            }
            object
        }
    }
}

/// A way into a type.
#[derive(Clone, Copy)]
enum Step {
    Field(&'static str),
    Item,
    Value,
    Variant(&'static str),
}

/// What a type asked for.
#[derive(Clone, Copy)]
enum Seen {
    Anything,
    Simple(&'static str),
    List,
    Map,
    Fields(&'static [&'static str]),
    Words(&'static [&'static str]),
}

/// What `T` asks for at the end of a path; `None` where it does not come that far.
fn look<T: DeserializeOwned>(path: &[Step]) -> Option<Seen> {
    let seen = RefCell::new(None);
    // It always ends in an error: there was nothing to read.
    let _ = T::deserialize(Probe { path, seen: &seen }).is_ok();
    seen.into_inner()
}

/// A look is over.
#[derive(Debug)]
struct Over;

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the look is over")
    }
}

impl std::error::Error for Over {}

impl de::Error for Over {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// A value that is only looked at.
struct Probe<'a> {
    path: &'a [Step],
    seen: &'a RefCell<Option<Seen>>,
}

impl Probe<'_> {
    fn ask<T>(self, seen: Seen) -> Result<T, Over> {
        if self.path.is_empty() {
            *self.seen.borrow_mut() = Some(seen);
        }
        Err(Over)
    }
}

macro_rules! simple {
    ($name:literal: $($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Over> {
            self.ask(Seen::Simple($name))
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Over;

    simple!("boolean": deserialize_bool);
    simple!("integer": deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128);
    simple!("number": deserialize_f32 deserialize_f64);
    simple!("string": deserialize_char deserialize_str deserialize_string deserialize_identifier);
    simple!("null": deserialize_unit);

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Over> {
        self.ask(Seen::Anything)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Over> {
        self.ask(Seen::Anything)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Over> {
        self.ask(Seen::Anything)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Over> {
        self.ask(Seen::Anything)
    }

    /// A field that may be absent or null takes what is inside it.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Over> {
        visitor.visit_some(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, Over> {
        self.ask(Seen::Simple("null"))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Over> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Over> {
        match self.path.split_first() {
            Some((Step::Item, path)) => visitor.visit_seq(Inside { key: None, probe: Some(Probe { path, ..self }) }),
            Some((Step::Field(_) | Step::Value | Step::Variant(_), _)) | None => self.ask(Seen::List),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Over> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Over> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Over> {
        match self.path.split_first() {
            Some((Step::Value, path)) => {
                visitor.visit_map(Inside { key: Some("x"), probe: Some(Probe { path, ..self }) })
            }
            Some((Step::Field(_) | Step::Item | Step::Variant(_), _)) | None => self.ask(Seen::Map),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Over> {
        match self.path.split_first() {
            Some((Step::Field(name), path)) => {
                visitor.visit_map(Inside { key: Some(name), probe: Some(Probe { path, ..self }) })
            }
            Some((Step::Item | Step::Value | Step::Variant(_), _)) | None => self.ask(Seen::Fields(fields)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Over> {
        match self.path.split_first() {
            Some((Step::Variant(name), path)) => {
                visitor.visit_enum(Inside { key: Some(name), probe: Some(Probe { path, ..self }) })
            }
            Some((Step::Field(_) | Step::Item | Step::Value, _)) | None => self.ask(Seen::Words(words)),
        }
    }
}

/// One entry of a list, an object or an enumeration, and nothing after it.
struct Inside<'a> {
    key: Option<&'static str>,
    probe: Option<Probe<'a>>,
}

impl<'de> de::SeqAccess<'de> for Inside<'_> {
    type Error = Over;

    fn next_element_seed<S: de::DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Over> {
        self.probe.take().map(|probe| seed.deserialize(probe)).transpose()
    }
}

impl<'de> de::MapAccess<'de> for Inside<'_> {
    type Error = Over;

    fn next_key_seed<S: de::DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Over> {
        self.key.take().map(|key| seed.deserialize(key.into_deserializer())).transpose()
    }

    fn next_value_seed<S: de::DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Over> {
        seed.deserialize(self.probe.take().ok_or(Over)?)
    }
}

impl<'de> de::EnumAccess<'de> for Inside<'_> {
    type Error = Over;
    type Variant = Self;

    fn variant_seed<S: de::DeserializeSeed<'de>>(mut self, seed: S) -> Result<(S::Value, Self), Over> {
        let key = self.key.take().ok_or(Over)?;
        Ok((seed.deserialize(key.into_deserializer())?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Inside<'_> {
    type Error = Over;

    fn unit_variant(mut self) -> Result<(), Over> {
        self.probe.take().ok_or(Over)?.ask(Seen::Simple("null"))
    }

    fn newtype_variant_seed<S: de::DeserializeSeed<'de>>(self, _: S) -> Result<S::Value, Over> {
        Err(Over)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Over> {
        Err(Over)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Over> {
        Err(Over)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        One,
        TwoWords,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is looked at")]
    enum Loaded {
        Plain,
        With(i64),
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape is looked at")]
    struct Inner {
        #[serde(rename = "ref")]
        reference: Option<String>,
        words: Vec<Word>,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is looked at")]
    struct Outer {
        flag: bool,
        count: Option<u32>,
        share: f64,
        inner: Option<Inner>,
        list: BTreeMap<String, Vec<Inner>>,
        loaded: Loaded,
        any: Value,
        itself: Option<Box<Outer>>,
    }

    #[test]
    fn a_type_says_what_it_takes() {
        let inner = json!({"type": "object", "additionalProperties": false, "properties": {
            "ref": {"type": "string"}, "words": {"type": "array", "items": {"enum": ["one", "two_words"]}}}});
        let mut found = schema::<Outer>();
        let itself = found["properties"]["itself"].take();
        assert_eq!(itself["properties"]["flag"], json!({"type": "boolean"}), "and comes to an end");
        assert_eq!(
            found,
            json!({"type": "object", "properties": {
                "flag": {"type": "boolean"}, "count": {"type": "integer"}, "share": {"type": "number"},
                "inner": inner, "list": {"type": "object", "additionalProperties": {"type": "array", "items": inner}},
                "loaded": {}, "any": {}, "itself": null}})
        );
        assert_eq!(fields::<Inner>().keys().collect::<Vec<_>>(), ["ref", "words"]);
        assert_eq!(fields::<String>(), Map::new());
    }
}
