//! Versions and conditional requests (RFC 7644 section 3.14). Tags are weak because the body of
//! one version may be projected, but a round trip of the tag must work with `If-Match` too.

/// The tag of a version, the same in the `ETag` header and in `meta.version`.
pub fn of(version: i64) -> String {
    format!("W/\"{version}\"")
}

/// A condition from `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Precondition {
    wanted: Wanted,
    any: bool,
    tags: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Match,
    NoMatch,
}

impl Precondition {
    /// Read `If-Match`: `*`, one tag, or a comma list, each with or without `W/`.
    pub fn if_match(header: &str) -> Self {
        Self::read(Wanted::Match, header)
    }

    /// Read `If-None-Match`.
    pub fn if_none_match(header: &str) -> Self {
        Self::read(Wanted::NoMatch, header)
    }

    fn read(wanted: Wanted, header: &str) -> Self {
        let mut tags = Vec::new();
        let mut any = false;
        for part in header.split(',').map(str::trim) {
            if part == "*" {
                any = true;
            } else if !part.is_empty() {
                tags.push(opaque(part).to_owned());
            }
        }
        Self { wanted, any, tags }
    }

    /// Whether the request may go on against this version. An existing resource matches `*`.
    pub fn allows(&self, version: i64) -> bool {
        let current = version.to_string();
        let matched = self.any || self.tags.contains(&current);
        match self.wanted {
            Wanted::Match => matched,
            Wanted::NoMatch => !matched,
        }
    }
}

/// The tag without `W/` and quotes; Entra and Okta never send one, tools send it bare.
fn opaque(tag: &str) -> &str {
    let tag = tag.strip_prefix("W/").or_else(|| tag.strip_prefix("w/")).unwrap_or(tag);
    tag.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        for (header, version, matched) in [
            ("W/\"7\"", 7, true),
            ("\"7\"", 7, true),
            ("7", 7, true),
            ("W/\"6\", W/\"7\"", 7, true),
            ("*", 7, true),
            ("W/\"6\"", 7, false),
            ("", 7, false),
            ("\"x\"", 7, false),
        ] {
            assert_eq!(Precondition::if_match(header).allows(version), matched, "{header}");
            assert_eq!(Precondition::if_none_match(header).allows(version), !matched, "{header}");
        }
        assert_eq!(of(3), "W/\"3\"");
    }
}
