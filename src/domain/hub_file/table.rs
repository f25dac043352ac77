//! Reading TOML tables with the place of every value, so that each mistake is told with its line
//! and all of them at once.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Problem, text};
use crate::base::nearest::hint;

/// One file being read: its text for line numbers, and the mistakes found so far.
#[derive(Debug)]
pub struct Reader<'a> {
    /// The name shown in front of a mistake.
    pub file: &'a str,
    source: &'a str,
    /// What was found, in the order of finding.
    pub problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Begin with a text.
    pub fn new(file: &'a str, source: &'a str) -> Self {
        Self { file, source, problems: Vec::new() }
    }

    /// The line of a byte offset, from 1.
    pub fn line(&self, offset: usize) -> usize {
        let before = self.source.as_bytes().iter().take(offset);
        before.filter(|byte| **byte == b'\n').count() + 1
    }

    /// Note a mistake at a byte offset.
    pub fn say(&mut self, offset: usize, message: impl Into<String>) {
        let line = self.line(offset);
        self.problems.push(Problem { file: self.file.to_owned(), line, message: message.into() });
    }

    /// Note a mistake when there is one.
    pub fn check(&mut self, offset: usize, result: Result<(), String>) {
        if let Err(message) = result {
            self.say(offset, message);
        }
    }
}

/// A value and where it begins.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its byte offset.
    pub offset: usize,
}

/// A table whose keys have been held against the known ones.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'t, 'a> {
    table: &'t DeTable<'a>,
    /// Where the table begins.
    pub offset: usize,
}

impl<'t, 'a> Fields<'t, 'a> {
    /// Take a table; every key that is not known is a mistake with a hint.
    pub fn of(
        reader: &mut Reader<'_>,
        table: &'t DeTable<'a>,
        span: &Range<usize>,
        what: &str,
        known: &[&str],
    ) -> Self {
        for (key, _) in table {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                reader.say(key.span().start, format!("{what} has no key '{name}'; {}", hint(name, known)));
            }
        }
        Self { table, offset: span.start }
    }

    /// The raw value of a key.
    pub fn get(&self, name: &str) -> Option<&'t Spanned<DeValue<'a>>> {
        self.table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
    }

    /// A text.
    pub fn text(&self, reader: &mut Reader<'_>, name: &str) -> Option<At<String>> {
        let value = self.get(name)?;
        match value.get_ref() {
            DeValue::String(text) => Some(At { value: text.to_string(), offset: value.span().start }),
            other => {
                reader.say(value.span().start, wrong_type(name, "a text in quotes", other));
                None
            }
        }
    }

    /// A text that must be there.
    pub fn needed(&self, reader: &mut Reader<'_>, name: &str, example: &str) -> Option<At<String>> {
        if self.get(name).is_none() {
            reader.say(self.offset, format!("{name} is missing; add a line like {name} = {example}"));
        }
        self.text(reader, name)
    }

    /// `true` or `false`.
    pub fn flag(&self, reader: &mut Reader<'_>, name: &str) -> Option<bool> {
        let value = self.get(name)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            other => {
                reader.say(value.span().start, wrong_type(name, "true or false", other));
                None
            }
        }
    }

    /// A duration like `"60s"`.
    pub fn duration(&self, reader: &mut Reader<'_>, name: &str) -> Option<std::time::Duration> {
        let found = self.text(reader, name)?;
        match text::duration(&found.value) {
            Ok(duration) => Some(duration),
            Err(message) => {
                reader.say(found.offset, format!("{name}: {message}"));
                None
            }
        }
    }

    /// One of some words.
    pub fn word<T: Copy>(&self, reader: &mut Reader<'_>, name: &str, words: &[(&str, T)]) -> Option<At<T>> {
        let found = self.text(reader, name)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == found.value) {
            return Some(At { value: *value, offset: found.offset });
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        reader.say(found.offset, format!("{name} cannot be '{}'; {}", found.value, hint(&found.value, &known)));
        None
    }

    /// The values of a list; a single value is a mistake.
    pub fn list(&self, reader: &mut Reader<'_>, name: &str) -> Vec<&'t Spanned<DeValue<'a>>> {
        let Some(value) = self.get(name) else { return Vec::new() };
        match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            other => {
                reader.say(value.span().start, wrong_type(name, "a list in [ ]", other));
                Vec::new()
            }
        }
    }
}

/// "x must be …, not …".
pub fn wrong_type(name: &str, wanted: &str, found: &DeValue<'_>) -> String {
    let found = match found {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    format!("{name} must be {wanted}, not {found}")
}
