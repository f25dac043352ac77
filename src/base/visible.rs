//! Whether a text shows anything to who reads it.

/// Nothing but blanks and characters that no font draws: as empty as no text at all.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c.is_control() || is_unseen(c))
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
    fn what_shows_nothing_is_blank() {
        for text in ["", "  ", "\u{200b}\u{200b}", "\u{202e}", "\u{feff} \u{3164}", "\n\t"] {
            assert!(is_blank(text), "{text:?}");
        }
        for text in ["x", " \u{200b}x", "\u{5de5}"] {
            assert!(!is_blank(text), "{text:?}");
        }
    }
}
