//! `docs/hubs.md` says which test shows which rule. Held against the tests there are, so that it
//! stays true.

use std::collections::BTreeSet;
use std::path::Path;

/// All functions of the tests, by name, and their files.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.insert(path.file_stem().unwrap().to_string_lossy().into_owned());
            let text = std::fs::read_to_string(&path).unwrap();
            found.extend(
                text.lines()
                    .filter_map(|line| line.trim_start().trim_start_matches("async ").strip_prefix("fn "))
                    .filter_map(|rest| rest.split(['(', '<']).next())
                    .map(str::to_owned),
            );
        }
    }
}

#[test]
fn the_table_of_rules_names_every_rule_and_only_tests_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut there = BTreeSet::new();
    for folder in ["tests/it", "src"] {
        tests(&root.join(folder), &mut there);
    }
    let table = std::fs::read_to_string(root.join("docs/hubs.md")).unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let mut listed = BTreeSet::new();
    for row in &rows {
        let [rule, _, named, result] = row[..] else { panic!("four columns: {row:?}") };
        listed.insert(rule.to_owned());
        let names: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
        for name in &names {
            assert!(there.contains(*name), "{rule}: there is no test {name}");
        }
        // A rule without a test says why.
        let header = rule == "rule" || rule.starts_with("---");
        assert!(header || !names.is_empty() || result.starts_with("left out: "), "{row:?}");
    }
    for (section, last) in [(4, 13), (5, 17), (6, 8), (7, 10), (9, 4)] {
        for number in 1..=last {
            let rule = format!("R{section}.{number}");
            assert!(listed.contains(&rule), "{rule} is missing in docs/hubs.md");
        }
    }
}
