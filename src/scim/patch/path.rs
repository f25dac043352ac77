//! What a PATCH path names (RFC 7644 section 3.5.2): an attribute, a part of it, a whole extension,
//! or the elements of a list that match a filter. Brackets are read by the bounded filter parser.

use serde_json::Value;

use crate::scim::attr_path::{self, Named, Target};
use crate::scim::error::ScimError;
use crate::scim::filter::{self, Expr, Literal, Op, Resolved};
use crate::scim::resource::Object;
use crate::scim::schema::{Attribute, ResourceKind, Schema, Type};

/// The elements of a list that a value path selects.
#[derive(Debug)]
pub(super) struct Elements {
    /// The list; its `sub` is empty.
    pub(super) list: Target,
    /// Which of its elements.
    pub(super) filter: Resolved,
    /// The filter as written.
    pub(super) expr: Expr,
    /// The part of each element that is meant, if not the element itself.
    pub(super) part: Option<&'static Attribute>,
}

/// What a path names.
#[derive(Debug)]
pub(super) enum Place {
    /// The resource: the core schema's URN alone.
    Resource,
    /// A whole extension object.
    Extension(&'static Schema),
    /// An attribute or a part of it.
    Attribute(Target),
    /// Elements of a list.
    Elements(Box<Elements>),
    /// An attribute of a schema the server does not have (Entra maps custom extensions freely).
    Foreign,
}

/// Read a path.
///
/// # Errors
/// 400 `invalidPath`, or `invalidFilter` for what stands in the brackets.
pub(super) fn read(kind: ResourceKind, path: &str) -> Result<Place, ScimError> {
    let Some((name, behind)) = path.split_once('[') else {
        return match attr_path::find(kind, path) {
            Some(Named::Core) => Ok(Place::Resource),
            Some(Named::Extension(extension)) => Ok(Place::Extension(extension)),
            Some(Named::Target(target)) => Ok(Place::Attribute(target)),
            None if foreign(kind, path) => Ok(Place::Foreign),
            None => Err(unknown(path)),
        };
    };
    let list = match attr_path::find(kind, name) {
        Some(Named::Target(target)) => target,
        None if foreign(kind, name) => return Ok(Place::Foreign),
        Some(Named::Core | Named::Extension(_)) | None => return Err(unknown(name)),
    };
    if !list.attribute.multi_valued || list.sub.is_some() {
        return Err(ScimError::invalid_path(format!("{} is not a list; brackets need one.", list.name())));
    }
    let (expr, rest) = filter::bracket(behind)?;
    let part = match rest.strip_prefix('.') {
        None if rest.is_empty() => None,
        None => return Err(ScimError::invalid_path("After the closing bracket only a part's name may follow.")),
        Some(part) => Some(list.attribute.sub(part).ok_or_else(|| unknown(part))?),
    };
    let filter = filter::element(list, &expr)?;
    Ok(Place::Elements(Box::new(Elements { list, filter, expr, part })))
}

/// A name below a URN that is no schema of ours: not our attribute, and not a misspelt one.
fn foreign(kind: ResourceKind, name: &str) -> bool {
    let is_urn = name.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("urn:"));
    let ends = name.char_indices().filter(|(_, c)| matches!(c, ':' | '.'));
    is_urn && !ends.into_iter().any(|(at, _)| name.get(..at).is_some_and(|urn| attr_path::find(kind, urn).is_some()))
}

fn unknown(name: &str) -> ScimError {
    let name: String = name.chars().take(120).collect();
    ScimError::invalid_path(format!("No schema of this resource type defines \"{name}\"."))
}

impl Elements {
    /// Whether an element of the list is meant.
    pub(super) fn selects(&self, element: &Value) -> bool {
        element.as_object().is_some_and(|object| self.filter.matches(object))
    }

    /// What a new element must hold so that the filter selects it: the `eq` terms joined by `and`
    /// (R-COMPAT-04). `None` when the filter asks for anything else.
    pub(super) fn stamps(&self) -> Option<Object> {
        let mut stamps = Object::new();
        stamp(self.list.attribute, &self.expr, &mut stamps)?;
        Some(stamps)
    }
}

fn stamp(list: &Attribute, expr: &Expr, stamps: &mut Object) -> Option<()> {
    match expr {
        Expr::And(parts) => parts.iter().try_for_each(|part| stamp(list, part, stamps)),
        Expr::Compare(path, Op::Eq, literal) => {
            let sub = list.sub(path)?;
            let value = match (sub.kind, literal) {
                (Type::Boolean, Literal::Bool(value)) => Value::Bool(*value),
                (Type::Boolean, Literal::String(text)) => Value::Bool(text.eq_ignore_ascii_case("true")),
                (_, Literal::String(text)) => Value::String(text.clone()),
                (_, Literal::Number(number)) => Value::Number(number.clone()),
                (_, Literal::Bool(_) | Literal::Null) => return None,
            };
            match stamps.insert(sub.name.clone(), value.clone()) {
                Some(other) if other != value => None,
                _ => Some(()),
            }
        }
        Expr::Or(_) | Expr::Not(_) | Expr::Present(_) | Expr::Compare(..) | Expr::Element(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::error::ScimType;
    use crate::scim::schema::ENTERPRISE_URN;
    use proptest::prelude::*;

    fn name(path: &str) -> Result<String, ScimError> {
        Ok(match read(ResourceKind::User, path)? {
            Place::Resource => "resource".into(),
            Place::Extension(schema) => schema.id.clone(),
            Place::Attribute(target) => target.name(),
            Place::Elements(e) => format!("{}[{}]{}", e.list.name(), e.expr, e.part.map_or("", |p| &p.name)),
            Place::Foreign => "foreign".into(),
        })
    }

    #[test]
    fn paths() {
        let e = ENTERPRISE_URN;
        for (path, wanted) in [
            ("USERNAME".to_owned(), "userName".to_owned()),
            ("name.familyNAME".into(), "name.familyName".into()),
            (e.into(), e.into()),
            (format!("{e}:manager.value"), format!("{e}:manager.value")),
            (format!("{e}.department"), format!("{e}:department")),
            ("emails[type eq \"work\"]".into(), "emails[type eq \"work\"]".into()),
            ("emails[TYPE EQ \"a]b\"].VALUE".into(), "emails[TYPE eq \"a]b\"]value".into()),
            (
                "urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq \"x\"].value".into(),
                "emails[type eq \"x\"]value".into(),
            ),
            ("urn:ietf:params:scim:schemas:core:2.0:User".into(), "resource".into()),
            ("urn:ietf:params:scim:schemas:extension:Custom:2.0:User:tag".into(), "foreign".into()),
        ] {
            assert_eq!(name(&path).unwrap(), wanted, "{path}");
        }
        for path in [
            "foo",
            "foo.bar",
            "name.foo",
            "name[givenName eq \"x\"]",
            "emails[type eq \"x\"].foo",
            "emails[type eq \"x\"]value",
            "emails[type eq \"x\"].value.x",
            "emails.value[type eq \"x\"]",
            "emails[type eq \"x\"]]",
            "foo[a pr]",
            "[a pr]",
            ".",
            "emails.",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:foo",
        ] {
            assert_eq!(name(path).unwrap_err().scim_type, Some(ScimType::InvalidPath), "{path}");
        }
        for path in [
            "emails[type foo \"x\"]",
            "emails[",
            "emails[]",
            "emails[type eq \"x\"",
            "emails[emails[type pr]]",
            "emails[foo pr]",
        ] {
            assert_eq!(name(path).unwrap_err().scim_type, Some(ScimType::InvalidFilter), "{path}");
        }
    }

    #[test]
    fn t14_deep_paths_are_refused_on_a_small_stack() {
        let run = || {
            for opening in ["(", "not (", "a[", "emails[type pr and ("] {
                for n in [33, 1_000, 100_000] {
                    assert!(read(ResourceKind::User, &format!("emails[{}", opening.repeat(n))).is_err());
                }
            }
        };
        std::thread::Builder::new().stack_size(256 * 1024).spawn(run).unwrap().join().unwrap();
    }

    proptest! {
        #[test]
        fn never_panics(path in any::<String>(), tail in "[a-z.\\[\\]\" ]{0,20}") {
            let _ = name(&path);
            let _ = name(&format!("emails[{tail}"));
            let _ = name(&format!("urn:{path}"));
        }
    }
}
