//! What is indexed of a user. The keys are folded as filters fold, so that both agree.

use serde_json::Value;

use super::error::ScimError;
use super::fold;
use super::resource::Object;

/// The indexed parts of a user's document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserKeys {
    /// As sent.
    pub user_name: String,
    /// Unique in the workspace.
    pub user_name_key: String,
    /// Folded display name.
    pub display_name_key: Option<String>,
    /// As sent; case counts.
    pub external_id: Option<String>,
    /// A user without the attribute is active.
    pub active: bool,
    /// Folded address and folded type (empty without a type), each pair once.
    pub emails: Vec<(String, String)>,
}

/// Take the keys from a stored document.
///
/// # Errors
/// 400 `invalidValue` without a userName.
pub fn keys(document: &Object) -> Result<UserKeys, ScimError> {
    let text = |name: &str| document.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    let user_name = text("userName").ok_or_else(|| ScimError::invalid_value("userName is required."))?;
    let mut emails: Vec<(String, String)> = Vec::new();
    for email in document.get("emails").and_then(Value::as_array).into_iter().flatten() {
        let part = |name: &str| email.get(name).and_then(Value::as_str).unwrap_or_default();
        if part("value").is_empty() {
            continue;
        }
        let pair = (fold::text(part("value")), fold::text(part("type")));
        if !emails.contains(&pair) {
            emails.push(pair);
        }
    }
    Ok(UserKeys {
        user_name: user_name.to_owned(),
        user_name_key: fold::user_name(user_name),
        display_name_key: text("displayName").map(fold::text),
        external_id: text("externalId").map(str::to_owned),
        active: document.get("active").and_then(Value::as_bool).unwrap_or(true),
        emails,
    })
}
