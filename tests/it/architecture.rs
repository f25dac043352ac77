//! The folders are layers: this reads each folder's `crate::` uses and holds them against the
//! table of ARCHITECTURE.md. Changing the table is a visible decision.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Folder, and what it may use besides `base` and itself. `folder::file` allows one file only.
const ALLOWED: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("scim", &[]),
    ("net", &[]),
    ("telemetry", &[]),
    ("config", &[]),
    ("domain", &["scim"]),
    ("store", &["domain", "scim"]),
    ("engine", &["store", "domain"]),
    ("auth", &["store", "domain", "net"]),
    ("tell", &["store", "domain", "net"]),
    ("service", &["store", "domain", "scim"]),
    ("connectors", &["engine::connector", "net", "domain", "scim"]),
    ("http", &["service", "auth", "scim", "telemetry"]),
    ("sandbox", &["scim"]),
    ("simulate", &["net", "scim"]),
    (
        "cli",
        &[
            "http",
            "connectors",
            "engine",
            "service",
            "auth",
            "store",
            "sandbox",
            "simulate",
            "net",
            "tell",
            "config",
            "telemetry",
            "domain",
        ],
    ),
];

/// Crates that may appear in some folders only.
const CONFINED: &[(&str, &[&str])] = &[
    ("diesel", &["store"]),
    ("actix_web", &["http", "sandbox"]),
    ("reqwest", &["net"]),
    ("lettre", &["net"]),
    ("jsonwebtoken", &["auth"]),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a source folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// The first two segments behind every `crate::` outside comments; braces opened.
fn uses(text: &str) -> BTreeSet<(String, String)> {
    let code: String = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for tail in code.split("crate::").skip(1) {
        if let Some(inside) = tail.strip_prefix('{') {
            let inside = inside.split(';').next().unwrap_or_default();
            for part in inside.split(',') {
                let name: String = part.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if ALLOWED.iter().any(|(folder, _)| *folder == name) {
                    found.insert((name, String::new()));
                }
            }
            continue;
        }
        let mut parts =
            tail.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).next().unwrap_or_default().split("::");
        let first = parts.next().unwrap_or_default().to_owned();
        let second = parts.next().unwrap_or_default().to_owned();
        if ALLOWED.iter().any(|(folder, _)| *folder == first) {
            found.insert((first, second));
        }
    }
    found
}

#[test]
fn layers_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let folders: Vec<_> = fs::read_dir(&root).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let Some((_, allowed)) = ALLOWED.iter().find(|(f, _)| *f == name) else {
            wrong.push(format!("src/{name} is not in the table of layers"));
            continue;
        };
        for path in sources(&folder) {
            let text = fs::read_to_string(&path).unwrap();
            let shown = path.strip_prefix(&root).unwrap().display().to_string();
            for (first, second) in uses(&text) {
                let whole = format!("{first}::{second}");
                let fine = first == name || first == "base" || allowed.iter().any(|a| *a == first || *a == whole);
                if !fine {
                    wrong.push(format!("src/{shown} uses crate::{whole}"));
                }
            }
            let code: String =
                text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            for (krate, homes) in CONFINED {
                if code.contains(&format!("{krate}::")) && !homes.contains(&name.as_str()) {
                    wrong.push(format!("src/{shown} uses {krate}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "layers:\n{}", wrong.join("\n"));
}

#[test]
fn a_wrong_use_is_seen() {
    let found = uses(
        "use crate::store::users;\nuse crate::{base::ids, engine};\n// crate::http::x\nlet x = crate::domain::y();",
    );
    let names: Vec<_> = found.iter().map(|(a, b)| format!("{a}::{b}")).collect();
    assert_eq!(names, ["base::", "domain::y", "engine::", "store::users"]);
}
