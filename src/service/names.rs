//! What people may call workspaces, sources and tokens.

use super::ServiceError;

/// Check a name: 1 to 64 characters of letters, digits, `-`, `_` and `.`. Names stand in files,
/// on command lines and in messages, so they stay plain.
///
/// # Errors
/// [`ServiceError::Invalid`] with the rule.
pub fn check(what: &str, name: &str) -> Result<(), ServiceError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=64).contains(&name.len()) && name.chars().all(plain) {
        return Ok(());
    }
    Err(ServiceError::Invalid(format!("the name of {what} has 1 to 64 characters of a-z, A-Z, 0-9, '-', '_' and '.'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for good in ["a", "okta-prod", "A.b_c", &"a".repeat(64)] {
            assert!(check("a source", good).is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "ä", "a/b", "a\u{0}", &"a".repeat(65)] {
            assert!(check("a source", bad).is_err(), "{bad:?}");
        }
    }
}
