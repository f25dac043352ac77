//! Attribute names as clients write them: any case, with or without a schema URN, with `.sub`.
//! The one place where such a name becomes an attribute; filters, PATCH and projection all ask here.

use super::schema::{self, Attribute, ResourceKind, Schema, Schemas, UrnOf};

/// An attribute of a resource, and the part of it that is meant.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The extension object it is in; `None` for the top level.
    pub extension: Option<&'static Schema>,
    /// The attribute.
    pub attribute: &'static Attribute,
    /// The part of a complex attribute.
    pub sub: Option<&'static Attribute>,
}

impl Target {
    /// The canonical name: `userName`, `name.givenName`, `urn:…:User:manager.value`.
    pub fn name(&self) -> String {
        let mut name = String::new();
        if let Some(extension) = self.extension {
            name.push_str(&extension.id);
            name.push(':');
        }
        name.push_str(&self.attribute.name);
        if let Some(sub) = self.sub {
            name.push('.');
            name.push_str(&sub.name);
        }
        name
    }

    /// Whether this is that top-level attribute (canonical spelling), with that part.
    pub fn is(&self, attribute: &str, sub: Option<&str>) -> bool {
        self.extension.is_none() && self.attribute.name == attribute && self.sub.map(|s| s.name.as_str()) == sub
    }

    /// The attribute whose type, case rule and mutability count: the part if there is one.
    pub fn leaf(&self) -> &'static Attribute {
        self.sub.unwrap_or(self.attribute)
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub enum Named {
    /// A whole extension object.
    Extension(&'static Schema),
    /// The core schema's URN alone: the resource itself.
    Core,
    /// An attribute.
    Target(Target),
}

/// Find what `name` stands for on a resource of `kind`; `None` when no schema defines it.
pub fn find(kind: ResourceKind, name: &str) -> Option<Named> {
    let starts_urn = name.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("urn:"));
    if !starts_urn {
        return attribute(None, &Schemas::standard().of(kind).core, name).map(Named::Target);
    }
    if let Some(of) = schema::by_urn(kind, name) {
        return Some(match of {
            UrnOf::Core => Named::Core,
            UrnOf::Extension(extension) => Named::Extension(extension),
        });
    }
    // The attribute starts after the last colon, unless a client joined it with a dot
    // (`…:2.0:User.department`, R-COMPAT-07): try every split, longest URN first.
    for (at, mark) in name.char_indices().rev().filter(|(_, c)| matches!(c, ':' | '.')) {
        let (Some(urn), Some(rest)) = (name.get(..at), name.get(at + mark.len_utf8()..)) else { continue };
        match schema::by_urn(kind, urn) {
            Some(UrnOf::Core) => {
                return attribute(None, &Schemas::standard().of(kind).core, rest).map(Named::Target);
            }
            Some(UrnOf::Extension(extension)) => {
                return attribute(Some(extension), extension, rest).map(Named::Target);
            }
            None => {}
        }
    }
    None
}

fn attribute(extension: Option<&'static Schema>, schema: &'static Schema, name: &str) -> Option<Target> {
    match name.split_once('.') {
        None => Some(Target { extension, attribute: schema.attribute(name)?, sub: None }),
        Some((name, sub)) => {
            let attribute = schema.attribute(name)?;
            Some(Target { extension, attribute, sub: Some(attribute.sub(sub)?) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(kind: ResourceKind, text: &str) -> Option<String> {
        match find(kind, text)? {
            Named::Target(target) => Some(target.name()),
            Named::Extension(schema) => Some(format!("<{}>", schema.id)),
            Named::Core => Some("<core>".into()),
        }
    }

    #[test]
    fn names() {
        let e = schema::ENTERPRISE_URN;
        for (text, wanted) in [
            ("USERNAME".to_owned(), Some("userName".to_owned())),
            ("name.GivenName".into(), Some("name.givenName".into())),
            ("urn:ietf:params:scim:schemas:core:2.0:User:userName".into(), Some("userName".into())),
            ("URN:IETF:PARAMS:SCIM:SCHEMAS:CORE:2.0:USER:NAME.FAMILYNAME".into(), Some("name.familyName".into())),
            (format!("{e}:department"), Some(format!("{e}:department"))),
            (format!("{e}.department"), Some(format!("{e}:department"))),
            (format!("{e}:manager.value"), Some(format!("{e}:manager.value"))),
            (format!("{e}.manager.value"), Some(format!("{e}:manager.value"))),
            ("urn:scim:schemas:extension:enterprise:2.0:department".into(), Some(format!("{e}:department"))),
            (e.into(), Some(format!("<{e}>"))),
            ("urn:ietf:params:scim:schemas:core:2.0:User".into(), Some("<core>".into())),
            ("department".into(), None),
            ("name.nope".into(), None),
            ("userName.x".into(), None),
            ("name.givenName.x".into(), None),
            ("urn:x:y".into(), None),
            ("urn:".into(), None),
            ("".into(), None),
        ] {
            assert_eq!(name(ResourceKind::User, &text), wanted, "{text}");
        }
    }
}
