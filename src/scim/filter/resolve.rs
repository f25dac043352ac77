//! A filter with its names looked up for one resource type: what `store` translates and what is
//! evaluated. Types are checked here, so evaluation cannot fail.

use super::ast::{Expr, Literal, Op};
use crate::base::clock::Micros;
use crate::scim::attr_path::{self, Named, Target};
use crate::scim::error::ScimError;
use crate::scim::fold;
use crate::scim::resource::Object;
use crate::scim::schema::{Attribute, ResourceKind, Returned, Type};

/// A comparison value of the attribute's type, prepared once.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// Text of a case-exact attribute, composed (`scim::fold::exact`).
    Exact(String),
    /// Text of any other attribute, folded (`scim::fold::text`).
    Folded(String),
    /// A boolean; a missing value counts as false for `primary`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Decimal(f64),
    /// An instant (R-FILT-13).
    Instant(Micros),
}

/// `target op operand`
#[derive(Debug, Clone)]
pub struct Compare {
    /// The attribute; inside [`Test::Element`] its part is the `sub`.
    pub target: Target,
    /// The operator.
    pub op: Op,
    /// The value.
    pub operand: Operand,
}

/// One node of a resolved filter.
#[derive(Debug, Clone)]
pub enum Test {
    /// All of them.
    And(Vec<Test>),
    /// At least one.
    Or(Vec<Test>),
    /// The opposite.
    Not(Box<Test>),
    /// The attribute has a value.
    Present(Target),
    /// A comparison. On a list it means any element, for `ne` no element (R-FILT-26).
    Compare(Compare),
    /// One element of the list matches the inner test, whose targets are parts of that element.
    Element(Target, Box<Test>),
}

/// A filter ready to evaluate or translate.
#[derive(Debug, Clone)]
pub struct Resolved {
    root: Test,
    /// Whether the tests look into one element of a list instead of a resource.
    element: bool,
}

impl Resolved {
    /// The tree.
    pub fn root(&self) -> &Test {
        &self.root
    }

    /// Whether the resource (with `id`, `meta`, and `groups` or `members` where the filter names
    /// them) matches; for the filter of a value path, whether the list's element does.
    pub fn matches(&self, object: &Object) -> bool {
        super::eval::matches(&self.root, object, self.element)
    }
}

/// Where names are looked up.
#[derive(Clone, Copy)]
enum Scope {
    Resource(ResourceKind),
    Element(Target),
}

/// Look up a filter over resources.
pub(super) fn resource(kind: ResourceKind, root: &Expr) -> Result<Resolved, ScimError> {
    Ok(Resolved { root: walk(Scope::Resource(kind), root)?, element: false })
}

/// Look up the filter of a value path over the elements of `list`.
pub(in crate::scim) fn element(list: Target, root: &Expr) -> Result<Resolved, ScimError> {
    Ok(Resolved { root: walk(Scope::Element(list), root)?, element: true })
}

/// Recursion as deep as the parser allows; the frames are kept small by leaving the work to leaves.
fn walk(scope: Scope, expr: &Expr) -> Result<Test, ScimError> {
    match expr {
        Expr::And(parts) => many(scope, parts).map(Test::And),
        Expr::Or(parts) => many(scope, parts).map(Test::Or),
        Expr::Not(inner) => walk(scope, inner).map(|test| Test::Not(Box::new(test))),
        Expr::Present(path) => target(scope, path).map(Test::Present),
        Expr::Compare(path, op, literal) => compare(target(scope, path)?, *op, literal),
        Expr::Element(path, inner) => {
            let list = list(scope, path)?;
            walk(Scope::Element(list), inner).map(|test| Test::Element(list, Box::new(test)))
        }
    }
}

fn many(scope: Scope, parts: &[Expr]) -> Result<Vec<Test>, ScimError> {
    let mut tests = Vec::with_capacity(parts.len());
    for part in parts {
        tests.push(walk(scope, part)?);
    }
    Ok(tests)
}

fn list(scope: Scope, path: &str) -> Result<Target, ScimError> {
    let list = target(scope, path)?;
    if list.attribute.multi_valued && list.sub.is_none() {
        return Ok(list);
    }
    Err(ScimError::invalid_filter(format!("{} is not a list; brackets need one.", list.name())))
}

fn target(scope: Scope, path: &str) -> Result<Target, ScimError> {
    let found = match scope {
        Scope::Resource(kind) => match attr_path::find(kind, path) {
            Some(Named::Target(target)) => Some(target),
            Some(Named::Core | Named::Extension(_)) | None => None,
        },
        Scope::Element(list) => match list.attribute.sub(path) {
            Some(sub) => Some(Target { sub: Some(sub), ..list }),
            // A list of simple values: `value` stands for the element itself.
            None if !list.attribute.is_complex() && path.eq_ignore_ascii_case("value") => Some(list),
            None => None,
        },
    };
    match found {
        Some(target) if hidden(target.attribute) || hidden(target.leaf()) => {
            Err(ScimError::invalid_filter(format!("{} cannot be filtered by.", target.name())))
        }
        Some(target) => Ok(target),
        None => {
            let path: String = path.chars().take(120).collect();
            Err(ScimError::invalid_filter(format!("No schema of this resource type defines \"{path}\".")))
        }
    }
}

fn hidden(attribute: &Attribute) -> bool {
    attribute.returned == Returned::Never
}

fn compare(mut target: Target, op: Op, literal: &Literal) -> Result<Test, ScimError> {
    // `emails co "x"` means emails.value; old Entra bodies ask `manager eq "id"` the same way.
    if target.sub.is_none() && target.attribute.is_complex() {
        target.sub = target.attribute.sub("value");
        if target.sub.is_none() {
            return Err(ScimError::invalid_filter(format!("{0} has parts; name one, as in {0}.x.", target.name())));
        }
    }
    if *literal == Literal::Null {
        return match op {
            Op::Eq => Ok(Test::Not(Box::new(Test::Present(target)))),
            Op::Ne => Ok(Test::Present(target)),
            Op::Co | Op::Sw | Op::Ew | Op::Gt | Op::Ge | Op::Lt | Op::Le => {
                Err(ScimError::invalid_filter(format!("{} cannot be used with null.", op.word())))
            }
        };
    }
    let operand = operand(target, op, literal)?;
    Ok(Test::Compare(Compare { target, op, operand }))
}

fn operand(target: Target, op: Op, literal: &Literal) -> Result<Operand, ScimError> {
    let leaf = target.leaf();
    let refuse = || ScimError::invalid_filter(format!("{} cannot be used with {}.", op.word(), target.name()));
    let wrong = |wanted: &str| ScimError::invalid_filter(format!("{} is compared with {wanted}.", target.name()));
    match leaf.kind {
        Type::String | Type::Reference => match literal {
            Literal::String(text) if leaf.case_exact => Ok(Operand::Exact(fold::exact(text).into_owned())),
            Literal::String(text) => Ok(Operand::Folded(fold::text(text))),
            Literal::Bool(_) | Literal::Number(_) | Literal::Null => Err(wrong("a string")),
        },
        Type::Binary if op.orders() => Err(refuse()),
        Type::Binary => match literal {
            Literal::String(text) => Ok(Operand::Exact(text.clone())),
            Literal::Bool(_) | Literal::Number(_) | Literal::Null => Err(wrong("a string")),
        },
        Type::Boolean if op.orders() || op.searches() => Err(refuse()),
        Type::Boolean => match literal {
            Literal::Bool(value) => Ok(Operand::Bool(*value)),
            // Entra asks `primary eq "True"`.
            Literal::String(text) if text.eq_ignore_ascii_case("true") => Ok(Operand::Bool(true)),
            Literal::String(text) if text.eq_ignore_ascii_case("false") => Ok(Operand::Bool(false)),
            Literal::String(_) | Literal::Number(_) | Literal::Null => Err(wrong("true or false")),
        },
        Type::Integer | Type::Decimal | Type::DateTime if op.searches() => Err(refuse()),
        Type::Integer => match literal {
            Literal::Number(number) => number.as_i64().map(Operand::Integer).ok_or_else(|| wrong("a whole number")),
            Literal::String(_) | Literal::Bool(_) | Literal::Null => Err(wrong("a whole number")),
        },
        Type::Decimal => match literal {
            Literal::Number(number) => number.as_f64().map(Operand::Decimal).ok_or_else(|| wrong("a number")),
            Literal::String(_) | Literal::Bool(_) | Literal::Null => Err(wrong("a number")),
        },
        Type::DateTime => match literal {
            Literal::String(text) => Micros::parse_rfc3339(text)
                .map(Operand::Instant)
                .ok_or_else(|| wrong("a date and time with its zone, as in \"2026-01-31T08:00:00Z\"")),
            Literal::Bool(_) | Literal::Number(_) | Literal::Null => Err(wrong("a date and time in quotes")),
        },
        Type::Complex => Err(refuse()),
    }
}
