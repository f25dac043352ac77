//! "Did you mean": the known word that takes the fewest changes of letters.

/// Of a longer word only so many characters are compared: it is somebody else's text.
const COMPARED: usize = 64;

/// The nearest of `known`, without regard to case, `-` and `_`; none where even that is too far to be
/// meant.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = plain(word);
    let (distance, best) = known.iter().map(|k| (strsim::osa_distance(&word, &plain(k)), *k)).min()?;
    (distance <= (best.len() / 3).max(1)).then_some(best)
}

/// "did you mean 'x'?", or the whole list where nothing is near.
pub fn hint(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(near) => format!("did you mean '{near}'?"),
        None if known.is_empty() => String::from("there are none"),
        None => format!("there are {}", quoted(known)),
    }
}

/// `'a', 'b'`.
pub fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ")
}

fn plain(word: &str) -> String {
    word.chars().take(COMPARED).map(|c| if c == '-' { '_' } else { c }).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_are_recognised() {
        let known = ["listen", "database", "public_url", "key_file"];
        assert_eq!(nearest("lisen", &known), Some("listen"));
        assert_eq!(nearest("Public-URL", &known), Some("public_url"));
        assert_eq!(nearest("databse", &known), Some("database"));
        assert_eq!(nearest("colour", &known), None);
    }

    #[test]
    fn a_near_word_is_offered_and_else_all() {
        assert_eq!(hint("lable", &["label", "login", "mode"]), "did you mean 'label'?");
        assert_eq!(hint("zzz", &["label", "login"]), "there are 'label', 'login'");
        assert_eq!(hint("zzz", &[]), "there are none");
    }
}
