//! P3: state is a function of the admitted changes, not of their order. Laws over random histories.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};

use lienthong_node::dataset::{Dictionary, EntryAt, RecordState, Source};
use lienthong_node::log::FramePosition;
use lienthong_node::store::MemoryView;
use lienthong_proto::change::{Change, Context, Meta, Write};
use lienthong_proto::ids::{Dot, RecordId, ReplicaId, Sequence};
use lienthong_proto::time::{Hlc, UnixMillis};
use lienthong_proto::value::Value;
use lienthong_proto::withdrawal::Withdrawal;
use lienthong_tests::{Province, acknowledged, brisk, make_node, member, open_hub, reopened};
use proptest::prelude::*;

const FIELDS: [&str; 4] = ["ho_ten", "chi_bo", "_unit", "_withdrawn"];
const WITHDRAWN: usize = 3;
const RECORD: RecordId = RecordId([5; 16]);

/// One step of a random history: who writes which field, having seen how much of each replica's writes of
/// it (in halves of what there is), and whether it is a proposal.
#[derive(Debug, Clone)]
struct Step {
    writer: u8,
    field: usize,
    seen: [u8; 3],
    value: u8,
    proposal: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..3u8, 0..4usize, [0..3u8, 0..3u8, 0..3u8], 0..4u8, any::<bool>())
        .prop_map(|(writer, field, seen, value, proposal)| Step { writer, field, seen, value, proposal });
    proptest::collection::vec(step, 1..24)
}

/// What a step states: of `_withdrawn` now and then that the record stands, else a withdrawal that saw, of
/// each replica's other writes, a share of those before.
fn stated(step: &Step, before: &[(Change, bool)]) -> Value {
    if step.field != WITHDRAWN {
        return Value::Integer(i64::from(step.value));
    }
    if step.value == 0 {
        return Value::Null;
    }
    let dots = (0..3u8).flat_map(|replica| {
        let edits = before.iter().filter(|(change, _)| change.writes[0].path != "_withdrawn");
        let own: Vec<Dot> =
            edits.map(|(change, _)| change.dot).filter(|dot| dot.replica.0[0] == replica).collect();
        let share = if replica == step.writer { 2 } else { step.seen[usize::from(replica)] };
        own[..own.len() * usize::from(share) / 2].to_vec()
    });
    Withdrawal::new("nhập nhầm", dots).unwrap().to_value()
}

/// The changes an honest set of replicas would make of the steps: each context holds what was written
/// before, and always the writer's own last write of the field.
fn history(steps: &[Step]) -> Vec<(Change, bool)> {
    let mut next = [0u64; 3];
    let mut written: BTreeMap<(usize, u8), Vec<u64>> = BTreeMap::new();
    let mut changes = Vec::new();
    for step in steps {
        let mut context = Context::default();
        for replica in 0..3u8 {
            let there = written.get(&(step.field, replica)).cloned().unwrap_or_default();
            let share = if replica == step.writer { 2 } else { step.seen[usize::from(replica)] };
            let upto = there.len() * usize::from(share) / 2;
            if let Some(last) = there[..upto].last() {
                context.raise(ReplicaId([replica; 16]), *last);
            }
        }
        let sequence = next[usize::from(step.writer)];
        next[usize::from(step.writer)] += 1;
        written.entry((step.field, step.writer)).or_default().push(sequence);
        let change = Change {
            dot: Dot { replica: ReplicaId([step.writer; 16]), sequence: Sequence(sequence) },
            record: RECORD,
            record_type: "dang_vien".to_owned(),
            year: 2026,
            number: sequence,
            meta: Meta { hlc: Hlc(sequence), author: "x".to_owned(), catalogue: [0; 8] },
            origin: None,
            writes: vec![Write {
                path: FIELDS[step.field].to_owned(),
                value: stated(step, &changes),
                context,
            }],
        };
        changes.push((change, step.proposal));
    }
    changes
}

fn applied<'a>(changes: impl IntoIterator<Item = &'a (Change, bool)>) -> RecordState {
    let mut state = RecordState::default();
    for (change, proposal) in changes {
        let at = EntryAt { frame: FramePosition::unpack(change.dot.sequence.0), index: 0 };
        let unit = "11953".parse().unwrap();
        let source = Source::accepted(change, &unit, UnixMillis(9), *proposal, at);
        state.apply(change, source);
    }
    state
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Any order, each change once or twice, gives the same bytes: also a superseding change that comes
    /// before what it supersedes.
    #[test]
    fn p3_any_order_and_repetition_gives_the_same_state(
        steps in steps(),
        order in any::<prop::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let changes = history(&steps);
        let expected = applied(&changes);
        let mut shuffled: Vec<_> = changes.iter().chain(&changes[..order.index(changes.len())]).collect();
        let mut random = seed;
        for place in (1..shuffled.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.swap(place, (random >> 33) as usize % (place + 1));
        }
        let found = applied(shuffled);
        prop_assert_eq!(found.digest(RECORD), expected.digest(RECORD));
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(found.standing(), expected.standing());
    }

    /// What was written of a field before an order is gone from the state, whoever erased first and in whatever order the
    /// rest came; what was written later, and every other field, counts as ever.
    #[test]
    fn p3_an_erased_history_gives_the_same_state(
        steps in steps(),
        ordered in any::<prop::sample::Index>(),
        turn in any::<prop::sample::Index>(),
    ) {
        let whole = history(&steps);
        let (mut changes, ordered) = (whole.clone(), ordered.index(whole.len()));
        for (change, _) in &mut changes[..ordered] {
            change.writes.retain(|write| write.path != "ho_ten");
        }
        let expected = applied(&changes);
        let (first, second) = changes.split_at(turn.index(changes.len()));
        let found = applied(second.iter().rev().chain(first));
        prop_assert_eq!(found.digest(RECORD), expected.digest(RECORD));
        prop_assert_eq!(&found, &expected);
        let later: BTreeSet<Dot> = changes[ordered..].iter().map(|(change, _)| change.dot).collect();
        let left = expected.registers.get("ho_ten");
        prop_assert!(left.into_iter().flat_map(|register| &register.siblings).all(|it| later.contains(&it.dot)));
        let unerased = applied(&whole);
        for path in ["chi_bo", "_unit"] {
            prop_assert_eq!(expected.registers.get(path), unerased.registers.get(path));
        }
    }

    /// A record is withdrawn only if somebody who may said so and every firm live value was before their
    /// eyes; whatever was not is there for a person to decide. And it comes back from the view's bytes.
    #[test]
    fn p4_a_withdrawal_takes_nothing_it_did_not_see(steps in steps()) {
        let changes = history(&steps);
        let state = applied(&changes);
        let standing = state.standing();
        let live = |path: &str| -> BTreeSet<Dot> {
            let register = state.registers.get(path);
            register.into_iter().flat_map(|register| register.siblings.iter().map(|s| s.dot)).collect()
        };
        let (mut seen, mut firm, mut proposed, mut standing_again) = (BTreeSet::new(), 0, 0, 0);
        for (change, proposal) in &changes {
            if !live("_withdrawn").contains(&change.dot) {
                continue;
            }
            match (Withdrawal::of(&change.writes[0].value), proposal) {
                (Some(withdrawal), false) => {
                    firm += 1;
                    seen.extend(withdrawal.seen().iter().copied());
                }
                (Some(_), true) => proposed += 1,
                (None, false) => standing_again += 1,
                (None, true) => {}
            }
        }
        let edits = changes.iter().filter(|(change, _)| {
            let path = change.writes[0].path.as_str();
            path != "_withdrawn" && live(path).contains(&change.dot) && !seen.contains(&change.dot)
        });
        let (unseen_proposals, unseen): (Vec<_>, Vec<_>) = edits.partition(|(_, proposal)| *proposal);
        prop_assert_eq!(standing.withdrawn, firm > 0 && standing_again == 0 && unseen.is_empty());
        if firm > 0 && (!unseen.is_empty() || !unseen_proposals.is_empty() || standing_again > 0) {
            prop_assert!(standing.contested);
        }
        prop_assert_eq!(state.has_withdrawal(), firm + proposed > 0);
        let words = Dictionary::load(&MemoryView::default()).unwrap();
        prop_assert_eq!(&RecordState::decode(&state.encode(&words), &words).unwrap(), &state);
    }

    /// A change that was kept apart and is released after everything else leads to the same state as if it
    /// had been admitted at once.
    #[test]
    fn p3_a_late_release_gives_the_same_state(steps in steps(), late in any::<prop::sample::Index>()) {
        let changes = history(&steps);
        let late = late.index(changes.len());
        let expected = applied(&changes);
        let rest = changes.iter().enumerate().filter(|(place, _)| *place != late).map(|(_, change)| change);
        let found = applied(rest.chain(std::iter::once(&changes[late])));
        prop_assert_eq!(&found, &expected);
    }

    /// Two parts of a history applied in either order are the whole history.
    #[test]
    fn p3_parts_commute(steps in steps(), cut in any::<prop::sample::Index>()) {
        let changes = history(&steps);
        let (first, second) = changes.split_at(cut.index(changes.len()));
        prop_assert_eq!(applied(second.iter().chain(first)), applied(first.iter().chain(second)));
    }

    /// No value is lost: what nobody saw stays live. A proposal has seen nothing but its writer's own proposals: not
    /// even what that writer stated as the owner gives way to it.
    #[test]
    fn p4_a_value_nobody_saw_stays(steps in steps()) {
        let changes = history(&steps);
        let state = applied(&changes);
        for (change, proposed) in &changes {
            let write = &change.writes[0];
            let covered = changes.iter().any(|(other, proposal)| {
                let own = *proposed && other.dot.replica == change.dot.replica && other.dot > change.dot;
                let seen = if *proposal { own } else { other.writes[0].context.covers(&change.dot) };
                other.writes[0].path == write.path && seen
            });
            let live = state.registers[&write.path].siblings.iter().any(|sibling| sibling.dot == change.dot);
            prop_assert_eq!(live, !covered);
        }
    }
}

/// Goal: a hub that lost its view stands where it stood: proposals, quarantine and a late release included.
#[tokio::test(flavor = "multi_thread")]
async fn p3_a_rebuild_replays_changes_and_verdicts() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let mut nodes = Vec::new();
    for unit in ["11953", "11977"] {
        let folder = dir.path().join(unit);
        nodes.push(make_node(&hub, &address, &folder, unit).await.unwrap());
    }
    let mut stranger = member("11977", "033070000002", "Lê Thị Cúc").unwrap();
    stranger.values.insert("ngay_sinh".into(), Value::Date(1_000));
    let first = ["Nguyễn Văn An", "Nguyễn Văn Bình", "Nguyễn Văn Cường"];
    let first =
        first.iter().zip(1..).map(|(name, n)| member("11953", &format!("03307000000{n}"), name).unwrap());
    nodes[0].write(first.collect()).await;
    nodes[0].start_sync(brisk());
    acknowledged(&nodes[0]).await.unwrap();
    nodes[1].write(vec![member("11977", "033070000001", "Nguyễn Văn Ân").unwrap(), stranger]).await;
    nodes[1].start_sync(brisk());
    acknowledged(&nodes[1]).await.unwrap();
    let number = *hub.committer.books().read().quarantine.keys().next().unwrap();
    let release = lienthong_hub::ingest::Release { number, reason: "xem".into(), actor: "steward".into() };
    hub.committer.release(release).await.unwrap();
    let types = ["dang_vien".to_owned()];
    let picture = |hub: &lienthong_hub::app::Hub| {
        let digests: Vec<_> = nodes
            .iter()
            .map(|node| hub.dataset.own_digest(&types, node.identity.replica()).unwrap())
            .collect();
        let books = hub.committer.books().read();
        (digests, hub.dataset.totals(), books.quarantine.len(), books.notice_count(), hub.head())
    };
    // What the nodes are handed they write down and send: only a closed hub takes nothing between the pictures.
    hub.close().await;
    let before = picture(&hub);
    drop(hub);
    let view = dir.path().join("hub/view");
    reopened(|| Ok(std::fs::remove_dir_all(&view)?));
    let hub = reopened(|| open_hub(&dir.path().join("hub")));
    assert_eq!(picture(&hub), before);
}
