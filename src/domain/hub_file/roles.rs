//! `[[role_mapping]]`: groups of the identity provider whose members have a workspace role
//! (business-hubs.md section 3.1), as files declare them beside hubs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::read_mappings::subject;
use super::table::{Fields, Reader, wrong_type};
use super::write::quoted;
use super::{Identity, Place, Problem, identity, subject_text};
use crate::domain::mapping::SubjectName;
use crate::domain::rights::Role;

/// The table's name in a file.
pub(super) const SECTION: &str = "role_mapping";
const KEYS: [&str; 5] = ["group", "group_id", "external_id", "source", "role"];

/// A group that gives its members a role, as a file declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleDecl {
    /// Where.
    pub place: Place,
    /// The group.
    pub subject: SubjectName,
    /// The source's name, where a group's name exists in more than one.
    pub source: Option<String>,
    /// The role; never the Owner's.
    pub role: Role,
}

/// The role mappings of all files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleSection {
    /// Whether a file has the section at all, also with nothing in it: only then is what nobody manages, and
    /// no file names, the files' business.
    pub present: bool,
    /// In the order of the files.
    pub declared: Vec<RoleDecl>,
}

impl RoleDecl {
    fn identity(&self) -> Identity {
        identity(&self.subject, self.source.as_deref(), None)
    }
}

/// The role mappings of one file; what else stands in it is read elsewhere.
///
/// # Errors
/// All their mistakes, by line.
pub fn read_roles(file: &str, text: &str) -> Result<RoleSection, Vec<Problem>> {
    let mut reader = Reader::new(file, text);
    // Broken text is told by who reads the hubs.
    let (document, _) = DeTable::parse_recoverable(text);
    let top = Fields::of(&mut reader, document.get_ref(), &document.span(), "the file", &super::read::SECTIONS);
    let present = top.get(SECTION).is_some();
    let mut declared = Vec::new();
    for item in top.list(&mut reader, SECTION) {
        match item.get_ref() {
            DeValue::Table(table) => declared.extend(one(&mut reader, table, &item.span())),
            other => {
                reader.say(item.span().start, wrong_type(SECTION, "a table [[role_mapping]]", other));
            }
        }
    }
    reader.problems.sort();
    if reader.problems.is_empty() { Ok(RoleSection { present, declared }) } else { Err(reader.problems) }
}

fn one(reader: &mut Reader<'_>, table: &DeTable<'_>, span: &Range<usize>) -> Option<RoleDecl> {
    let fields = Fields::of(reader, table, span, "a role mapping", &KEYS);
    if fields.get("user").is_some() {
        return None;
    }
    let subject = subject(reader, &fields);
    let source = fields.text(reader, "source").map(|source| source.value);
    // The Owner is one and is handed over; no group makes one.
    let words: Vec<(&str, Role)> =
        Role::ALL.into_iter().filter(|role| *role != Role::Owner).map(|role| (role.as_str(), role)).collect();
    if fields.get("role").is_none() {
        reader.say(fields.offset, "role is missing; add a line like role = \"admin\"");
    }
    let role = fields.word(reader, "role", &words);
    Some(RoleDecl {
        place: Place { file: reader.file.to_owned(), line: reader.line(fields.offset) },
        subject: subject?,
        source,
        role: role?.value,
    })
}

/// All files' together: a group stands in them once.
///
/// # Errors
/// One problem for each repetition, naming the first place.
pub fn together_roles(sections: Vec<RoleSection>) -> Result<RoleSection, Vec<Problem>> {
    let mut all = RoleSection::default();
    let mut first: BTreeMap<Identity, Place> = BTreeMap::new();
    let mut problems = Vec::new();
    for section in sections {
        all.present |= section.present;
        for decl in section.declared {
            if let Some(place) = first.get(&decl.identity()) {
                problems.push(Problem {
                    file: decl.place.file.clone(),
                    line: decl.place.line,
                    message: format!(
                        "{} gives a role at {place} already; keep one of them",
                        subject_text(&decl.subject)
                    ),
                });
                continue;
            }
            first.insert(decl.identity(), decl.place.clone());
            all.declared.push(decl);
        }
    }
    problems.sort();
    if problems.is_empty() { Ok(all) } else { Err(problems) }
}

/// Write them as a file has them.
pub fn write_roles(declared: &[RoleDecl]) -> String {
    let mut out = String::new();
    for (index, decl) in declared.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let (key, name) = match &decl.subject {
            SubjectName::Group(name) => ("group", name.clone()),
            SubjectName::GroupId(id) => ("group_id", id.to_string()),
            SubjectName::GroupExternalId(id) => ("external_id", id.clone()),
            // No person stands here: the reader takes none.
            SubjectName::User(_) => continue,
        };
        let _ = writeln!(out, "[[{SECTION}]]");
        let _ = writeln!(out, "{key} = {}", quoted(&name));
        if let Some(source) = &decl.source {
            let _ = writeln!(out, "source = {}", quoted(source));
        }
        let _ = writeln!(out, "role = {}", quoted(decl.role.as_str()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[[role_mapping]]\ngroup = 'it \"admins\"'\nsource = \"okta\"\nrole = \"admin\"\n\n\
                        [[role_mapping]]\nexternal_id = \"00g1\"\nrole = \"auditor\"\n";

    #[test]
    fn they_are_read_and_written_back() {
        let section = read_roles("r.toml", GOOD).unwrap();
        assert!(section.present && section.declared.len() == 2 && section.declared[1].place.line == 6, "{section:?}");
        assert_eq!(write_roles(&section.declared), GOOD);
        assert_eq!(read_roles("r.toml", "").unwrap(), RoleSection::default());
        assert!(read_roles("r.toml", "role_mapping = []\n").unwrap().present);
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        for (text, line, part) in [
            ("[[role_mapping]]\nrole = \"admin\"\n", 1, "needs a subject"),
            ("[[role_mapping]]\ngroup = \"g\"\n", 1, "role is missing"),
            ("[[role_mapping]]\ngroup = \"g\"\nrole = \"owner\"\n", 3, "role cannot be 'owner'"),
            ("[[role_mapping]]\ngroup = \"g\"\nrole = \"amdin\"\n", 3, "did you mean 'admin'"),
            ("[[role_mapping]]\nuser = \"ann\"\nrole = \"admin\"\n", 2, "no key 'user'"),
            ("[[role_mapping]]\ngroup = \"g\"\ngroup_id = \"x\"\nrole = \"user\"\n", 1, "one subject"),
            ("role_mapping = [1]\n", 1, "a table [[role_mapping]]"),
            ("role_mapping = 1\n", 1, "a list"),
        ] {
            let problems = read_roles("r.toml", text).unwrap_err();
            let told = |one: &Problem| one.line == line && one.message.contains(part);
            assert!(problems.iter().any(told), "{text}: {problems:?}");
        }
        let section = || read_roles("r.toml", "[[role_mapping]]\ngroup = \"G\"\nrole = \"user\"\n").unwrap();
        let other = read_roles("s.toml", "\n[[role_mapping]]\ngroup = \"g\"\nrole = \"admin\"\n").unwrap();
        let twice = together_roles(vec![section(), other]).unwrap_err();
        assert_eq!(twice[0].to_string(), "s.toml:2: group g gives a role at r.toml:1 already; keep one of them");
        assert_eq!(together_roles(vec![section(), RoleSection::default()]).unwrap(), section());
    }
}
