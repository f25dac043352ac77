//! What is indexed of a group.

use serde_json::Value;

use super::error::ScimError;
use super::fold;
use super::resource::Object;

/// The indexed parts of a group's document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupKeys {
    /// As sent.
    pub display_name: String,
    /// Folded.
    pub display_name_key: String,
    /// As sent; case counts.
    pub external_id: Option<String>,
}

/// Take the keys from a stored document.
///
/// # Errors
/// 400 `invalidValue` without a displayName.
pub fn keys(document: &Object) -> Result<GroupKeys, ScimError> {
    let text = |name: &str| document.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    let display_name = text("displayName").ok_or_else(|| ScimError::invalid_value("displayName is required."))?;
    Ok(GroupKeys {
        display_name: display_name.to_owned(),
        display_name_key: fold::text(display_name),
        external_id: text("externalId").map(str::to_owned),
    })
}
