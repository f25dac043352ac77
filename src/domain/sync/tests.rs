//! Matching as properties over small worlds, and the tables of the rest.

use proptest::prelude::*;

use super::*;

fn user(number: u8) -> UserId {
    UserId::from_uuid(uuid::Uuid::from_u128(u128::from(number) + 1))
}

fn seen(presence: Presence) -> Observed {
    Observed {
        assets: None,
        remote_id: String::from("r"),
        address: Some(String::from("ann@example.com")),
        display: String::from("Ann"),
        role: Some(String::from("editor")),
        presence,
        expires_at: None,
        seen_at: Micros(10),
    }
}

fn presences() -> impl Strategy<Value = Presence> {
    prop::sample::select(vec![Presence::Pending, Presence::Active, Presence::Suspended])
}

fn claimants() -> impl Strategy<Value = Vec<Claimant>> {
    let one = (0u8..4, any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(n, exact, guest, has_account)| Claimant { user: user(n), exact, guest, has_account, late: false });
    prop::collection::vec(one, 0..4)
}

proptest! {
    #[test]
    fn a_match_is_one_to_one_exact_and_of_an_account_in_use(
        presence in presences(), claimants in claimants(), accounts in 1usize..4, service in any::<bool>(),
    ) {
        let owners = BTreeSet::from([user(0)]);
        let evidence = Evidence { claimants: &claimants, accounts, service, owners: &owners };
        if let Placement::Matched { user, bucket, hub_role } = place(&seen(presence), &evidence) {
            prop_assert_eq!(claimants.len(), 1);
            let only = &claimants[0];
            prop_assert!(only.exact && !only.has_account && accounts == 1 && !service);
            prop_assert!(presence != Presence::Suspended);
            prop_assert_eq!(user, only.user);
            prop_assert_eq!(bucket == Bucket::Guest, only.guest);
            prop_assert_eq!(hub_role == HubRole::Owner, owners.contains(&user));
        }
    }

    #[test]
    fn more_claims_never_make_a_match(
        presence in presences(), claimants in claimants(), extra in 0u8..4, accounts in 1usize..4,
    ) {
        let owners = BTreeSet::new();
        let before = Evidence { claimants: &claimants, accounts, service: false, owners: &owners };
        let matched = matches!(place(&seen(presence), &before), Placement::Matched { .. });
        let mut more = claimants.clone();
        more.push(Claimant { user: user(extra), exact: true, guest: false, has_account: false, late: false });
        let after = Evidence { claimants: &more, accounts: accounts + 1, service: false, owners: &owners };
        let still = matches!(place(&seen(presence), &after), Placement::Matched { .. });
        prop_assert!(!still || !matched);
        prop_assert!(!still, "two accounts or two people");
    }

    #[test]
    fn an_address_is_its_own_key_and_keeps_all_but_ascii_case(text in "\\PC{0,20}@\\PC{0,20}") {
        if let Some(key) = address(&text) {
            prop_assert_eq!(address(&key), Some(key.clone()));
            prop_assert_eq!(address(&text.to_ascii_uppercase()), Some(key));
        }
    }

    #[test]
    fn the_safeguard_is_strict_and_never_trips_on_nothing(gone in 0i32..1000, known in 0i32..1000, percent in 0u32..=100) {
        let tripped = trips(gone.into(), known.into(), percent);
        let share = f64::from(gone) / f64::from(known) * 100.0;
        prop_assert_eq!(tripped, known > 0 && share > f64::from(percent) + 1e-9);
    }
}

#[test]
fn only_case_and_blanks_around_are_removed_from_an_address() {
    let ann = address("ann@example.com");
    for same in ["Ann@Example.COM", "  ann@example.com \n", "ANN@EXAMPLE.COM"] {
        assert_eq!(address(same), ann, "{same}");
    }
    for other in [
        "ann+x@example.com",
        "a.nn@example.com",
        "ann@example.com.",
        "аnn@example.com",
        "ann@exаmple.com",
        "ａnn@example.com",
        "ann@example。com",
        "anñ@example.com",
        "ann\u{200b}@example.com",
        "aℵnn@example.com",
        "\u{212a}ann@example.com",
    ] {
        assert_ne!(address(other), ann, "{other}");
    }
    for none in ["", "ann", "@example.com", "ann@", "an n@example.com", "ann@exa\u{0}mple.com"] {
        assert_eq!(address(none), None, "{none:?}");
    }
    assert_ne!(address("\u{212a}im@example.com"), address("kim@example.com"), "the Kelvin sign is no k");
}

#[test]
fn a_threshold_is_passed_only_strictly() {
    assert!(!trips(2, 10, 20) && trips(3, 10, 20) && !trips(5, 0, 20) && trips(1, 1, 99) && !trips(9, 9, 100));
}
