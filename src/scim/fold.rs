//! Preparing text for comparison (RFC 7644 sections 5 and 7.8): compatibility forms composed,
//! case removed. Used for keys in the database and for filters alike, so that both agree.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};

/// The key of a userName: NFKC, then lower case (as RFC 8265 prepares names that ignore case).
pub fn user_name(text: &str) -> String {
    text_cow(text).into_owned()
}

/// The key of an e-mail address; mailboxes are compared without case, as every app does.
pub fn email(text: &str) -> String {
    text_cow(text.trim()).into_owned()
}

/// The key of any text whose attribute is not case-exact.
pub fn text(text: &str) -> String {
    text_cow(text).into_owned()
}

/// Like [`text`], without a copy where the text is its own key.
pub fn text_cow(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Cow::Owned(text.to_ascii_lowercase());
        }
        return Cow::Borrowed(text);
    }
    let composed: String = text.nfkc().collect();
    // Lower case writes a sigma at a word's end in its final form; a key must not depend on the
    // place, or a prefix or part of a text would not be found in it.
    let lower = composed.to_lowercase().replace('\u{3c2}', "\u{3c3}");
    // Lower case may leave a composed form; one more pass makes the key a fixed point.
    if is_nfkc_quick(lower.chars()) == IsNormalized::Yes {
        Cow::Owned(lower)
    } else {
        Cow::Owned(lower.nfkc().collect())
    }
}

/// The form in which case-exact text is compared: composed (NFC), nothing else changed.
pub fn exact(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// The key of an attribute name or URN: ASCII without case (RFC 7643 section 2.1).
pub fn name(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms_of_one_name_have_one_key() {
        assert_eq!(user_name("BJensen"), user_name("bjensen"));
        assert_eq!(user_name("\u{ff22}jensen"), "bjensen"); // full width
        assert_eq!(user_name("Jos\u{e9}"), user_name("JOSE\u{301}"));
        assert_eq!(email(" Ann@Example.COM "), "ann@example.com");
        assert_eq!(exact("Jose\u{301}"), "Jos\u{e9}");
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(s in any::<String>()) {
            let once = text(&s);
            prop_assert_eq!(text(&once), once);
        }
    }

    #[test]
    fn a_sigma_has_one_key_wherever_it_stands() {
        let whole = text("\u{39f}\u{394}\u{39f}\u{3a3}\u{391}");
        assert!(whole.starts_with(&text("\u{39f}\u{394}\u{39f}\u{3a3}")), "sw finds what it names");
        assert!(text("\u{39f}\u{394}\u{39f}\u{3a3}").contains(&text("\u{3a3}")), "co finds what it names");
        assert_eq!(user_name("\u{3c2}"), user_name("\u{3a3}"));
    }
}
