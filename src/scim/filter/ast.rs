//! A filter as written: names not yet looked up. Its depth is bounded by the parser, so walking
//! it by recursion is safe on any stack.

use std::fmt;

use serde_json::{Number, Value};

use super::resolve::Resolved;
use crate::scim::error::ScimError;
use crate::scim::schema::ResourceKind;

/// Comparison operators; `pr` is [`Expr::Present`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the RFC")]
pub enum Op {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Gt,
    Ge,
    Lt,
    Le,
}

impl Op {
    /// The operator of that name, whatever its case.
    pub fn parse(word: &str) -> Option<Self> {
        const ALL: [Op; 9] = [Op::Eq, Op::Ne, Op::Co, Op::Sw, Op::Ew, Op::Gt, Op::Ge, Op::Lt, Op::Le];
        ALL.into_iter().find(|op| op.word().eq_ignore_ascii_case(word))
    }

    /// The operator's name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }

    /// Whether it asks for an order.
    pub fn orders(self) -> bool {
        match self {
            Self::Gt | Self::Ge | Self::Lt | Self::Le => true,
            Self::Eq | Self::Ne | Self::Co | Self::Sw | Self::Ew => false,
        }
    }

    /// Whether it looks inside text.
    pub fn searches(self) -> bool {
        match self {
            Self::Co | Self::Sw | Self::Ew => true,
            Self::Eq | Self::Ne | Self::Gt | Self::Ge | Self::Lt | Self::Le => false,
        }
    }
}

/// A comparison value: a JSON literal.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names of JSON")]
pub enum Literal {
    String(String),
    Bool(bool),
    Number(Number),
    Null,
}

/// One node of a filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// All of them (two or more).
    And(Vec<Expr>),
    /// At least one of them (two or more).
    Or(Vec<Expr>),
    /// The opposite.
    Not(Box<Expr>),
    /// `path pr`
    Present(String),
    /// `path op value`
    Compare(String, Op, Literal),
    /// `path[filter]`: one and the same element matches the whole inner filter. Entra's
    /// `emails[type eq "work"].value eq "x"` is read as `emails[type eq "work" and value eq "x"]`.
    Element(String, Box<Expr>),
}

/// A filter that can be read; what it names is looked up by [`Filter::resolve`].
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    root: Expr,
}

impl Filter {
    /// Read a filter within the bounds of `base::limits` (bytes, terms, depth).
    ///
    /// # Errors
    /// 400 `invalidFilter`, saying where and what was expected.
    pub fn parse(text: &str) -> Result<Self, ScimError> {
        super::parse::filter(text).map(|root| Self { root })
    }

    /// The tree.
    pub fn root(&self) -> &Expr {
        &self.root
    }

    /// Look up every name and check every value's type for resources of `kind`.
    ///
    /// # Errors
    /// 400 `invalidFilter` for an unknown attribute (R-FILT-37), a literal of the wrong type, an
    /// operator the type has not.
    pub fn resolve(&self, kind: ResourceKind) -> Result<Resolved, ScimError> {
        super::resolve::resource(kind, &self.root)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => Value::from(text.as_str()).fmt(f),
            Self::Bool(value) => value.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Null => f.write_str("null"),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => join(f, parts, " and ", |part| matches!(part, Self::And(_) | Self::Or(_))),
            Self::Or(parts) => join(f, parts, " or ", |part| matches!(part, Self::Or(_))),
            Self::Not(inner) => wrapped(f, "not (", inner, ")"),
            Self::Present(path) => write!(f, "{path} pr"),
            Self::Compare(path, op, value) => write!(f, "{path} {} {value}", op.word()),
            Self::Element(path, inner) => {
                f.write_str(path)?;
                wrapped(f, "[", inner, "]")
            }
        }
    }
}

fn wrapped(f: &mut fmt::Formatter<'_>, open: &str, inner: &Expr, close: &str) -> fmt::Result {
    f.write_str(open)?;
    fmt::Display::fmt(inner, f)?;
    f.write_str(close)
}

fn join(f: &mut fmt::Formatter<'_>, parts: &[Expr], word: &str, grouped: fn(&Expr) -> bool) -> fmt::Result {
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            f.write_str(word)?;
        }
        let group = grouped(part);
        if group {
            f.write_str("(")?;
        }
        fmt::Display::fmt(part, f)?;
        if group {
            f.write_str(")")?;
        }
    }
    Ok(())
}
