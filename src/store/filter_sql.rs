//! Filters over indexed attributes as conditions on columns. What is translated is a superset of
//! what the filter matches; `exact` says whether it is the same. Values are always bound.

use crate::base::clock::Micros;
use crate::base::ids::UserId;
use crate::scim::filter::{Compare, Op, Operand, Resolved, Test};
use crate::scim::schema::ResourceKind;

/// How a folded text column is compared; wildcards in the text are literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// The same.
    Is(String),
    /// Begins with it.
    StartsWith(String),
    /// Has it somewhere.
    Contains(String),
    /// Ends with it.
    EndsWith(String),
}

impl Text {
    fn read(op: Op, text: &str) -> Option<Self> {
        let text = text.to_owned();
        match op {
            Op::Eq => Some(Self::Is(text)),
            Op::Sw => Some(Self::StartsWith(text)),
            Op::Co => Some(Self::Contains(text)),
            Op::Ew => Some(Self::EndsWith(text)),
            Op::Ne | Op::Gt | Op::Ge | Op::Lt | Op::Le => None,
        }
    }

    /// The pattern for LIKE with `\` as escape; `None` where LIKE is not needed.
    pub fn pattern(&self) -> Option<String> {
        match self {
            Self::Is(_) | Self::StartsWith(_) => None,
            Self::Contains(text) => Some(format!("%{}%", literal(text))),
            Self::EndsWith(text) => Some(format!("%{}", literal(text))),
        }
    }
}

fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The first text behind all that begin with `prefix`, in the byte order of both databases.
/// U+10FFFF is a non-character that no client sends.
pub fn end_of_prefix(prefix: &str) -> String {
    format!("{prefix}\u{10FFFF}")
}

/// Which of the two times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// `meta.created`
    Created,
    /// `meta.lastModified`
    Modified,
}

/// One condition on columns or rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `id eq`, by the 16 bytes.
    Id(Vec<u8>),
    /// `userName`, folded.
    UserName(Text),
    /// `displayName`, folded.
    DisplayName(Text),
    /// `externalId eq`.
    ExternalId(String),
    /// `active eq`.
    Active(bool),
    /// `emails.value`, and the type where one element must have both.
    Email(Text, Option<String>),
    /// Users in this group.
    InGroup(Vec<u8>),
    /// Groups with this member.
    HasMember(Vec<u8>),
    /// At or after the first, before the second.
    Between(Moment, Option<i64>, Option<i64>),
    /// Nothing can match.
    Never,
}

/// A filter, as far as columns can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowed {
    /// All of them hold for every match.
    pub conditions: Vec<Condition>,
    /// They hold for nothing else.
    pub exact: bool,
}

impl Narrowed {
    /// No filter: everything.
    pub fn everything() -> Self {
        Self { conditions: Vec::new(), exact: true }
    }

    /// No row can match.
    pub fn is_empty(&self) -> bool {
        self.conditions.contains(&Condition::Never)
    }
}

/// Translate what can be translated; anything else makes the result inexact, and the caller
/// evaluates the whole filter over the rows that the conditions leave.
pub fn narrow(kind: ResourceKind, filter: &Resolved) -> Narrowed {
    let mut narrowed = Narrowed::everything();
    take(kind, filter.root(), &mut narrowed);
    narrowed
}

fn take(kind: ResourceKind, test: &Test, narrowed: &mut Narrowed) {
    match test {
        Test::And(parts) => parts.iter().for_each(|part| take(kind, part, narrowed)),
        Test::Compare(compare) => add(narrowed, comparison(kind, compare)),
        Test::Element(target, inner) if kind == ResourceKind::User && target.is("emails", None) => {
            add(narrowed, email_element(inner));
        }
        Test::Element(target, inner) if is_links(kind, target.attribute.name.as_str()) => {
            add(narrowed, link_element(kind, inner));
        }
        Test::Or(_) | Test::Not(_) | Test::Present(_) | Test::Element(..) => narrowed.exact = false,
    }
}

fn add(narrowed: &mut Narrowed, condition: Option<Condition>) {
    match condition {
        Some(condition) => narrowed.conditions.push(condition),
        None => narrowed.exact = false,
    }
}

fn is_links(kind: ResourceKind, attribute: &str) -> bool {
    match kind {
        ResourceKind::User => attribute == "groups",
        ResourceKind::Group => attribute == "members",
    }
}

fn comparison(kind: ResourceKind, compare: &Compare) -> Option<Condition> {
    let target = &compare.target;
    let user = kind == ResourceKind::User;
    match &compare.operand {
        Operand::Exact(text) | Operand::Folded(text) if text.is_empty() => None,
        Operand::Exact(text) if compare.op == Op::Eq => {
            if target.is("id", None) {
                Some(id(text, Condition::Id))
            } else if target.is("externalId", None) && text.is_ascii() {
                // Composed forms of other scripts are compared in Rust; ASCII has one form.
                Some(Condition::ExternalId(text.clone()))
            } else if is_links(kind, &target.attribute.name) && (target.sub.is_none() || is_value(compare)) {
                Some(id(text, |bytes| link(kind, bytes)))
            } else {
                None
            }
        }
        Operand::Folded(text) if user && target.is("userName", None) => {
            Text::read(compare.op, text).map(Condition::UserName)
        }
        Operand::Folded(text) if target.is("displayName", None) => {
            Text::read(compare.op, text).map(Condition::DisplayName)
        }
        Operand::Folded(text) if user && (target.is("emails", None) || target.is("emails", Some("value"))) => {
            Text::read(compare.op, text).map(|text| Condition::Email(text, None))
        }
        Operand::Bool(value) if user && compare.op == Op::Eq && target.is("active", None) => {
            Some(Condition::Active(*value))
        }
        Operand::Instant(at) if target.is("meta", Some("created")) => between(Moment::Created, compare.op, *at),
        Operand::Instant(at) if target.is("meta", Some("lastModified")) => between(Moment::Modified, compare.op, *at),
        Operand::Exact(_)
        | Operand::Folded(_)
        | Operand::Bool(_)
        | Operand::Integer(_)
        | Operand::Decimal(_)
        | Operand::Instant(_) => None,
    }
}

fn is_value(compare: &Compare) -> bool {
    compare.target.sub.is_some_and(|sub| sub.name == "value")
}

fn id(text: &str, make: impl Fn(Vec<u8>) -> Condition) -> Condition {
    // Users and groups share the grammar of ids; anything else names no row of ours.
    text.parse::<UserId>().map_or(Condition::Never, |id| make(id.bytes()))
}

fn link(kind: ResourceKind, bytes: Vec<u8>) -> Condition {
    match kind {
        ResourceKind::User => Condition::InGroup(bytes),
        ResourceKind::Group => Condition::HasMember(bytes),
    }
}

/// `emails[type eq "work" and value eq "x"]`, in either order, or with the value alone.
fn email_element(inner: &Test) -> Option<Condition> {
    let parts = match inner {
        Test::And(parts) => parts.as_slice(),
        Test::Compare(_) => std::slice::from_ref(inner),
        Test::Or(_) | Test::Not(_) | Test::Present(_) | Test::Element(..) => return None,
    };
    let (mut value, mut kind) = (None, None);
    for part in parts {
        let Test::Compare(Compare { target, op, operand: Operand::Folded(text) }) = part else { return None };
        if text.is_empty() {
            return None;
        }
        if target.sub.is_some_and(|sub| sub.name == "value") && value.is_none() {
            value = Some(Text::read(*op, text)?);
        } else if target.sub.is_some_and(|sub| sub.name == "type") && *op == Op::Eq && kind.is_none() {
            kind = Some(text.clone());
        } else {
            return None;
        }
    }
    value.map(|value| Condition::Email(value, kind))
}

/// `members[value eq "…"]`, `groups[value eq "…"]`.
fn link_element(kind: ResourceKind, inner: &Test) -> Option<Condition> {
    match inner {
        Test::Compare(compare) if compare.op == Op::Eq && is_value(compare) => match &compare.operand {
            Operand::Exact(text) if !text.is_empty() => Some(id(text, |bytes| link(kind, bytes))),
            Operand::Exact(_)
            | Operand::Folded(_)
            | Operand::Bool(_)
            | Operand::Integer(_)
            | Operand::Decimal(_)
            | Operand::Instant(_) => None,
        },
        Test::Compare(_) | Test::And(_) | Test::Or(_) | Test::Not(_) | Test::Present(_) | Test::Element(..) => None,
    }
}

/// Times are shown in milliseconds and stored in microseconds: a shown moment is a range.
fn between(moment: Moment, op: Op, at: Micros) -> Option<Condition> {
    if at.0.rem_euclid(1_000) != 0 {
        return None;
    }
    let (from, until) = (at.0, at.0.saturating_add(1_000));
    match op {
        Op::Eq => Some(Condition::Between(moment, Some(from), Some(until))),
        Op::Ge => Some(Condition::Between(moment, Some(from), None)),
        Op::Gt => Some(Condition::Between(moment, Some(until), None)),
        Op::Lt => Some(Condition::Between(moment, None, Some(from))),
        Op::Le => Some(Condition::Between(moment, None, Some(until))),
        Op::Ne | Op::Co | Op::Sw | Op::Ew => None,
    }
}

/// Whether evaluating the filter needs `User.groups` or `Group.members`, which are rows.
pub fn reads_links(kind: ResourceKind, filter: &Resolved) -> bool {
    let mut todo = vec![filter.root()];
    while let Some(test) = todo.pop() {
        match test {
            Test::And(parts) | Test::Or(parts) => todo.extend(parts),
            Test::Not(inner) => todo.push(inner),
            Test::Present(target) | Test::Element(target, _) => {
                if is_links(kind, &target.attribute.name) {
                    return true;
                }
            }
            Test::Compare(compare) => {
                if is_links(kind, &compare.target.attribute.name) {
                    return true;
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::filter::Filter;

    fn narrowed(kind: ResourceKind, text: &str) -> Narrowed {
        narrow(kind, &Filter::parse(text).unwrap().resolve(kind).unwrap())
    }

    #[test]
    fn indexed_attributes_become_conditions() {
        use Condition::{Active, DisplayName, Email, ExternalId, Id, InGroup, Never, UserName};
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let bytes = id.parse::<UserId>().unwrap().bytes();
        let is = |text: &str| Text::Is(text.into());
        for (text, wanted) in [
            ("userName eq \"Ann\"", vec![UserName(is("ann"))]),
            ("externalId eq \"X1\"", vec![ExternalId("X1".into())]),
            ("displayName sw \"A_\"", vec![DisplayName(Text::StartsWith("a_".into()))]),
            ("active eq false", vec![Active(false)]),
            ("emails.value eq \"A@b.c\"", vec![Email(is("a@b.c"), None)]),
            ("emails eq \"A@b.c\"", vec![Email(is("a@b.c"), None)]),
            ("emails[type eq \"Work\" and value eq \"A@b.c\"]", vec![Email(is("a@b.c"), Some("work".into()))]),
            ("emails[type eq \"work\"].value eq \"A@b.c\"", vec![Email(is("a@b.c"), Some("work".into()))]),
            (&format!("id eq \"{id}\""), vec![Id(bytes.clone())]),
            (&format!("groups.value eq \"{id}\" and active eq true"), vec![InGroup(bytes.clone()), Active(true)]),
            ("id eq \"1\"", vec![Never]),
        ] {
            let found = narrowed(ResourceKind::User, text);
            assert_eq!((found.conditions, found.exact), (wanted, true), "{text}");
        }
        let group = narrowed(ResourceKind::Group, &format!("members[value eq \"{id}\"]"));
        assert_eq!((group.conditions, group.exact), (vec![Condition::HasMember(bytes)], true));
    }

    #[test]
    fn the_rest_is_left_to_evaluation() {
        for text in [
            "userName eq \"a\" or userName eq \"b\"",
            "not (active eq true)",
            "title pr",
            "userName gt \"a\"",
            "name.familyName eq \"x\"",
            "emails[type eq \"work\"]",
            "externalId eq \"Jos\u{e9}\"",
        ] {
            let found = narrowed(ResourceKind::User, text);
            assert!(!found.exact && found.conditions.is_empty(), "{text}");
        }
        let mixed = narrowed(ResourceKind::User, "userName eq \"a\" and title pr");
        assert!(!mixed.exact && mixed.conditions.len() == 1);
    }

    #[test]
    fn wildcards_are_literal() {
        assert_eq!(Text::Contains("50%_\\".into()).pattern().unwrap(), "%50\\%\\_\\\\%");
    }
}
