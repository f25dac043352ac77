//! A filter with its names looked up for one resource type: what `store` translates and what is
//! evaluated. Types are checked here, so evaluation cannot fail.

use super::ast::{Expr, Op};
use crate::base::clock::Micros;
use crate::scim::attr_path::Target;
use crate::scim::error::ScimError;
use crate::scim::resource::Object;
use crate::scim::schema::{Attribute, ResourceKind};

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
    /// One element of the list matches the inner test.
    Element(Target, Box<Test>),
}

/// A filter ready to evaluate or translate.
#[derive(Debug, Clone)]
pub struct Resolved {
    root: Test,
    /// Set for a filter over the elements of one list: the tests look into the element itself.
    element_of: Option<&'static Attribute>,
}

impl Resolved {
    /// The tree.
    pub fn root(&self) -> &Test {
        &self.root
    }

    /// Whether the whole resource (with `id`, `meta`, and `groups` or `members` where the filter
    /// names them) matches; for a filter over elements, whether the element does.
    pub fn matches(&self, object: &Object) -> bool {
        super::eval::matches(&self.root, object, self.element_of.is_some())
    }
}

pub(super) fn resource(_kind: ResourceKind, _root: &Expr) -> Result<Resolved, ScimError> {
    Err(ScimError::invalid_filter("Filters cannot be resolved yet."))
}
