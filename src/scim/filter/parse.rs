//! Words to tree, without recursion: open brackets are frames on a heap stack, and their number is
//! checked before a frame is made. Text, terms and depth are bounded (T-14), so is every later walk.

use serde_json::Number;

use super::ast::{Expr, Literal, Op};
use super::token::{Token, Words};
use crate::base::limits::{FILTER_BYTES, FILTER_DEPTH, FILTER_TERMS};
use crate::scim::error::ScimError;

/// Read a whole filter.
pub(super) fn filter(text: &str) -> Result<Expr, ScimError> {
    let (expr, rest) = Parser::new(text, Opened::Nothing)?.run()?;
    debug_assert!(rest.is_empty());
    Ok(expr)
}

/// Read the filter of a value path, from behind its `[`; gives back what stands after the `]`.
pub(in crate::scim) fn bracket(text: &str) -> Result<(Expr, &str), ScimError> {
    Parser::new(text, Opened::Bracket)?.run()
}

/// What opened a frame, and therefore what closes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opened<'a> {
    /// The text itself.
    Nothing,
    /// The `[` of a PATCH path, read by the caller.
    Bracket,
    /// `(`
    Group,
    /// `not (`
    Not,
    /// `name[`
    Element(&'a str),
}

/// A list of `or` parts, the last of which is a list of `and` parts still growing.
struct Frame<'a> {
    opened: Opened<'a>,
    any: Vec<Expr>,
    all: Vec<Expr>,
}

impl<'a> Frame<'a> {
    fn new(opened: Opened<'a>) -> Self {
        Self { opened, any: Vec::new(), all: Vec::new() }
    }

    fn or(&mut self) {
        if let Some(part) = one_or(Expr::And, std::mem::take(&mut self.all)) {
            self.any.push(part);
        }
    }

    fn close(mut self) -> Option<Expr> {
        self.or();
        one_or(Expr::Or, self.any)
    }
}

fn one_or(many: fn(Vec<Expr>) -> Expr, mut parts: Vec<Expr>) -> Option<Expr> {
    if parts.len() > 1 { Some(many(parts)) } else { parts.pop() }
}

struct Parser<'a> {
    words: Words<'a>,
    base: Frame<'a>,
    open: Vec<Frame<'a>>,
    terms: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, opened: Opened<'a>) -> Result<Self, ScimError> {
        if text.len() > FILTER_BYTES {
            return Err(ScimError::invalid_filter(format!("The filter is longer than {FILTER_BYTES} bytes.")));
        }
        if text.trim().is_empty() {
            return Err(ScimError::invalid_filter("The filter is empty."));
        }
        Ok(Self { words: Words::of(text), base: Frame::new(opened), open: Vec::new(), terms: 0 })
    }

    fn run(mut self) -> Result<(Expr, &'a str), ScimError> {
        loop {
            if !self.operand()? {
                continue; // an opening bracket: another operand follows
            }
            if let Some(done) = self.behind_operand()? {
                return Ok(done);
            }
        }
    }

    fn frame(&mut self) -> &mut Frame<'a> {
        self.open.last_mut().unwrap_or(&mut self.base)
    }

    fn push(&mut self, opened: Opened<'a>) -> Result<(), ScimError> {
        if self.open.len() >= FILTER_DEPTH {
            return Err(ScimError::invalid_filter(format!("The filter nests deeper than {FILTER_DEPTH} levels.")));
        }
        self.open.push(Frame::new(opened));
        Ok(())
    }

    /// Read one operand; false when a bracket was opened instead.
    fn operand(&mut self) -> Result<bool, ScimError> {
        match self.words.take()? {
            Token::Open => self.push(Opened::Group)?,
            Token::Word(word) if word.eq_ignore_ascii_case("not") && self.words.next_is('(') => {
                self.words.take()?;
                self.push(Opened::Not)?;
            }
            Token::Word(word) => {
                name(word)?;
                if self.words.next_is('[') {
                    self.words.take()?;
                    let inside = std::iter::once(&self.base).chain(&self.open);
                    if inside.into_iter().any(|f| matches!(f.opened, Opened::Element(_) | Opened::Bracket)) {
                        return Err(self.error("a value path cannot stand inside another one"));
                    }
                    self.push(Opened::Element(word))?;
                } else {
                    let term = self.term(word.to_owned())?;
                    self.frame().all.push(term);
                    return Ok(true);
                }
            }
            other => return Err(self.expected("an attribute name", &other)),
        }
        Ok(false)
    }

    /// `pr`, or an operator and its value, behind a name.
    fn term(&mut self, path: String) -> Result<Expr, ScimError> {
        self.terms += 1;
        if self.terms > FILTER_TERMS {
            return Err(ScimError::invalid_filter(format!("The filter has more than {FILTER_TERMS} comparisons.")));
        }
        let word = match self.words.take()? {
            Token::Word(word) => word,
            other => return Err(self.expected("an operator (eq, ne, co, sw, ew, gt, ge, lt, le, pr)", &other)),
        };
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Expr::Present(path));
        }
        let Some(op) = Op::parse(word) else {
            return Err(self.error(&format!(
                "\"{}\" is no operator; there are eq, ne, co, sw, ew, gt, ge, lt, le and pr",
                short(word)
            )));
        };
        Ok(Expr::Compare(path, op, self.literal(op)?))
    }

    fn literal(&mut self, op: Op) -> Result<Literal, ScimError> {
        match self.words.take()? {
            Token::Text(text) => Ok(Literal::String(text)),
            Token::Word(word) if word.eq_ignore_ascii_case("true") => Ok(Literal::Bool(true)),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => Ok(Literal::Bool(false)),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => Ok(Literal::Null),
            Token::Word(word) => match serde_json::from_str::<Number>(word) {
                Ok(number) => Ok(Literal::Number(number)),
                // authentik 2025.8.1 sent `userName eq akadmin`; guessing where such a text ends
                // would be guessing what is asked for.
                Err(_) => Err(self.error(&format!(
                    "the value after {} must stand in double quotes: {} \"{}\"",
                    op.word(),
                    op.word(),
                    short(word)
                ))),
            },
            other => Err(self.expected("a value", &other)),
        }
    }

    /// Connectors and closing brackets; the result once the end of the outermost frame is reached.
    fn behind_operand(&mut self) -> Result<Option<(Expr, &'a str)>, ScimError> {
        loop {
            match self.words.take()? {
                Token::Word(word) if word.eq_ignore_ascii_case("and") => return Ok(None),
                Token::Word(word) if word.eq_ignore_ascii_case("or") => {
                    self.frame().or();
                    return Ok(None);
                }
                Token::Close => self.close_group()?,
                Token::CloseBracket if self.open.is_empty() && self.base.opened == Opened::Bracket => {
                    return self.finish().map(Some);
                }
                Token::CloseBracket => self.close_element()?,
                Token::End if self.open.is_empty() && self.base.opened == Opened::Nothing => {
                    return self.finish().map(Some);
                }
                other => return Err(self.expected("\"and\", \"or\" or a closing bracket", &other)),
            }
        }
    }

    fn finish(&mut self) -> Result<(Expr, &'a str), ScimError> {
        let base = std::mem::replace(&mut self.base, Frame::new(Opened::Nothing));
        let expr = base.close().ok_or_else(|| ScimError::invalid_filter("The filter is empty."))?;
        Ok((expr, self.words.rest()))
    }

    fn close_group(&mut self) -> Result<(), ScimError> {
        let opened = self.open.last().map(|frame| frame.opened);
        let expr = match opened {
            Some(Opened::Group | Opened::Not) => self.open.pop().and_then(Frame::close),
            Some(Opened::Element(_) | Opened::Nothing | Opened::Bracket) | None => None,
        };
        let Some(expr) = expr else { return Err(self.error("a \")\" without its \"(\"")) };
        let expr = if opened == Some(Opened::Not) { Expr::Not(Box::new(expr)) } else { expr };
        self.frame().all.push(expr);
        Ok(())
    }

    fn close_element(&mut self) -> Result<(), ScimError> {
        let Some(Opened::Element(path)) = self.open.last().map(|frame| frame.opened) else {
            return Err(self.error("a \"]\" without its \"[\""));
        };
        let Some(mut inner) = self.open.pop().and_then(Frame::close) else {
            return Err(self.error("empty brackets"));
        };
        // Entra: `emails[type eq "work"].value eq "x"`, outside the grammar; it means that element.
        if self.words.rest().starts_with('.')
            && let Token::Word(word) = self.words.take()?
        {
            let part = word.trim_start_matches('.');
            name(part)?;
            let term = self.term(part.to_owned())?;
            inner = match inner {
                Expr::And(mut parts) => {
                    parts.push(term);
                    Expr::And(parts)
                }
                other => Expr::And(vec![other, term]),
            };
        }
        self.frame().all.push(Expr::Element(path.to_owned(), Box::new(inner)));
        Ok(())
    }

    fn expected(&self, what: &str, found: &Token<'_>) -> ScimError {
        let found = match found {
            Token::Open => "\"(\"".to_owned(),
            Token::Close => "\")\"".to_owned(),
            Token::OpenBracket => "\"[\"".to_owned(),
            Token::CloseBracket => "\"]\"".to_owned(),
            Token::Text(_) => "a string".to_owned(),
            Token::Word(word) => format!("\"{}\"", short(word)),
            Token::End => "the end".to_owned(),
        };
        self.error(&format!("expected {what}, found {found}"))
    }

    fn error(&self, what: &str) -> ScimError {
        ScimError::invalid_filter(format!("The filter cannot be read: {what}, before byte {}.", self.words.position()))
    }
}

/// Attribute names with URNs: letters, digits, and the marks that occur in them.
fn name(word: &str) -> Result<(), ScimError> {
    let starts = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$');
    let legal = word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '$' | '-' | '_' | ':' | '.'));
    if starts && legal {
        return Ok(());
    }
    Err(ScimError::invalid_filter(format!("\"{}\" is not an attribute name.", short(word))))
}

fn short(word: &str) -> String {
    word.chars().take(40).collect()
}
