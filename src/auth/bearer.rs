//! The `Authorization` header: `Bearer <token>` with the scheme in any case, or, as Okta may send
//! it, the bare token as typed. Anything else is refused (threat T-05).

use super::AuthError;

/// The token in the request's `Authorization` headers, in the order received.
///
/// # Errors
/// [`AuthError::Missing`] without a header, [`AuthError::Malformed`] for an empty, blank or
/// repeated one, for bytes outside ASCII and for any other scheme.
pub fn token<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<&'a str, AuthError> {
    let first = values.next().ok_or(AuthError::Missing)?;
    if values.next().is_some() {
        return Err(AuthError::Malformed);
    }
    let text = std::str::from_utf8(first).map_err(|_| AuthError::Malformed)?;
    let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
    let token = match (words.next(), words.next(), words.next()) {
        (Some(scheme), Some(token), None) if scheme.eq_ignore_ascii_case("bearer") => token,
        (Some(token), None, None) if !token.eq_ignore_ascii_case("bearer") => token,
        _ => return Err(AuthError::Malformed),
    };
    if token.bytes().all(|b| b.is_ascii_graphic()) { Ok(token) } else { Err(AuthError::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&[u8]]) -> Option<String> {
        token(values.iter().copied()).ok().map(str::to_owned)
    }

    #[test]
    fn bearer_in_any_case_or_bare() {
        for good in ["Bearer abc", "bearer abc", "BEARER   abc", "  Bearer\tabc  ", "abc", " abc "] {
            assert_eq!(read(&[good.as_bytes()]).as_deref(), Some("abc"), "{good:?}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in ["", " ", "\t", "Bearer", "Bearer ", "bearer  ", "Basic abc", "Bearer a b", "a b", "Bearer \u{e4}"] {
            assert_eq!(read(&[bad.as_bytes()]), None, "{bad:?}");
        }
        assert_eq!(read(&[b"Bearer \xff\xfe"]), None);
        assert_eq!(read(&[b"Bearer abc", b"Bearer abc"]), None);
        assert_eq!(read(&[b"", b"Bearer abc"]), None);
        assert!(matches!(token([].into_iter()), Err(AuthError::Missing)));
    }
}
