//! Each way in which a batch can fail to continue its log, one at a time; everything else about it is right.
#![allow(clippy::unwrap_used)]

use lienthong_proto::hash::{Signer as _, SigningKey};
use lienthong_proto::ids::Dot;
use lienthong_proto::time::UnixMillis;

use super::*;

const REPLICA: ReplicaId = ReplicaId([7; 16]);
const ORIGIN: &str = "kiemtra.vn/33/11953/07070707070707070707070707070707";

fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32]).unwrap()
}

fn event(replica: ReplicaId, sequence: u64) -> (Vec<u8>, Digest) {
    let event = Event {
        kind: "thu".to_owned(),
        at: UnixMillis(1),
        actor: "lan".to_owned(),
        fields: std::collections::BTreeMap::new(),
    };
    event.build(Dot { replica, sequence: Sequence(sequence) }, &[9; 16]).unwrap()
}

/// A log of three entries is held; what came after them, by their dots, comes in one batch.
fn coming(dots: &[(ReplicaId, u64)], sign: impl FnOnce(&mut Checkpoint) -> SigningKey) -> (Held, Envelope) {
    let mut frontier = Frontier::new();
    (0..3).for_each(|sequence| frontier.push(event(REPLICA, sequence).1));
    let held = Held {
        replica: REPLICA,
        origin: ORIGIN.to_owned(),
        key: key().public_key(),
        frontier: frontier.clone(),
        announced: None,
        erased: std::sync::Arc::default(),
    };
    let entries: Vec<(Vec<u8>, Digest)> =
        dots.iter().map(|(replica, sequence)| event(*replica, *sequence)).collect();
    entries.iter().for_each(|(_, leaf)| frontier.push(*leaf));
    let mut checkpoint =
        Checkpoint { origin: ORIGIN.to_owned(), size: frontier.size(), root: frontier.root(), roll: None };
    let signer = sign(&mut checkpoint);
    let packed = batch::pack(entries.iter().map(|(bytes, _)| bytes.as_slice())).unwrap();
    let envelope = Envelope {
        first: 3,
        count: u32::try_from(entries.len()).unwrap(),
        packed: packed.into(),
        checkpoint: checkpoint.sign(&signer).unwrap().to_string(),
    };
    (held, envelope)
}

const NEXT: [(ReplicaId, u64); 2] = [(REPLICA, 3), (REPLICA, 4)];

#[test]
fn p2_a_batch_continues_its_log_or_is_refused() {
    let (held, envelope) = coming(&NEXT, |_| key());
    let verified = verify(&held, &envelope).unwrap();
    assert_eq!((verified.frontier.size(), verified.contents.len()), (5, 2));

    let again = Envelope { first: 2, ..envelope.clone() };
    assert!(matches!(verify(&held, &again), Err(VerifyError::Gap { expected: 3, found: 2 })));
    let later = Envelope { first: 4, ..envelope.clone() };
    assert!(matches!(verify(&held, &later), Err(VerifyError::Gap { expected: 3, found: 4 })));
    for count in [0, 1, 3] {
        let told = Envelope { count, ..envelope.clone() };
        assert!(matches!(verify(&held, &told), Err(VerifyError::Count { found: 2, .. })), "{count}");
    }
    let announced = |root| Held { announced: Some((5, root)), ..held.clone() };
    assert_eq!(verify(&announced(verified.root), &envelope).unwrap().reached, Some(5));
    assert!(matches!(verify(&announced([8; 32]), &envelope), Err(VerifyError::Announced)));
}

#[test]
fn p2_an_entry_of_another_log_or_place_is_refused() {
    for dots in
        [[(ReplicaId([8; 16]), 3), (REPLICA, 4)], [(REPLICA, 3), (REPLICA, 5)], [(REPLICA, 4), (REPLICA, 3)]]
    {
        let (held, envelope) = coming(&dots, |_| key());
        assert!(matches!(verify(&held, &envelope), Err(VerifyError::Misplaced(_))), "{dots:?}");
    }
}

#[test]
fn p5_a_checkpoint_is_the_logs_own_over_just_these_entries() {
    let (held, envelope) = coming(&NEXT, |_| SigningKey::from_seed(&[2; 32]).unwrap());
    assert!(matches!(verify(&held, &envelope), Err(VerifyError::Checkpoint(_))), "another key");
    let (held, envelope) = coming(&NEXT, |checkpoint| {
        checkpoint.origin = ORIGIN.replace("11953", "11977");
        key()
    });
    assert!(matches!(verify(&held, &envelope), Err(VerifyError::Checkpoint(_))), "another log");
    let changes: [fn(&mut Checkpoint); 3] = [
        |checkpoint| checkpoint.root = [8; 32],
        |checkpoint| checkpoint.size += 1,
        |checkpoint| checkpoint.roll = Some(0),
    ];
    for change in changes {
        let (held, envelope) = coming(&NEXT, |checkpoint| {
            change(checkpoint);
            key()
        });
        assert!(matches!(verify(&held, &envelope), Err(VerifyError::Root)), "another tree");
    }
}
