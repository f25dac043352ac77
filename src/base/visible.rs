//! Whether a text shows anything to who reads it, and whether it reads as what it is.

/// Nothing but blanks and characters that no font draws: as empty as no text at all.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c.is_control() || is_unseen(c))
}

/// Whether a character hides in a text: it turns the direction of what follows, takes no room, or controls
/// a terminal, so that a name with one could read as somebody else's (Unicode TR 36, section 2.6). The two
/// joiners do not: Persian and Indian names and family emoji are written with them; nor do tab and line feed.
pub const fn hides(letter: char) -> bool {
    match letter {
        '\t' | '\n' => false,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        // Direction: marks, embeddings, overrides, isolates.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        // No room taken: soft hyphen, zero-width space, invisible operators, deprecated shapes, tags.
        '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{feff}' => true,
        '\u{2028}' | '\u{2029}' | '\u{180e}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => false,
    }
}

/// Why a name that people give here may not be this one: they read it in lists, mails and terminals, and
/// nobody needs what hides in it. What an identity provider or an app sends is kept as it came, and the
/// page shows such characters by their number.
///
/// # Errors
/// The first character that hides, or that it is more than one line.
pub fn plain_line(text: &str) -> Result<(), String> {
    if text.contains(['\t', '\n']) {
        return Err(String::from("it holds control characters; write it on one line"));
    }
    match text.chars().find(|c| hides(*c)) {
        None => Ok(()),
        Some(c) if c.is_control() => Err(String::from("it holds control characters; write it on one line")),
        Some(c) => Err(format!(
            "it holds U+{:04X}, which does not show and may make it read as another text; leave it out",
            u32::from(c)
        )),
    }
}

/// Zero-width characters, marks of direction, and fillers.
const fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_in_a_name_is_refused_by_its_number() {
        for (text, named) in [
            ("ads\u{202e}gnp", "U+202E"),
            ("a\u{2066}b\u{2069}", "U+2066"),
            ("ad\u{200b}s", "U+200B"),
            ("\u{200f}ads", "U+200F"),
            ("ads\u{e0041}", "U+E0041"),
            ("two\nlines", "one line"),
            ("bell\u{7}", "control"),
        ] {
            let told = plain_line(text).unwrap_err();
            assert!(told.contains(named), "{text:?}: {told}");
        }
        // Hebrew, Persian with a non-joiner, a family of joined emoji, accents.
        for text in [
            "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
            "\u{645}\u{6cc}\u{200c}\u{62e}",
            "\u{1f468}\u{200d}\u{1f469}",
            "Zo\u{eb} & Co",
        ] {
            assert_eq!(plain_line(text), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn what_shows_nothing_is_blank() {
        for text in ["", "  ", "\u{200b}\u{200b}", "\u{202e}", "\u{feff} \u{3164}", "\n\t"] {
            assert!(is_blank(text), "{text:?}");
        }
        for text in ["x", " \u{200b}x", "\u{5de5}"] {
            assert!(!is_blank(text), "{text:?}");
        }
    }
}
