//! T-29 a thousand times: whatever is done to a chain, the walk names the first record of it.

use proptest::prelude::*;

use super::*;

fn sealer() -> Sealer {
    Sealer::new(Secret::new([7; 32]), Secret::new([8; 32]))
}

/// A chain of so many records, and its signed end.
fn chain(workspace: i64, count: i64) -> (Vec<Sealed>, Head) {
    let sealer = sealer();
    let mut previous = GENESIS.to_vec();
    let mut records = Vec::new();
    for seq in 1..=count {
        let id = [workspace.to_be_bytes(), seq.to_be_bytes()].concat();
        let personal = (seq % 2 == 0).then(|| format!("{{\"userName\":\"p{seq}@example.com\"}}"));
        let content = Content {
            workspace,
            at: 1_000 + seq,
            kind: "user.created".into(),
            actor: "token:1".into(),
            target: format!("user:{seq}"),
            hub: None,
            user: Some(id.clone()),
            task: None,
            request_id: Some(format!("request-{seq}")),
            detail: format!("{{\"number\":{seq}}}"),
            personal_digest: personal.as_ref().map(|text| sealer.personal(&id, text).to_vec()),
            id,
        };
        let hash = sealer.link(seq, &previous, &content.parts(), Origin::Ours).to_vec();
        previous.clone_from(&hash);
        records.push(Sealed { seq, hash, content, personal, origin: Origin::Ours });
    }
    let signature = sealer.sign_head(workspace, count, &previous, 0).to_vec();
    (records, Head { seq: count, hash: previous, cut_seq: 0, signature })
}

fn walk(workspace: i64, records: &[Sealed], head: &Head) -> Result<(), Broken> {
    let mut walk = Walk::new(sealer(), workspace, None);
    records.iter().try_for_each(|record| walk.step(record))?;
    walk.end(Some(head))
}

#[test]
fn a_chain_as_it_was_sealed_is_good_also_after_erasure_and_behind_a_cut() {
    let (mut records, head) = chain(1, 9);
    assert_eq!(walk(1, &records, &head), Ok(()));
    for record in &mut records {
        record.personal = None;
    }
    assert_eq!(walk(1, &records, &head), Ok(()), "erased");
    let cut = records[3].clone();
    let mut rest = Walk::new(sealer(), 1, Some((cut.seq, cut.hash)));
    for record in &records[4..] {
        rest.step(record).unwrap();
    }
    assert_eq!(rest.end(Some(&head)), Ok(()), "behind a cut");
    assert_eq!(Walk::new(sealer(), 1, None).end(None), Ok(()), "nothing yet");
}

#[test]
fn checkpoints_are_known_by_their_signature() {
    let (_, head) = chain(1, 3);
    let sealer = sealer();
    let mut checkpoint = Checkpoint {
        workspace: 1,
        seq: 3,
        hash: hex(&head.hash),
        at: 5,
        signature: hex(&sealer.sign_checkpoint(1, 3, &head.hash, 5)),
    };
    assert!(sealer.knows(&checkpoint));
    checkpoint.seq = 2;
    assert!(!sealer.knows(&checkpoint));
    checkpoint.hash = String::from("zz");
    assert!(!sealer.knows(&checkpoint));
}

/// One field after the other: a mark holds for its own record alone.
#[test]
fn t29_a_mark_holds_for_its_record_alone() {
    let (records, _) = chain(1, 4);
    let sealer = sealer();
    let content = &records[1].content;
    let mark = sealer.mark(&content.parts());
    assert!(sealer.is_marked(&content.parts(), &mark));
    assert!(!sealer.is_marked(&content.parts(), &[]), "none");
    let other = Sealer::new(Secret::new([7; 32]), Secret::new([9; 32]));
    assert!(!sealer.is_marked(&content.parts(), &other.mark(&content.parts())), "under another key");
    let hash = sealer.link(2, &records[0].hash, &content.parts(), Origin::Ours);
    assert!(!sealer.is_marked(&content.parts(), &hash), "a hash is no mark");
    for field in 0..11 {
        let mut changed = content.clone();
        match field {
            0 => changed.workspace = 2,
            1 => changed.id.push(0),
            2 => changed.at += 1,
            3 => changed.kind = "user.deleted".into(),
            4 => changed.actor = "user:ann".into(),
            5 => changed.target.push('0'),
            6 => changed.hub = Some(vec![1]),
            7 => changed.user = None,
            8 => changed.task = Some(vec![]),
            9 => changed.request_id = None,
            _ => changed.personal_digest = None,
        }
        assert!(!sealer.is_marked(&changed.parts(), &mark), "field {field}");
    }
    let mut changed = content.clone();
    changed.detail = "{}".into();
    assert!(!sealer.is_marked(&changed.parts(), &mark), "detail");
    assert!(
        sealer.is_beside(&content.parts(), records[1].personal.as_deref()) && sealer.is_beside(&content.parts(), None)
    );
    assert!(!sealer.is_beside(&content.parts(), Some("{}")));
}

#[test]
fn the_time_without_marks_is_signed_and_ends() {
    let sealer = sealer();
    let signed = sealer.sign_unmarked(100);
    assert!(sealer.allows_unmarked(&signed, 100));
    assert!(!sealer.allows_unmarked(&signed, 101), "over");
    assert!(!sealer.allows_unmarked(&signed.replacen("100", "900", 1), 101), "made longer");
    assert!(!sealer.allows_unmarked("900", 1) && !sealer.allows_unmarked("", 1) && !sealer.allows_unmarked("x y", 1));
}

/// Everything somebody without the key may do to a chain.
#[derive(Clone, Debug)]
enum Tampering {
    Change(usize, u8),
    Delete(usize),
    Swap(usize, usize),
    Insert(usize),
    CutTail(usize),
    CopyFromElsewhere(usize),
    ChangePersonal(usize),
    SwapPlaces(usize, usize),
    Disown(usize),
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let at = 0usize..20;
    prop_oneof![
        (at.clone(), 0u8..9).prop_map(|(at, field)| Tampering::Change(at, field)),
        at.clone().prop_map(Tampering::Delete),
        at.clone().prop_map(Tampering::Disown),
        (at.clone(), at.clone()).prop_map(|(a, b)| Tampering::Swap(a, b)),
        at.clone().prop_map(Tampering::Insert),
        at.clone().prop_map(Tampering::CutTail),
        at.clone().prop_map(Tampering::CopyFromElsewhere),
        at.clone().prop_map(Tampering::ChangePersonal),
        (at.clone(), at).prop_map(|(a, b)| Tampering::SwapPlaces(a, b)),
    ]
}

/// Do it; the first bad place, `None` where nothing was changed.
fn tamper(records: &mut Vec<Sealed>, done: &Tampering) -> Option<i64> {
    let seq = |at: usize| i64::try_from(at).unwrap() + 1;
    match done {
        Tampering::Change(at, field) => {
            let content = &mut records[*at].content;
            match field {
                0 => content.at += 1,
                1 => content.kind.push('x'),
                2 => content.actor = "cli".into(),
                3 => content.target.push('0'),
                4 => content.hub = Some(vec![1]),
                5 => content.user = None,
                6 => content.task = Some(vec![]),
                7 => content.request_id = None,
                _ => content.detail = "{}".into(),
            }
            Some(seq(*at))
        }
        Tampering::Delete(at) => {
            records.remove(*at);
            Some(seq(*at))
        }
        // Said to be another's, so that nobody believes it.
        Tampering::Disown(at) => {
            records[*at].origin = Origin::Foreign;
            Some(seq(*at))
        }
        // The rows stay where they are and bear each other's content.
        Tampering::Swap(a, b) if a != b => {
            let (one, other) = (records[*a].clone(), records[*b].clone());
            records[*a] = Sealed { seq: one.seq, ..other.clone() };
            records[*b] = Sealed { seq: other.seq, ..one };
            Some(seq(*a.min(b)))
        }
        // Only the places are swapped, in the order a database would give them out.
        Tampering::SwapPlaces(a, b) if a != b => {
            let (one, other) = (records[*a].seq, records[*b].seq);
            records[*a].seq = other;
            records[*b].seq = one;
            records.sort_by_key(|record| record.seq);
            Some(seq(*a.min(b)))
        }
        Tampering::Swap(..) | Tampering::SwapPlaces(..) => None,
        // One more row, and all behind it moved along.
        Tampering::Insert(at) => {
            let mut made = records[*at].clone();
            made.content.target = "user:made-up".into();
            for record in records.iter_mut().skip(*at) {
                record.seq += 1;
            }
            records.insert(*at, made);
            Some(seq(*at))
        }
        Tampering::CutTail(at) => {
            records.truncate(*at);
            Some(seq(*at))
        }
        Tampering::CopyFromElsewhere(at) => {
            let foreign = chain(2, 20).0[*at].clone();
            // As a row of this workspace, or the query would not find it.
            records[*at] = Sealed { content: Content { workspace: 1, ..foreign.content.clone() }, ..foreign };
            Some(seq(*at))
        }
        Tampering::ChangePersonal(at) => {
            records[*at].personal = Some("{\"userName\":\"somebody.else@example.com\"}".into());
            Some(seq(*at))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn t29_the_first_bad_record_is_named(done in tampering()) {
        let (mut records, head) = chain(1, 20);
        let first = tamper(&mut records, &done);
        let found = walk(1, &records, &head);
        prop_assert_eq!(found.err().map(|broken| broken.seq), first, "{:?}", done);
    }
}
