//! The `where` of a mapping: a SCIM filter on the user, read once per batch. A filter that cannot
//! be read any more admits nobody new and is reported; it never admits everybody.

use crate::scim::error::ScimError;
use crate::scim::filter::{Filter, Resolved};
use crate::scim::resource::Object;
use crate::scim::schema::ResourceKind;

/// Whom of its subject a mapping means.
#[derive(Clone, Debug)]
pub enum Scope {
    /// Everybody.
    Everybody,
    /// Users this filter matches.
    Matching(Box<Resolved>),
    /// The stored filter cannot be read: nobody.
    Unreadable,
}

impl Scope {
    /// Read a `where` as written.
    ///
    /// # Errors
    /// [`ScimError`] (`invalidFilter`) that names what is wrong.
    pub fn parse(text: Option<&str>) -> Result<Self, ScimError> {
        match text.map(str::trim).filter(|text| !text.is_empty()) {
            None => Ok(Self::Everybody),
            Some(text) => Ok(Self::Matching(Box::new(Filter::parse(text)?.resolve(ResourceKind::User)?))),
        }
    }

    /// Read a stored `where`.
    pub fn stored(text: Option<&str>) -> Self {
        Self::parse(text).unwrap_or(Self::Unreadable)
    }

    /// Whether it admits the user with this document.
    pub fn admits(&self, document: &Object) -> bool {
        match self {
            Self::Everybody => true,
            Self::Matching(filter) => filter.matches(document),
            Self::Unreadable => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_admits_by_filter_and_never_by_accident() {
        let serde_json::Value::Object(ann) = serde_json::json!({"userName": "ann", "userType": "Employee"}) else {
            panic!("an object");
        };
        assert!(Scope::parse(None).unwrap().admits(&ann));
        assert!(Scope::parse(Some("  ")).unwrap().admits(&ann));
        assert!(Scope::parse(Some(r#"userType eq "Employee""#)).unwrap().admits(&ann));
        assert!(!Scope::parse(Some(r#"userType eq "Contractor""#)).unwrap().admits(&ann));
        assert!(Scope::parse(Some("userType eq")).is_err());
        assert!(!Scope::stored(Some("userType eq")).admits(&ann));
    }
}
