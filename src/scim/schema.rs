//! The typed view of `scim-schemas/`: what each attribute is and what a client may do with it
//! (RFC 7643 sections 2 and 7, with the errata). Parsed once; what is published is what is enforced.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use super::fold;

/// URN of the core user schema.
pub const USER_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// URN of the core group schema.
pub const GROUP_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// URN of the enterprise extension.
pub const ENTERPRISE_URN: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

const COMMON: &str = include_str!("../../scim-schemas/Common.json");
const USER: &str = include_str!("../../scim-schemas/User.json");
const GROUP: &str = include_str!("../../scim-schemas/Group.json");
const ENTERPRISE: &str = include_str!("../../scim-schemas/EnterpriseUser.json");

/// The resource types the server holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// A person's account.
    User,
    /// A named set of users.
    Group,
}

impl ResourceKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::User, Self::Group];

    /// Name of the resource type, as in `meta.resourceType`.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// Path below the base URL.
    pub fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
        }
    }

    /// URN of the base schema.
    pub fn urn(self) -> &'static str {
        match self {
            Self::User => USER_URN,
            Self::Group => GROUP_URN,
        }
    }
}

/// Data types (RFC 7643 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names of the RFC")]
pub enum Type {
    String,
    Boolean,
    Decimal,
    Integer,
    DateTime,
    Binary,
    Reference,
    Complex,
}

/// Who may write (RFC 7643 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names of the RFC")]
pub enum Mutability {
    ReadOnly,
    #[default]
    ReadWrite,
    Immutable,
    WriteOnly,
}

/// When a value is in an answer (RFC 7643 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names of the RFC")]
pub enum Returned {
    Always,
    Never,
    #[default]
    Default,
    Request,
}

/// One attribute with its characteristics; what is not stated defaults as R-CHAR-01 says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    /// Name in the schema's spelling.
    pub name: String,
    /// Data type.
    #[serde(rename = "type", default = "string")]
    pub kind: Type,
    /// A list of values.
    #[serde(default)]
    pub multi_valued: bool,
    /// Must have a value.
    #[serde(default)]
    pub required: bool,
    /// Case counts in comparisons.
    #[serde(default)]
    pub case_exact: bool,
    /// Who may write.
    #[serde(default)]
    pub mutability: Mutability,
    /// When it is in an answer.
    #[serde(default)]
    pub returned: Returned,
    /// Parts of a complex attribute.
    #[serde(default, rename = "subAttributes")]
    pub subs: Vec<Attribute>,
    #[serde(skip)]
    index: HashMap<String, usize>,
}

fn string() -> Type {
    Type::String
}

impl Attribute {
    /// The part of that name, whatever its case.
    pub fn sub(&self, name: &str) -> Option<&Attribute> {
        self.index.get(fold::name(name).as_ref()).and_then(|i| self.subs.get(*i))
    }

    /// Whether the parts of this attribute are a list's elements or an object's members.
    pub fn is_complex(&self) -> bool {
        self.kind == Type::Complex
    }

    fn prepare(&mut self) {
        for sub in &mut self.subs {
            sub.prepare();
        }
        self.index = index(&self.subs);
    }
}

fn index(attributes: &[Attribute]) -> HashMap<String, usize> {
    attributes.iter().enumerate().map(|(i, a)| (fold::name(&a.name).into_owned(), i)).collect()
}

/// A schema: attributes under one URN.
#[derive(Debug, Deserialize)]
pub struct Schema {
    /// The URN.
    pub id: String,
    /// Its attributes, in the document's order.
    pub attributes: Vec<Attribute>,
    #[serde(skip)]
    index: HashMap<String, usize>,
}

impl Schema {
    /// The attribute of that name, whatever its case.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.index.get(fold::name(name).as_ref()).and_then(|i| self.attributes.get(*i))
    }

    fn prepare(&mut self) {
        for attribute in &mut self.attributes {
            attribute.prepare();
        }
        self.index = index(&self.attributes);
    }
}

/// What a resource of one kind may hold.
#[derive(Debug)]
pub struct ResourceSchema {
    /// Base schema and common attributes together.
    pub core: Schema,
    /// Extensions; none of them is required.
    pub extensions: Vec<Schema>,
}

/// A schema a URN in a request stands for.
#[derive(Debug, Clone, Copy)]
pub enum UrnOf {
    /// The base schema of the kind.
    Core,
    /// One of its extensions.
    Extension(&'static Schema),
}

/// All schemas of the server.
#[derive(Debug)]
pub struct Schemas {
    user: ResourceSchema,
    group: ResourceSchema,
    published: Vec<Value>,
}

impl Schemas {
    /// The built-in ones, parsed on first use.
    pub fn standard() -> &'static Schemas {
        static STANDARD: OnceLock<Schemas> = OnceLock::new();
        STANDARD.get_or_init(|| Schemas {
            user: ResourceSchema { core: with_common(USER), extensions: vec![parse(ENTERPRISE)] },
            group: ResourceSchema { core: with_common(GROUP), extensions: Vec::new() },
            published: [USER, GROUP, ENTERPRISE].iter().map(|text| parse_value(text)).collect(),
        })
    }

    /// What a resource of this kind may hold.
    pub fn of(&self, kind: ResourceKind) -> &ResourceSchema {
        match kind {
            ResourceKind::User => &self.user,
            ResourceKind::Group => &self.group,
        }
    }

    /// The documents of `/Schemas`, without `meta`.
    pub fn published(&self) -> &[Value] {
        &self.published
    }
}

/// Which schema of `kind` a URN names, whatever its case. OneLogin still sends the names of a
/// draft (`urn:scim:schemas:core:2.0`), so those are known too.
pub fn by_urn(kind: ResourceKind, urn: &str) -> Option<UrnOf> {
    let folded = fold::name(urn);
    let schemas = Schemas::standard().of(kind);
    if folded.eq_ignore_ascii_case(kind.urn()) {
        return Some(UrnOf::Core);
    }
    for extension in &schemas.extensions {
        if folded.eq_ignore_ascii_case(&extension.id) {
            return Some(UrnOf::Extension(extension));
        }
    }
    match folded.as_ref() {
        "urn:scim:schemas:core:2.0" | "urn:scim:schemas:core:1.0" => Some(UrnOf::Core),
        "urn:scim:schemas:core:2.0:user" if kind == ResourceKind::User => Some(UrnOf::Core),
        "urn:scim:schemas:core:2.0:group" if kind == ResourceKind::Group => Some(UrnOf::Core),
        "urn:scim:schemas:extension:enterprise:2.0"
        | "urn:scim:schemas:extension:enterprise:1.0"
        | "urn:scim:schemas:extension:enterprise:2.0:user" => schemas.extensions.first().map(UrnOf::Extension),
        _ => None,
    }
}

#[expect(clippy::expect_used, reason = "compiled-in documents; a test reads them all")]
fn parse_value(text: &str) -> Value {
    serde_json::from_str(text).expect("a compiled-in schema is JSON")
}

#[expect(clippy::expect_used, reason = "compiled-in documents; a test reads them all")]
fn parse(text: &str) -> Schema {
    let mut schema: Schema = serde_json::from_str(text).expect("a compiled-in schema is well formed");
    schema.prepare();
    schema
}

fn with_common(text: &str) -> Schema {
    let mut common = parse(COMMON);
    let own = parse(text);
    common.id = own.id;
    common.attributes.extend(own.attributes);
    common.prepare();
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        let user = Schemas::standard().of(ResourceKind::User);
        assert_eq!(user.core.attribute("USERNAME").unwrap().name, "userName");
        assert_eq!(user.core.attribute("meta").unwrap().sub("LASTMODIFIED").unwrap().kind, Type::DateTime);
        assert_eq!(user.core.attribute("emails").unwrap().sub("type").unwrap().name, "type");
        assert!(matches!(by_urn(ResourceKind::User, &ENTERPRISE_URN.to_uppercase()), Some(UrnOf::Extension(_))));
        assert!(by_urn(ResourceKind::Group, ENTERPRISE_URN).is_none());
        assert!(matches!(by_urn(ResourceKind::Group, "urn:scim:schemas:core:2.0"), Some(UrnOf::Core)));
    }

    #[test]
    fn the_errata_are_in() {
        let schemas = Schemas::standard();
        let group = schemas.of(ResourceKind::Group);
        assert!(group.core.attribute("displayName").unwrap().required);
        let user = schemas.of(ResourceKind::User);
        assert!(user.core.attribute("profileUrl").unwrap().case_exact);
        let enterprise = &user.extensions[0];
        for (attribute, sub) in [("groups", "value"), ("groups", "$ref")] {
            assert!(user.core.attribute(attribute).unwrap().sub(sub).unwrap().case_exact);
        }
        assert!(group.core.attribute("members").unwrap().sub("value").unwrap().case_exact);
        assert!(enterprise.attribute("manager").unwrap().sub("value").unwrap().case_exact);
        assert_eq!(user.core.attribute("password").unwrap().returned, Returned::Never);
        for document in schemas.published() {
            check_references(&document["attributes"]);
        }
    }

    fn check_references(attributes: &Value) {
        for attribute in attributes.as_array().unwrap() {
            if attribute["type"] == "reference" {
                assert!(attribute["referenceTypes"].is_array(), "{attribute}");
                assert_eq!(attribute["caseExact"], true);
            }
            if attribute["type"] == "complex" {
                assert!(!attribute["subAttributes"].as_array().unwrap().is_empty());
                check_references(&attribute["subAttributes"]);
            }
            for key in
                ["name", "type", "multiValued", "description", "required", "mutability", "returned", "uniqueness"]
            {
                assert!(!attribute[key].is_null(), "{key} of {attribute}");
            }
        }
    }

    #[test]
    fn entra_needs_canonical_types() {
        let user = &Schemas::standard().published()[0];
        for name in ["emails", "phoneNumbers", "addresses"] {
            let attribute = user["attributes"].as_array().unwrap().iter().find(|a| a["name"] == name).unwrap();
            let subs = attribute["subAttributes"].as_array().unwrap();
            let kind = subs.iter().find(|a| a["name"] == "type").unwrap();
            assert!(kind["canonicalValues"].as_array().unwrap().iter().any(|v| v == "work"), "{name}");
        }
    }
}
