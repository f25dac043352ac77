//! Exact evaluation of a resolved filter over a resource, without copying it. Recursion is bounded
//! by the parser's depth.

use std::cmp::Ordering;

use serde_json::Value;

use super::ast::Op;
use super::resolve::{Compare, Operand, Test};
use crate::base::clock::Micros;
use crate::scim::attr_path::Target;
use crate::scim::fold;
use crate::scim::resource::Object;

/// Whether a value counts as present: not null, "", [], {} (R-FILT-08).
pub fn present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(present),
        Value::Object(members) => members.values().any(present),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// What a target is looked up in.
#[derive(Clone, Copy)]
enum Scope<'a> {
    Resource(&'a Object),
    /// An object that is one element of a list.
    Part(&'a Object),
    /// A simple element of a list.
    Simple(&'a Value),
}

/// Whether the resource, or the element, matches.
pub(super) fn matches(test: &Test, object: &Object, element: bool) -> bool {
    run(test, if element { Scope::Part(object) } else { Scope::Resource(object) })
}

fn run(test: &Test, scope: Scope<'_>) -> bool {
    match test {
        Test::And(parts) => parts.iter().all(|part| run(part, scope)),
        Test::Or(parts) => parts.iter().any(|part| run(part, scope)),
        Test::Not(inner) => !run(inner, scope),
        Test::Present(target) => any(*target, scope, &mut |value| value.is_some_and(present)),
        Test::Compare(compare) => compared(compare, scope),
        Test::Element(list, inner) => any(*list, scope, &mut |value| match value {
            Some(Value::Object(element)) => run(inner, Scope::Part(element)),
            Some(other) => run(inner, Scope::Simple(other)),
            None => false,
        }),
    }
}

fn compared(compare: &Compare, scope: Scope<'_>) -> bool {
    let equal = |value: Option<&Value>| order(compare, value) == Some(Ordering::Equal);
    match compare.op {
        Op::Eq => any(compare.target, scope, &mut |value| equal(value)),
        Op::Ne => !any(compare.target, scope, &mut |value| equal(value)),
        Op::Gt => any(compare.target, scope, &mut |value| order(compare, value).is_some_and(Ordering::is_gt)),
        Op::Ge => any(compare.target, scope, &mut |value| order(compare, value).is_some_and(Ordering::is_ge)),
        Op::Lt => any(compare.target, scope, &mut |value| order(compare, value).is_some_and(Ordering::is_lt)),
        Op::Le => any(compare.target, scope, &mut |value| order(compare, value).is_some_and(Ordering::is_le)),
        Op::Co => any(compare.target, scope, &mut |value| searched(compare, value, |text, part| text.contains(part))),
        Op::Sw => {
            any(compare.target, scope, &mut |value| searched(compare, value, |text, part| text.starts_with(part)))
        }
        Op::Ew => any(compare.target, scope, &mut |value| searched(compare, value, |text, part| text.ends_with(part))),
    }
}

/// Ask `ask` for every value the target has; for `None` where an element lacks the part.
fn any(target: Target, scope: Scope<'_>, ask: &mut dyn FnMut(Option<&Value>) -> bool) -> bool {
    let object = match scope {
        Scope::Part(element) => {
            return match target.sub {
                Some(sub) => ask(element.get(&sub.name)),
                None => false,
            };
        }
        Scope::Simple(value) => return ask(Some(value)),
        Scope::Resource(object) => object,
    };
    let container = match target.extension {
        None => Some(object),
        Some(extension) => object.get(&extension.id).and_then(Value::as_object),
    };
    let Some(value) = container.and_then(|c| c.get(&target.attribute.name)) else { return false };
    match (value, target.sub) {
        (Value::Array(items), Some(sub)) => items.iter().any(|item| ask(item.get(&sub.name))),
        (Value::Array(items), None) => items.iter().any(|item| ask(Some(item))),
        (single, Some(sub)) => ask(single.get(&sub.name)),
        (single, None) => ask(Some(single)),
    }
}

/// How the value stands to the operand; `None` when there is nothing to compare.
fn order(compare: &Compare, value: Option<&Value>) -> Option<Ordering> {
    match (&compare.operand, value) {
        // A missing `primary` means false (R-CHAR-25).
        (Operand::Bool(wanted), None) if compare.target.leaf().name == "primary" => Some(false.cmp(wanted)),
        (_, None) => None,
        (Operand::Exact(wanted), Some(Value::String(text))) => Some(fold::exact(text).as_ref().cmp(wanted)),
        (Operand::Folded(wanted), Some(Value::String(text))) => {
            if matches!(compare.op, Op::Eq | Op::Ne) && text.is_ascii() {
                // The common question, without making a key.
                return Some(if text.eq_ignore_ascii_case(wanted) { Ordering::Equal } else { Ordering::Less });
            }
            Some(fold::text_cow(text).as_ref().cmp(wanted))
        }
        (Operand::Bool(wanted), Some(Value::Bool(value))) => Some(value.cmp(wanted)),
        (Operand::Integer(wanted), Some(Value::Number(number))) => number.as_i64().map(|v| v.cmp(wanted)),
        (Operand::Decimal(wanted), Some(Value::Number(number))) => number.as_f64().and_then(|v| v.partial_cmp(wanted)),
        (Operand::Instant(wanted), Some(Value::String(text))) => Micros::parse_rfc3339(text).map(|v| v.cmp(wanted)),
        (
            Operand::Exact(_)
            | Operand::Folded(_)
            | Operand::Bool(_)
            | Operand::Integer(_)
            | Operand::Decimal(_)
            | Operand::Instant(_),
            Some(_),
        ) => None,
    }
}

fn searched(compare: &Compare, value: Option<&Value>, found: fn(&str, &str) -> bool) -> bool {
    let Some(Value::String(text)) = value else { return false };
    match &compare.operand {
        Operand::Exact(part) => found(&fold::exact(text), part),
        Operand::Folded(part) => found(&fold::text_cow(text), part),
        Operand::Bool(_) | Operand::Integer(_) | Operand::Decimal(_) | Operand::Instant(_) => false,
    }
}
