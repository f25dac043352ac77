//! What filters mean, what they refuse, and what they cost.

use std::sync::OnceLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Expr, Filter, Literal, Op};
use crate::base::limits::{FILTER_BYTES, FILTER_DEPTH, FILTER_TERMS};
use crate::scim::error::ScimType;
use crate::scim::schema::ResourceKind;

fn ann() -> &'static Value {
    static ANN: OnceLock<Value> = OnceLock::new();
    ANN.get_or_init(|| {
        json!({
            "id": "7F", "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "Ann", "externalId": "Ex", "title": "100%_*?", "active": true, "displayName": "Jos\u{e9}",
            "name": {"familyName": "OR", "givenName": "a) or (b"}, "profileUrl": "https://x/Ann",
            "emails": [{"type": "work", "value": "a@Example.com", "primary": true}, {"type": "home", "value": "b@x"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Lab", "manager": {"value": "m1"}},
            "meta": {"created": "2026-01-02T08:00:00.500Z", "resourceType": "User"},
        })
    })
}

fn ask(filter: &str) -> Result<bool, crate::scim::error::ScimError> {
    Ok(Filter::parse(filter)?.resolve(ResourceKind::User)?.matches(ann().as_object().unwrap()))
}

#[test]
fn what_matches() {
    for filter in [
        r#"userName eq "ann""#,
        r#"USERNAME EQ "ANN""#,
        r#"userName Eq "ann" AND Title Pr"#,
        r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ann""#,
        r#"URN:IETF:PARAMS:SCIM:SCHEMAS:CORE:2.0:USER:USERNAME eq "ann""#,
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "lab""#,
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "m1""#,
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq "m1""#,
        r#"userName co "nn""#,
        r#"userName co "ann""#,
        r#"userName sw "AN""#,
        r#"userName ew "NN""#,
        r#"title co "100%""#,
        r#"title co "_*?""#,
        r#"title pr"#,
        "name pr",
        "emails pr",
        "emails.value pr",
        r#"userName gt "AM""#,
        r#"userName ge "ann""#,
        r#"userName le "ann""#,
        r#"userName lt "b""#,
        r#"meta.created gt "2026-01-02T07:59:59Z""#,
        r#"meta.created eq "2026-01-02T10:00:00.5+02:00""#,
        r#"meta.created ge "2026-01-02T08:00:00.500Z""#,
        r#"meta.created lt "2026-01-02T08:00:01-00:30""#,
        r#"active eq true"#,
        r#"active eq "True""#,
        r#"active ne false"#,
        r#"userName eq "x" or userName eq "ann" and active eq true"#,
        r#"userName eq "ann" or userName eq "x" and active eq false"#,
        r#"not (userName eq "x")"#,
        r#"not(userName eq "x") and active eq true"#,
        r#"active eq true and not (not (title pr))"#,
        r#"emails[type eq "work" and value ew "example.com"]"#,
        r#"emails[type eq "work"].value eq "A@example.com""#,
        r#"emails[type eq "WORK" and (value co "z" or not (primary eq false))]"#,
        r#"emails[primary eq "True"].value co "a""#,
        r#"emails.type eq "work" and emails.value eq "b@x""#,
        r#"emails co "example.com""#,
        r#"emails eq "B@X""#,
        r#"emails[primary eq false].value eq "b@x""#,
        r#"emails[type ne "work"]"#,
        r#"schemas eq "URN:ietf:params:scim:schemas:core:2.0:User""#,
        r#"nickName ne "x""#,
        r#"not (nickName eq "x")"#,
        r#"nickName eq null"#,
        r#"title ne null"#,
        r#"emails.type ne "other""#,
        r#"name.familyName eq "OR""#,
        r#"name.givenName eq "a) or (b""#,
        r#"displayName eq "JOSE\u0301""#,
        r#"displayName eq "jos\u00e9""#,
        r#"id eq "7F""#,
        r#"externalId eq "Ex""#,
        r#"profileUrl sw "https:""#,
        r#"id eq "7F" and urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq "m1""#,
        "  userName   pr  ",
        "(((title pr)))",
    ] {
        assert!(ask(filter).unwrap_or_else(|e| panic!("{filter}: {e}")), "{filter}");
    }
}

#[test]
fn what_does_not_match() {
    for filter in [
        r#"userName eq "an""#,
        r#"id eq "7f""#,
        r#"externalId eq "ex""#,
        r#"profileUrl eq "https://x/ann""#,
        r#"(userName eq "ann" or userName eq "x") and active eq false"#,
        r#"emails[type eq "work" and value eq "b@x"]"#,
        r#"emails.type ne "work""#,
        r#"not (emails.type eq "work")"#,
        r#"nickName eq "x""#,
        r#"nickName gt "a""#,
        r#"nickName pr"#,
        r#"nickName ne null"#,
        r#"title eq null"#,
        r#"title co "100x""#,
        r#"title sw "a_""#,
        r#"meta.created gt "2026-01-02T10:00:00.5+02:00""#,
        r#"userName lt "ann""#,
        "roles pr",
        r#"emails[type eq "other"]"#,
        r#"groups.value eq "x""#,
    ] {
        assert!(!ask(filter).unwrap_or_else(|e| panic!("{filter}: {e}")), "{filter}");
    }
}

#[test]
fn what_is_refused() {
    for filter in [
        "",
        "  ",
        "userName",
        "userName eq",
        r#"userName regex "x""#,
        r#"userName eq "x"#,
        "userName eq akadmin",
        r#"userName eq "x" y"#,
        r#"userName eq "x" and"#,
        r#"and userName pr"#,
        "()",
        "(userName pr",
        "userName pr)",
        "not userName pr",
        "emails[type pr",
        "emails[]",
        "emails[type pr]]",
        r#"emails[addresses[type pr]]"#,
        r#"foo eq "x""#,
        r#"name.foo eq "x""#,
        r#"name eq "x""#,
        r#"addresses eq "x""#,
        "active gt false",
        "active co \"t\"",
        r#"active eq "maybe""#,
        "userName eq 5",
        "userName eq true",
        "userName gt null",
        "userName co null",
        r#"password eq "x""#,
        r#"password sw "a""#,
        "password pr",
        r#"meta.created eq "2011-05-13""#,
        r#"meta.created co "2011""#,
        r#"name[givenName eq "x"]"#,
        r#"emails.value[type eq "x"]"#,
        r#"urn:x:y eq "x""#,
        "urn:ietf:params:scim:schemas:core:2.0:User pr",
        r#"x509Certificates.value gt "AA""#,
        r#"userName eq 'x'"#,
        r#"user/name eq "x""#,
        r#"1a eq "x""#,
        r#"userName eq "\x""#,
        "[userName pr]",
        r#"emails[type eq "work"].value"#,
        r#"emails[type eq "work"].foo eq "x""#,
        r#"members.value eq "x""#,
        "userName eq [1]",
        "userName eq \"\u{0}\"",
    ] {
        let error = ask(filter).err().unwrap_or_else(|| panic!("{filter} was read"));
        assert_eq!((error.status, error.scim_type), (400, Some(ScimType::InvalidFilter)), "{filter}");
    }
    let detail = ask("userName eq akadmin").unwrap_err().detail;
    assert!(detail.contains("double quotes: eq \"akadmin\""), "{detail}");
}

#[test]
fn members_by_reference() {
    let filter =
        Filter::parse(r#"members[$ref eq "https://h/Users/a"]"#).unwrap().resolve(ResourceKind::Group).unwrap();
    let group = json!({"members": [{"value": "a", "$ref": "https://h/Users/a"}]});
    assert!(filter.matches(group.as_object().unwrap()));
}

#[test]
fn bounds_are_exact() {
    let nested = |n: usize| format!("{}title pr{}", "(".repeat(n), ")".repeat(n));
    for (n, fits) in [(FILTER_DEPTH - 1, true), (FILTER_DEPTH, true), (FILTER_DEPTH + 1, false)] {
        assert_eq!(Filter::parse(&nested(n)).is_ok(), fits, "{n}");
    }
    let chain = |n: usize| vec!["title pr"; n].join(" or ");
    assert!(ask(&chain(500)).unwrap());
    assert!(Filter::parse(&chain(FILTER_TERMS)).is_ok());
    assert!(Filter::parse(&chain(FILTER_TERMS + 1)).is_err());
    let long = |n: usize| format!("title eq \"{}\"", "x".repeat(n - 11));
    assert!(Filter::parse(&long(FILTER_BYTES)).is_ok());
    assert!(Filter::parse(&long(FILTER_BYTES + 1)).is_err());
}

/// kanidm CVE-2026-46689: nesting must never reach the stack, whatever stands behind it.
#[test]
fn t14_deep_nesting_is_refused_on_a_small_stack() {
    let run = || {
        for opening in ["(", "not (", "not(", "emails[", "a[", "(not (emails[", "[", "((", "not ((emails[type pr and ("]
        {
            for n in [31, 32, 33, 1_000, 5_000, 100_000] {
                for tail in ["", "title pr", "title pr)", "title pr garbage", "\"", "]"] {
                    let text = format!("{}{tail}", opening.repeat(n));
                    assert!(Filter::parse(&text).is_err());
                }
            }
        }
        // The deepest filter there may be is read, printed, resolved and evaluated.
        let mut deepest = "title pr".to_owned();
        for _ in 0..FILTER_DEPTH {
            deepest = format!("not (id pr and {deepest} or active eq true)");
        }
        let filter = Filter::parse(&deepest).unwrap();
        assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
        filter.resolve(ResourceKind::User).unwrap().matches(ann().as_object().unwrap());
    };
    std::thread::Builder::new().stack_size(256 * 1024).spawn(run).unwrap().join().unwrap();
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        any::<String>().prop_filter("U+0000 is refused", |s| !s.contains('\0')).prop_map(Literal::String),
        any::<bool>().prop_map(Literal::Bool),
        any::<i64>().prop_map(|n| Literal::Number(n.into())),
        Just(Literal::Null),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    let path = prop_oneof![
        Just("userName".to_owned()),
        Just("emails.value".into()),
        Just("urn:x:2.0:User:a.b".into()),
        Just("$ref".into()),
        Just("not".into()),
        Just("and".into()),
    ];
    let op = prop_oneof![
        Just(Op::Eq),
        Just(Op::Ne),
        Just(Op::Co),
        Just(Op::Sw),
        Just(Op::Ew),
        Just(Op::Gt),
        Just(Op::Ge),
        Just(Op::Lt),
        Just(Op::Le)
    ];
    let leaf = prop_oneof![
        path.clone().prop_map(Expr::Present),
        (path, op, literal()).prop_map(|(path, op, value)| Expr::Compare(path, op, value)),
    ];
    let inner = leaf.clone();
    let element = (Just("emails".to_owned()), inner).prop_map(|(path, inner)| Expr::Element(path, Box::new(inner)));
    prop_oneof![4 => leaf, 1 => element].prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            inner.prop_map(|e| Expr::Not(Box::new(e))),
        ]
    })
}

/// Filters of simple terms over three booleans, with the truth the tree says.
fn truth(expr: &Expr, values: [bool; 3]) -> bool {
    match expr {
        Expr::And(parts) => parts.iter().all(|p| truth(p, values)),
        Expr::Or(parts) => parts.iter().any(|p| truth(p, values)),
        Expr::Not(inner) => !truth(inner, values),
        Expr::Present(path) => values[["title", "nickName", "locale"].iter().position(|n| n == path).unwrap()],
        Expr::Compare(..) | Expr::Element(..) => unreachable!(),
    }
}

fn simple() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![Just("title"), Just("nickName"), Just("locale")].prop_map(|n| Expr::Present(n.into()));
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            inner.prop_map(|e| Expr::Not(Box::new(e))),
        ]
    })
}

/// Text made of the pieces filters are made of.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("("),
        Just(")"),
        Just("["),
        Just("]"),
        Just(" and "),
        Just(" or "),
        Just("not "),
        Just("not("),
        Just("userName"),
        Just("emails"),
        Just("type"),
        Just(".value"),
        Just(" eq "),
        Just(" pr"),
        Just(" ne "),
        Just("\"a\""),
        Just("\""),
        Just("\\"),
        Just("true"),
        Just("null"),
        Just("1"),
        Just(" "),
        Just("é"),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_printed_reads_the_same(expr in expr()) {
        let printed = expr.to_string();
        let read = Filter::parse(&printed).unwrap();
        prop_assert_eq!(read.root(), &expr);
        prop_assert_eq!(read.to_string(), printed);
    }

    #[test]
    fn precedence_is_that_of_the_tree(expr in simple(), values in any::<[bool; 3]>()) {
        let mut user = serde_json::Map::new();
        for (name, value) in ["title", "nickName", "locale"].into_iter().zip(values) {
            if value { user.insert(name.into(), "x".into()); }
        }
        let filter = Filter::parse(&expr.to_string()).unwrap().resolve(ResourceKind::User).unwrap();
        prop_assert_eq!(filter.matches(&user), truth(&expr, values));
    }

    #[test]
    fn never_panics(text in any::<String>(), pieces in pieces()) {
        let _ = ask(&text);
        let _ = ask(&pieces);
    }

    /// Where both sides read the RFC's grammar they must agree. Ours reads more in four known
    /// places (`EQ "x"` literals in any case, `emails[…].value eq`, `$ref`, blanks), so what it
    /// refuses as syntax `scim_v2` must refuse too, and what `scim_v2` reads we must read.
    #[test]
    fn scim_v2_reads_nothing_we_refuse(expr in expr(), pieces in pieces()) {
        for text in [expr.to_string(), pieces] {
            if text.parse::<scim_v2::filter::Filter>().is_ok() {
                prop_assert!(Filter::parse(&text).is_ok(), "{}", text);
            }
        }
    }

    #[test]
    fn scim_v2_reads_what_we_print(expr in simple()) {
        prop_assert!(expr.to_string().parse::<scim_v2::filter::Filter>().is_ok(), "{}", expr);
    }
}
