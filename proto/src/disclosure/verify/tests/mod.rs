//! Deliveries of a small province, so that any split of a history can be verified.

mod world;

use proptest::prelude::*;

use self::world::*;
use super::*;
use crate::checkpoint::Checkpoint;
use crate::cosignature::cosign;
use crate::disclosure::line::LogHead;
use crate::hash::{Digest, Signer as _, SigningKey};
use crate::ids::ReplicaId;
use crate::merkle::root_at;
use crate::note::{Algorithm, Verifier};

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..3_usize, 0..4_u8, prop::bool::weighted(0.8), prop::bool::weighted(0.2))
            .prop_map(|(log, record, granted, kept_out)| Step::Write { log, record, granted, kept_out }),
        3 => (1..3_usize).prop_map(|log| Step::Accept { log }),
        2 => (0..4_u8, any::<bool>()).prop_map(|(record, meant)| Step::Scope { record, meant }),
        1 => Just(Step::Release),
        2 => Just(Step::Deliver),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Goal: however a history is split into deliveries, the agency ends where one delivery of all of it leads.
    #[test]
    fn any_split_of_a_history_ends_where_the_whole_does(steps in prop::collection::vec(step(), 1..40)) {
        let (mut world, mut given, mut agency) = (World::new(), Given::default(), Agency::default());
        for step in steps.iter().chain([&Step::Deliver]) {
            world.take(step);
            if matches!(step, Step::Deliver) {
                if world.came_back(&given) {
                    (given, agency) = (Given::default(), Agency::default());
                }
                let lines = world.deliver(&mut given);
                let report = agency.take(&lines).unwrap();
                prop_assert_eq!(agency.progress.since(), given.since);
                for log in &report.logs {
                    let count = log.types.get("ho_so").cloned().unwrap_or_default();
                    prop_assert_eq!(count.written, count.shown + count.withheld);
                    prop_assert_eq!(log.quarantined, world.quarantined(&log.origin));
                }
            }
        }
        let (mut other, mut whole) = (Given::default(), Agency::default());
        let lines = world.deliver(&mut other);
        whole.take(&lines).unwrap();
        prop_assert_eq!(agency.standing(), whole.standing());
        // The second came a delivery later: all but the ledger's edge is the same, where both know the log.
        let edges = whole.edges().into_iter().filter(|(name, _)| *name != origin(LEDGER).to_string());
        for (origin, edge) in edges {
            prop_assert_eq!(&agency.edges()[&origin], &edge);
        }
    }

    /// Goal: what is altered, left out, repeated or put elsewhere in a later delivery is refused.
    #[test]
    fn a_later_delivery_is_held_to_what_came_before(
        steps in prop::collection::vec(step(), 1..30),
        at in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(),
        how in 0..3_u8,
    ) {
        let (mut world, mut given, mut agency) = (World::new(), Given::default(), Agency::default());
        world.take(&Step::Write { log: 1, record: 0, granted: true, kept_out: false });
        world.take(&Step::Accept { log: 1 });
        let first = world.deliver(&mut given);
        agency.take(&first).unwrap();
        steps.iter().for_each(|step| world.take(step));
        let mut lines = world.deliver(&mut given);
        let at = at.index(lines.len());
        match how {
            0 => {
                let byte = byte.index(lines[at].len());
                let mut bytes = std::mem::take(&mut lines[at]).into_bytes();
                bytes[byte] ^= 1;
                lines[at] = String::from_utf8_lossy(&bytes).into_owned();
            }
            1 => drop(lines.remove(at)),
            _ => lines.insert(at, lines[at].clone()),
        }
        prop_assert!(agency.take(&lines).is_err());
    }
}

/// Goal: a delivery is taken once, in its order, and never as a bundle; without its access event it is none.
#[test]
fn deliveries_are_taken_once_and_in_order() {
    let (mut world, mut given) = (World::new(), Given::default());
    let write = Step::Write { log: 1, record: 1, granted: true, kept_out: false };
    let mut deliveries = Vec::new();
    for _ in 0..3 {
        world.take(&write);
        world.take(&Step::Accept { log: 1 });
        deliveries.push(world.deliver(&mut given));
    }
    let refused = |deliveries: &[&Vec<String>]| {
        let mut agency = Agency::default();
        let (last, before) = deliveries.split_last().unwrap();
        before.iter().for_each(|lines| drop(agency.take(lines).unwrap()));
        agency.take(last).unwrap_err().to_string()
    };
    let [first, second, third] = deliveries.as_slice() else { panic!() };
    for wrong in [&[second][..], &[first, first], &[first, third], &[first, second, first]] {
        let said = refused(wrong);
        assert!(said.contains("does not go on"), "{said}");
    }
    let mut without = second.clone();
    without.remove(without.len() - 2);
    assert!(refused(&[first, &without]).contains("out of place"));
    let trust = trust();
    assert!(Verification::new(&trust).line(&first[0]).unwrap_err().to_string().contains("no bundle"));

    // An entry that was withheld comes again as what it was, once, and in no other form.
    let meant = |record, meant| Step::Scope { record, meant };
    world.take(&meant(1, false));
    let left = world.deliver(&mut given);
    assert!(left.iter().any(|line| line.contains("\"line\":\"left\"")));
    let mut agency = Agency::default();
    deliveries.iter().chain([&left]).for_each(|lines| drop(agency.take(lines).unwrap()));
    assert!(agency.standing().is_empty());
    world.take(&write);
    world.take(&Step::Accept { log: 1 });
    deliveries.push(left);
    deliveries.push(world.deliver(&mut given));
    world.take(&meant(1, true));
    let again = world.deliver(&mut given);
    let place = again.iter().position(|line| line.contains("\"line\":\"again\"")).unwrap();
    let mut agency = Agency::default();
    deliveries.iter().chain([&again]).for_each(|lines| drop(agency.take(lines).unwrap()));
    assert_eq!(agency.standing().values().next().unwrap().len(), 4);
    let mut twice = again.clone();
    twice.insert(place, again[place].clone());
    let mut bent: Vec<&Vec<String>> = deliveries.iter().collect();
    bent.push(&twice);
    let said = refused(&bent);
    assert!(said.contains("counted as withheld"), "{said}");
}

/// Goal: a delivery that the hub logged in a ledger nobody else sees is found with the next one.
#[test]
fn the_record_of_a_delivery_stands_in_the_ledger_of_the_next() {
    let (mut world, mut given, mut agency) = (World::new(), Given::default(), Agency::default());
    world.take(&Step::Write { log: 1, record: 1, granted: true, kept_out: false });
    world.take(&Step::Accept { log: 1 });
    agency.take(&world.deliver(&mut given)).unwrap();
    drop((world.logs[LEDGER].entries.pop(), world.logs[LEDGER].leaves.pop()));
    world.event(LEDGER, "note", "hub", &[]);
    let said = agency.take(&world.deliver(&mut given)).unwrap_err().to_string();
    assert!(said.contains("the record of the last delivery: it is not in the ledger"), "{said}");
}

/// Goal: what rests on a roll of long ago is refused, since what came behind it need not be there.
#[test]
fn p9_a_roll_of_long_ago_shows_nothing_to_be_whole() {
    let hours_before = |hours: u64| {
        let mut world = World::new();
        world.called = UnixMillis(NOW.0 - hours * 3_600_000);
        world.take(&Step::Write { log: 1, record: 1, granted: true, kept_out: false });
        world.take(&Step::Accept { log: 1 });
        Agency::default().take(&world.deliver(&mut Given::default())).map_err(|refused| refused.to_string())
    };
    hours_before(48).unwrap();
    let mut ahead = World::new();
    ahead.called = UnixMillis(NOW.0 + 3_600_000);
    ahead.take(&Step::Write { log: 1, record: 1, granted: true, kept_out: false });
    ahead.take(&Step::Accept { log: 1 });
    let said = Agency::default().take(&ahead.deliver(&mut Given::default())).unwrap_err().to_string();
    assert!(said.contains("behind this delivery"), "{said}");
    let said = hours_before(49).unwrap_err();
    assert!(
        said.contains("the list of the units' replicas: it is of ") && said.contains("too old"),
        "{said}"
    );
}

/// Goal: when a roll was called is the witnesses' word, not the hub's: whatever it is dated, it stands behind what they had
/// seen of late.
#[test]
fn p9_a_roll_dated_as_of_late_is_held_against_what_the_witnesses_had_seen() {
    let witness = Verifier::new(WITNESS, Algorithm::Cosignature, key(3).public_key()).unwrap();
    let trust = trust_in([("w".to_owned(), witness)], 1);
    let delivered = |hours: u64, behind: u64| {
        let mut world = World::new();
        world.take(&Step::Write { log: 1, record: 1, granted: true, kept_out: false });
        world.take(&Step::Accept { log: 1 });
        let size = world.logs[LEDGER].entries.len() as u64 + behind;
        world.seen = Some((size, UnixMillis(NOW.0 - hours * 3_600_000)));
        let lines = world.deliver(&mut Given::default());
        Agency::default().take_by(&trust, &lines).map_err(|refused| refused.to_string())
    };
    delivered(48, 0).unwrap();
    for (hours, behind) in [(49, 0), (1, 2)] {
        let said = delivered(hours, behind).unwrap_err();
        assert!(said.contains("no quorum of witnesses shows that it was called"), "{said}");
    }
    let mut world = World::new();
    world.take(&Step::Write { log: 1, record: 1, granted: true, kept_out: false });
    world.take(&Step::Accept { log: 1 });
    let lines = world.deliver(&mut Given::default());
    let said = Agency::default().take_by(&trust, &lines).unwrap_err().to_string();
    assert!(said.contains("no quorum of witnesses shows that it was called"), "{said}");
}

/// Goal: an event that keys and acceptances rest on is shown whole: behind what is withheld the same field may stand once more, and
/// say something else to somebody else.
#[test]
fn p5_an_enrolment_of_which_something_is_withheld_is_none() {
    let mut world = World::new();
    world.take(&Step::Write { log: 1, record: 1, granted: true, kept_out: false });
    world.take(&Step::Accept { log: 1 });
    Agency::default().take(&world.deliver(&mut Given::default())).unwrap();
    world.withheld = Some("token");
    let said = Agency::default().take(&world.deliver(&mut Given::default())).unwrap_err().to_string();
    assert!(said.contains("the event cannot be read"), "{said}");
}

/// Goal: what is handed over rests on the roll that the witnesses have judged, which the checkpoint they cosigned names: on no other
/// in the same ledger.
#[test]
fn p9_a_roll_that_no_witness_was_shown_counts_for_nothing() {
    let delivered = |judged: bool| {
        let mut world = World::new();
        world.take(&Step::Write { log: 1, record: 1, granted: true, kept_out: false });
        world.take(&Step::Accept { log: 1 });
        let shown = world.call(&[]) as u64;
        world.judged = judged.then_some(shown);
        Agency::default().take(&world.deliver(&mut Given::default())).map_err(|refused| refused.to_string())
    };
    delivered(false).unwrap();
    let said = delivered(true).unwrap_err();
    assert!(said.contains("it is not the one that the ledger's checkpoint names"), "{said}");
}

/// Goal: a delivery cannot be dated back: its witnesses had cosigned before it, not long after.
#[test]
fn p9_what_was_cosigned_long_after_a_delivery_does_not_date_it() {
    let witness = Verifier::new(WITNESS, Algorithm::Cosignature, key(3).public_key()).unwrap();
    let trust = trust_in([("w".to_owned(), witness)], 1);
    let delivered = |minutes: u64| {
        let mut world = World::new();
        world.take(&Step::Write { log: 1, record: 1, granted: true, kept_out: false });
        world.take(&Step::Accept { log: 1 });
        world.seen = Some((world.logs[LEDGER].entries.len() as u64, NOW));
        world.cosigned = UnixMillis(NOW.0 + minutes * 60_000);
        let lines = world.deliver(&mut Given::default());
        Agency::default().take_by(&trust, &lines).map_err(|refused| refused.to_string())
    };
    delivered(10).unwrap();
    let said = delivered(11).unwrap_err();
    assert!(said.contains("had cosigned the ledger within"), "{said}");
}

/// Goal: of a log whose last word is a tally nothing is left out, however long its unit was away before it was taken; of one that
/// goes on behind its tally that is not shown. A tally of before a type was declared signs for nothing of it.
#[test]
fn p9_a_log_that_ends_with_a_tally_is_whole_whenever_it_was_taken() {
    let delivered = |days: u64, behind: bool, undeclared: bool, granted: bool| {
        let mut world = World::new();
        world.taken = UnixMillis(NOW.0 + days * 24 * 3_600_000);
        (world.behind, world.undeclared) = (behind, undeclared);
        world.take(&Step::Write { log: 1, record: 1, granted, kept_out: false });
        world.take(&Step::Accept { log: 1 });
        Agency::default().take(&world.deliver(&mut Given::default())).map_err(|refused| refused.to_string())
    };
    delivered(4, false, false, true).unwrap();
    delivered(1, true, false, true).unwrap();
    let report = delivered(1, false, true, true).unwrap();
    assert_eq!(report.logs[1].types["ho_so"].signed_for, None);
    for (behind, undeclared) in [(true, false), (false, true)] {
        let said = delivered(4, behind, undeclared, true).unwrap_err();
        assert!(said.contains("it is not shown to be complete"), "{said}");
    }
}

/// Goal: a replica that its unit's line of the roll does not have, and that its nodes have judged nothing of, has no say: not of a
/// granted unit, nor of another.
#[test]
fn p5_a_replica_that_no_roll_lists_is_not_believed() {
    for unlisted in [1, 2] {
        let mut world = World::new();
        for log in [1, 2] {
            world.take(&Step::Write { log, record: 1, granted: true, kept_out: false });
            world.take(&Step::Accept { log });
        }
        Agency::default().take(&world.deliver(&mut Given::default())).unwrap();
        world.unlisted = Some(unlisted);
        let said = Agency::default().take(&world.deliver(&mut Given::default())).unwrap_err().to_string();
        assert!(said.contains("not in the list of its unit's") && said.contains(UNITS[unlisted]), "{said}");
    }
}

/// Goal: what is shown of a replica is what its unit's nodes have judged: by its key, and accepted where they know it, once.
#[test]
fn p5_another_key_or_acceptance_than_the_judged_is_not_believed() {
    let said = |change: &dyn Fn(&mut World)| {
        let mut world = World::new();
        for log in [1, 2] {
            world.take(&Step::Write { log, record: 1, granted: true, kept_out: false });
            world.take(&Step::Accept { log });
        }
        change(&mut world);
        let delivered = Agency::default().take(&world.deliver(&mut Given::default()));
        delivered.map(drop).map_err(|refused| refused.to_string())
    };
    assert_eq!(said(&|_| {}), Ok(()));
    let refused = said(&|world| world.keyed = Some(2)).unwrap_err();
    assert!(refused.contains("its key is not the one in"), "{refused}");
    for change in [&(|world: &mut World| world.moved = 1) as &dyn Fn(&mut World), &|world| world.dated = 1] {
        let refused = said(change).unwrap_err();
        assert!(refused.contains("it was not accepted where"), "{refused}");
    }
    // Behind the roll nobody has judged it yet: it is of then.
    let behind =
        |minutes: u64| said(&|world| world.behind_roll = Some((1, UnixMillis(NOW.0 - minutes * 60_000))));
    assert_eq!(behind(9), Ok(()));
    let refused = behind(11).unwrap_err();
    assert!(refused.contains("it was accepted behind the list"), "{refused}");
    let refused = said(&|world| world.take(&Step::AcceptAgain { log: 1 })).unwrap_err();
    assert!(refused.contains("it does not follow the acceptance"), "{refused}");
}

/// Goal: where, when and with which verdicts a log was accepted is what its writer held against its receipts: each acceptance is bound
/// to all before it.
#[test]
fn p5_each_acceptance_is_bound_to_those_before_it() {
    let said = |bound: [Option<Digest>; 3]| {
        let mut world = World::new();
        for (record, chain) in (1..).zip(bound) {
            world.take(&Step::Write { log: 1, record, granted: true, kept_out: record == 1 });
            world.logs[1].chain = chain.unwrap_or(world.logs[1].chain);
            world.take(&Step::Accept { log: 1 });
        }
        let delivered = Agency::default().take(&world.deliver(&mut Given::default()));
        delivered.map(drop).map_err(|refused| refused.to_string())
    };
    assert_eq!(said([None; 3]), Ok(()));
    for place in 0..3 {
        let mut bound = [None; 3];
        bound[place] = Some([8; 32]);
        let refused = said(bound).unwrap_err();
        assert!(refused.contains("it does not follow the acceptance"), "{place}: {refused}");
    }
}

/// Goal: a ledger said to be the one before is the province's own, not any log under a key of the hub's choice.
#[test]
fn p5_a_log_of_a_commune_does_not_pass_for_a_former_ledger() {
    use crate::succession::{Ledger, Succession};
    let said = |former: usize| {
        let mut world = World::new();
        world.take(&Step::Write { log: 1, record: 1, granted: true, kept_out: false });
        world.take(&Step::Accept { log: 1 });
        let ledger = |log: usize, key: SigningKey| Ledger { origin: origin(log), key: key.public_key() };
        let successor = Ledger { origin: origin(LEDGER), key: key(LEDGER).public_key() };
        let former = Ledger {
            origin: Origin::new("kiemtra.vn", "33", &UNITS[former].parse().unwrap(), ReplicaId([9; 16]))
                .unwrap(),
            ..ledger(former, key(2))
        };
        let statement = Succession { successor, former, known: None, witnessed: None };
        let note = statement.sign(&key(2)).unwrap().to_string();
        world.event(LEDGER, "succession", "hub", &[("note", text(&note))]);
        Agency::default().take(&world.deliver(&mut Given::default())).map_err(|refused| refused.to_string())
    };
    said(LEDGER).unwrap();
    let refused = said(2).unwrap_err();
    assert!(refused.contains("the event cannot be read"), "{refused}");
}

/// Goal: what the ledger says was accepted stands under the province's receipt: one there is, of the acceptance's second, by the
/// key that the policy names.
#[test]
fn p5_a_log_stands_under_the_receipt_of_its_acceptance() {
    let said = |receipt: fn(&Checkpoint) -> Option<String>| {
        let mut world = World::new();
        world.take(&Step::Write { log: 1, record: 1, granted: true, kept_out: false });
        world.take(&Step::Accept { log: 1 });
        let size = world.held(1);
        let root = root_at(world.logs[1].leaves.as_slice(), size).unwrap();
        let checkpoint = Checkpoint { origin: origin(1).to_string(), size, root, roll: None };
        let mut lines = world.deliver(&mut Given::default());
        for line in &mut lines {
            if let Some(Line::Log(head)) = Line::parse(line)
                && head.accepted.is_some()
            {
                let receipt = receipt(&checkpoint);
                *line = Line::Log(LogHead { receipt, ..head }).to_text();
            }
        }
        Agency::default().take(&lines).map(drop).map_err(|refused| refused.to_string())
    };
    said(|checkpoint| Some(cosign(checkpoint, NOW.seconds(), RECEIPTS, &key(RECEIPT)).unwrap())).unwrap();
    let refused = said(|_| None).unwrap_err();
    assert!(refused.contains("the province's receipt is missing"), "{refused}");
    for receipt in [
        (|checkpoint| Some(cosign(checkpoint, NOW.seconds() + 1, RECEIPTS, &key(RECEIPT)).unwrap()))
            as fn(&Checkpoint) -> Option<String>,
        |checkpoint| Some(cosign(checkpoint, NOW.seconds(), RECEIPTS, &key(RECEIPT + 1)).unwrap()),
        |checkpoint| {
            let other = Checkpoint { size: checkpoint.size + 1, ..checkpoint.clone() };
            Some(cosign(&other, NOW.seconds(), RECEIPTS, &key(RECEIPT)).unwrap())
        },
        |_| Some("— kiemtra.vn/33/receipts AAAA".to_owned()),
    ] {
        let refused = said(receipt).unwrap_err();
        assert!(refused.contains("the province's receipt does not hold"), "{refused}");
    }
}
