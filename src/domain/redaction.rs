//! Taking a person out of texts that others wrote: which words are theirs beyond doubt, where they
//! stand, and what is written instead.

use std::collections::BTreeSet;

/// What stands where a person stood.
pub const ERASED: &str = "erased";
/// Shorter words are everybody's: a userName `bob` or an account `42` in somebody else's note is left.
const LEAST: usize = 6;

/// What a person is called outside: names, addresses, and the ids that other systems gave them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// UserNames, addresses and display names, as they were written.
    pub called: BTreeSet<String>,
    /// `externalId` of the identity provider, and accounts' ids in apps.
    pub ids: BTreeSet<String>,
}

impl Names {
    /// Add a name, if it says anything.
    pub fn call(&mut self, name: &str) {
        add(&mut self.called, name);
    }

    /// Add an id of another system, if it says anything.
    pub fn id(&mut self, id: &str) {
        add(&mut self.ids, id);
    }

    /// Take over what another look found.
    pub fn extend(&mut self, more: &Self) {
        self.called.extend(more.called.iter().cloned());
        self.ids.extend(more.ids.iter().cloned());
    }

    /// Whether a whole text is one of them, in any case.
    pub fn is_one(&self, text: &str) -> bool {
        let folded = text.trim().to_lowercase();
        self.called.iter().chain(&self.ids).any(|name| name.to_lowercase() == folded)
    }

    /// What may be looked for inside longer texts: nothing that is also a word of the language.
    pub fn words(&self) -> Vec<&str> {
        let mark = |c: char| !c.is_alphabetic();
        let fits = |name: &&str| name.chars().count() >= LEAST && name.contains(mark);
        self.called.iter().chain(&self.ids).map(String::as_str).filter(fits).collect()
    }

    /// Whether a text names the person.
    pub fn are_in(&self, text: &str) -> bool {
        self.taken_out_of(text).is_some()
    }

    /// The text without the person; `None` where it does not name them.
    pub fn taken_out_of(&self, text: &str) -> Option<String> {
        let mut words: Vec<Vec<char>> = self.words().into_iter().map(folded).collect();
        // The longest first: an address before the userName that it begins with.
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        let (mut out, mut rest, mut before, mut found) = (String::with_capacity(text.len()), text, None, false);
        while let Some(first) = rest.chars().next() {
            let begins = before.is_none_or(|c| !is_part(c) && c != '.');
            let length = words.iter().filter(|_| begins).find_map(|word| length_at(rest, word));
            match length {
                Some(length) => {
                    out.push_str(ERASED);
                    found = true;
                    before = rest.get(..length).and_then(|part| part.chars().next_back());
                    rest = rest.get(length..).unwrap_or_default();
                }
                None => {
                    out.push(first);
                    before = Some(first);
                    rest = rest.get(first.len_utf8()..).unwrap_or_default();
                }
            }
        }
        found.then_some(out)
    }
}

fn add(to: &mut BTreeSet<String>, text: &str) {
    let text = text.trim();
    if !text.is_empty() && text != ERASED {
        to.insert(text.to_owned());
    }
}

fn folded(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Whether a character may belong to a longer name or address.
fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '@')
}

/// How many bytes of the text the word takes at its beginning, where it stands there by itself.
fn length_at(text: &str, word: &[char]) -> Option<usize> {
    let (mut wanted, mut length) = (word.iter(), 0);
    for c in text.chars() {
        if wanted.len() == 0 {
            break;
        }
        for lower in c.to_lowercase() {
            if wanted.next() != Some(&lower) {
                return None;
            }
        }
        length += c.len_utf8();
    }
    let mut after = text.get(length..)?.chars();
    let ends = match after.next() {
        None => true,
        Some('.') => !after.next().is_some_and(char::is_alphanumeric),
        Some(c) => !is_part(c),
    };
    (wanted.len() == 0 && ends).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bob() -> Names {
        let mut names = Names::default();
        for name in ["bob", "bob@example.com", "Bob Bäuer", "", "erased", "Roberto"] {
            names.call(name);
        }
        for id in ["42", "0a1b2c3d-ext"] {
            names.id(id);
        }
        names
    }

    #[test]
    fn a_person_is_taken_out_and_nobody_else() {
        let names = bob();
        for (text, left) in [
            ("gone: bob@example.com.", Some("gone: erased.")),
            ("Bob@Example.com, BOB BÄUER", Some("erased, erased")),
            (r#"{"note":"for Bob Bäuer","of":"0A1B2C3D-ext"}"#, Some(r#"{"note":"for erased","of":"erased"}"#)),
            ("jim.bob@example.com and bob@example.com.au", None),
            ("bob and 42 of Roberto", None),
            ("xbob@example.com bob@example.comx", None),
            ("", None),
        ] {
            assert_eq!(names.taken_out_of(text).as_deref(), left, "{text}");
            assert_eq!(names.are_in(text), left.is_some(), "{text}");
        }
    }

    #[test]
    fn a_whole_text_is_a_name_in_any_case() {
        let names = bob();
        assert!(names.is_one("BOB") && names.is_one(" 42 ") && names.is_one("bob bäuer"));
        assert!(!names.is_one("bobby") && !names.is_one(ERASED) && !names.is_one(""));
        assert_eq!(Names::default().taken_out_of("anything"), None);
    }

    proptest::proptest! {
        #[test]
        fn what_was_taken_out_is_not_found_again(text in ".{0,60}", at in 0_usize..60) {
            let names = bob();
            let mut text = text;
            let place = text.char_indices().map(|(i, _)| i).nth(at).unwrap_or(text.len());
            text.insert_str(place, " bob@example.com ");
            let left = names.taken_out_of(&text);
            proptest::prop_assert!(left.as_ref().is_some_and(|left| !names.are_in(left)), "{:?} of {:?}", left, text);
        }
    }
}
