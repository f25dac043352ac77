//! The words of a filter. Each byte is looked at once; nothing is copied but the text of strings.

use crate::scim::error::ScimError;

/// One word, with the place where it starts (bytes).
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    /// `(`
    Open,
    /// `)`
    Close,
    /// `[`
    OpenBracket,
    /// `]`
    CloseBracket,
    /// A quoted string, its JSON escapes resolved.
    Text(String),
    /// A name, an operator, a number, `true` …: whatever stands between blanks and brackets.
    Word(&'a str),
    /// Nothing is left.
    End,
}

/// Reads words from a text.
#[derive(Debug, Clone)]
pub(super) struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    /// Start at the beginning.
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// What is not read yet.
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Whether the next word is this single character, without taking it.
    pub(super) fn next_is(&self, mark: char) -> bool {
        self.rest().trim_start_matches(blank).starts_with(mark)
    }

    /// Take the next word.
    pub(super) fn take(&mut self) -> Result<Token<'a>, ScimError> {
        let rest = self.rest();
        let trimmed = rest.trim_start_matches(blank);
        self.at += rest.len() - trimmed.len();
        let Some(first) = trimmed.chars().next() else { return Ok(Token::End) };
        let single = match first {
            '(' => Some(Token::Open),
            ')' => Some(Token::Close),
            '[' => Some(Token::OpenBracket),
            ']' => Some(Token::CloseBracket),
            _ => None,
        };
        if let Some(token) = single {
            self.at += 1;
            return Ok(token);
        }
        if first == '"' {
            return self.string(trimmed);
        }
        let end = trimmed.find(|c| blank(c) || matches!(c, '(' | ')' | '[' | ']' | '"')).unwrap_or(trimmed.len());
        self.at += end;
        Ok(Token::Word(trimmed.get(..end).unwrap_or_default()))
    }

    fn string(&mut self, from_quote: &str) -> Result<Token<'a>, ScimError> {
        let mut escaped = false;
        for (i, byte) in from_quote.bytes().enumerate().skip(1) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    let quoted = from_quote.get(..=i).unwrap_or_default();
                    let text: String = serde_json::from_str(quoted)
                        .map_err(|_| self.error("a string that is not a valid JSON string"))?;
                    if text.contains('\0') {
                        return Err(self.error("a string with the character U+0000"));
                    }
                    self.at += i + 1;
                    return Ok(Token::Text(text));
                }
                _ => {}
            }
        }
        Err(self.error("a string without its closing quote"))
    }

    fn error(&self, what: &str) -> ScimError {
        ScimError::invalid_filter(format!("The filter holds {what}, at byte {}.", self.at))
    }
}

fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Vec<Token<'_>>, ScimError> {
        let mut reader = Words::of(text);
        let mut all = Vec::new();
        loop {
            match reader.take()? {
                Token::End => return Ok(all),
                token => all.push(token),
            }
        }
    }

    #[test]
    fn words_end_at_blanks_brackets_and_quotes() {
        assert_eq!(
            words(r#"emails[type eq "a\"] (b"].value  EQ"x""#).unwrap(),
            vec![
                Token::Word("emails"),
                Token::OpenBracket,
                Token::Word("type"),
                Token::Word("eq"),
                Token::Text("a\"] (b".into()),
                Token::CloseBracket,
                Token::Word(".value"),
                Token::Word("EQ"),
                Token::Text("x".into()),
            ]
        );
        assert_eq!(words(r#""\u00e9\ud83d\ude00""#).unwrap(), vec![Token::Text("é😀".into())]);
        for bad in [r#""a"#, r#""a\"#, r#""\x""#, r#""\u0000""#, "\"a\nb\""] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }
}
