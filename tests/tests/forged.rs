//! Bundles that are not what they say: bytes flipped anywhere, and a hub that forges with its own keys.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lienthong_hub::app::Hub;
use lienthong_hub::ingest::Delivery;
use lienthong_hub::ledger::LedgerOptions;
use lienthong_hub::pki::NextReceiptKey;
use lienthong_hub::service::Request;
use lienthong_node::app::system_clock;
use lienthong_node::dataset::Payload;
use lienthong_node::service::Request as NodeRequest;
use lienthong_node::verify::{VerifyError, verify};
use lienthong_proto::batch;
use lienthong_proto::checkpoint::{Checkpoint, Origin};
use lienthong_proto::cosignature::cosign;
use lienthong_proto::disclosure::{Access, Bytes, Cover, End, Hash, Line, Proof, Refused, Shown, Trust};
use lienthong_proto::entry::{Entry, EntryKind};
use lienthong_proto::hash::{Digest, Signer as _, SigningKey, sha256};
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::merkle::{Hashes as _, consistency_proof, inclusion_proof};
use lienthong_proto::receipt_key::{is_by, receipt_seconds};
use lienthong_proto::roll::{BEFORE, Member, UPTO, line_of};
use lienthong_proto::succession::{Ledger, Succession};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use lienthong_tests::asking::{at_hub, at_node};
use lienthong_tests::sharing::{HERE, MEMBERS, Shared, THERE, log_roll, opened};
use lienthong_tests::{Province, acknowledged, brisk, catalogue, make_hub, make_node, member};
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value as Json;

fn checked(lines: &str, trust: &Trust, folder: &Path) -> Result<(), VerifyError> {
    let path = folder.join("forged.jsonl");
    std::fs::write(&path, lines).unwrap();
    verify(&path, None, trust, &catalogue().unwrap()).map(|_| ())
}

/// Refused by the first verifier; kept for the second.
fn refused(lines: &str, trust: &Trust, folder: &Path) -> Refused {
    let number = std::fs::read_dir(folder).unwrap().count();
    std::fs::write(folder.join(format!("forgery.{number}")), lines).unwrap();
    match checked(lines, trust, folder) {
        Err(VerifyError::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    }
}

/// Goal: one byte flipped at any of 1,000 random places of a bundle is refused every time, naming the object.
#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_byte_is_refused_and_the_object_named() {
    let shared = Shared::set().await;
    let number = shared.granted(MEMBERS).await;
    let bundle = shared.bundle(number, "bundle").await;
    let (trust, folder) = (shared.trust().await, shared.province.dir.path());
    let lines = opened(&bundle, &shared.identity);
    checked(&lines, &trust, folder).unwrap();
    let seed = rand::rng().random();
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    for _ in 0..1_000 {
        let (at, bit) = (random.random_range(0..lines.len()), random.random_range(0..8));
        let mut bytes = lines.clone().into_bytes();
        bytes[at] ^= 1 << bit;
        let path = folder.join("flipped");
        std::fs::write(&path, &bytes).unwrap();
        match verify(&path, None, &trust, &catalogue().unwrap()) {
            Err(VerifyError::Refused(refused)) => {
                assert!(refused.object.contains(" · "), "seed {seed}: {refused}")
            }
            // The very first byte says that the file is not sealed.
            Err(VerifyError::KeyNeeded) if at == 0 => {}
            other => panic!("seed {seed}: byte {at}, bit {bit}: {other:?}"),
        }
    }
    // Its last byte, the newline, is a part of it too.
    let ends = (0..lines.len()).step_by(lines.len() / 50).chain([lines.len() - 1]);
    for end in ends.filter(|end| lines.is_char_boundary(*end)) {
        assert!(checked(&lines[..end], &trust, folder).is_err(), "cut at {end}");
    }
    // Entries are named one by one.
    let (place, line) =
        lines.lines().enumerate().filter(|(_, line)| line.contains("\"record\"")).last().unwrap();
    let altered = line.replacen("\"leaf\":\"", "\"leaf\":\"A", 1).replacen("=\"", "\"", 1);
    let forged: Vec<&str> =
        lines.lines().enumerate().map(|(n, l)| if n == place { &altered } else { l }).collect();
    let found = refused(&format!("{}\n", forged.join("\n")), &trust, folder);
    assert!(found.object.contains("bundle") || found.object.contains("entry"), "{found}");
}

/// An entry of a frame, by its place in the log.
fn entry_of(payload: &[u8], place: u64) -> Vec<u8> {
    let plain;
    let entries = match Payload::parse(payload).unwrap() {
        Payload::Batch(packed) => {
            plain = batch::unpack(packed).unwrap();
            batch::entries(&plain).unwrap()
        }
        Payload::Entry(entry) | Payload::Accepted { entry, .. } => vec![entry],
    };
    let found =
        entries.into_iter().find(|bytes| Entry::decode(bytes).unwrap().header.dot.sequence.0 == place);
    found.unwrap().to_vec()
}

/// A hub that hands over other lines than it should, and logs that as it must.
async fn handed_over(hub: &Arc<Hub>, grant: u64, lines: Vec<Line>, cut: u64) -> String {
    let mut text: String = lines.iter().map(|line| format!("{}\n", line.to_text())).collect();
    let delivery = Delivery {
        grant,
        agency: "TTT".parse().unwrap(),
        cut,
        digest: hex::encode(sha256(&[text.as_bytes()])),
        changes: 0,
        actor: "minh".to_owned(),
    };
    let index = hub.committer.deliver(delivery).await.unwrap().0;
    let frame = hub.reader.frame(hub.reader.locate(Sequence(index)).unwrap().unwrap()).unwrap();
    let entry = entry_of(&frame.payload, index);
    let (now, tree) = (hub.head(), hub.hashes.as_ref());
    let hashes = |path: Vec<Digest>| path.into_iter().map(Hash).collect();
    let access = Line::Access(Access {
        entry: Bytes(entry),
        path: hashes(inclusion_proof(tree, index, now.size).unwrap()),
        checkpoint: hub.ledger_checkpoint_at(now).unwrap(),
        consistency: hashes(consistency_proof(tree, cut, now.size).unwrap()),
    });
    let count = lines.len() as u64 + 1;
    text.push_str(&format!("{}\n{}\n", access.to_text(), Line::End(End { lines: count }).to_text()));
    text
}

/// Goal: what a hub leaves out or changes is found, though it signs and logs everything anew with its own keys.
#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_leaves_something_out_is_found() {
    let shared = Shared::set().await;
    let (hub, number) = (shared.hub(), shared.granted(MEMBERS).await);
    let bundle = shared.bundle(number, "bundle").await;
    let (trust, folder) = (shared.trust().await, shared.province.dir.path());
    let text = opened(&bundle, &shared.identity);
    let lines: Vec<Line> = text.lines().map(|line| Line::parse(line).unwrap()).collect();
    let content = lines[..lines.len() - 2].to_vec();
    let Line::Log(ledger) = &content[1] else { panic!() };
    let cut = ledger.size;
    // The forger's own way of handing over is right: the honest lines pass.
    let honest = handed_over(hub, number, content.clone(), cut).await;
    checked(&honest, &trust, folder).unwrap();

    // A change is left out, and the proof made to cover it.
    let begin = content.iter().rposition(|line| matches!(line, Line::Log(_))).unwrap();
    let Line::Log(log) = &content[begin] else { panic!() };
    let shown = |line: &Line| match line {
        Line::Entry(shown) => Some(Entry::decode(&shown.entry.0).unwrap().header.dot.sequence.0),
        _ => None,
    };
    // What a line is of the log: a change, or its writer's count behind it.
    let kinds: Vec<(usize, bool)> = (begin..content.len())
        .filter_map(|at| match &content[at] {
            Line::Entry(entry) => Some((at, entry.record.is_some())),
            _ => None,
        })
        .collect();
    assert_eq!(kinds.iter().map(|(_, change)| *change).collect::<Vec<_>>(), [true, false, true, false]);
    let without = |left_out: &[usize]| {
        let mut forged = content.clone();
        left_out.iter().rev().for_each(|number| drop(forged.remove(kinds[*number].0)));
        let kept: Vec<u64> = forged[begin..].iter().filter_map(shown).collect();
        let mut cover = Cover::default();
        for place in 0..log.size {
            cover.push(shared.node.replica.hashes().leaf(place).unwrap(), kept.contains(&place));
        }
        *forged.last_mut().unwrap() =
            Line::Proof(Proof { hashes: cover.proof().into_iter().map(Hash).collect() });
        forged
    };
    let first = refused(&handed_over(hub, number, without(&[0, 1]), cut).await, &trust, folder);
    assert!(first.why.contains("entries of type dang_vien are missing"), "{first}");
    // The last one: nothing behind it has a number, but its writer has signed for it.
    let last = refused(&handed_over(hub, number, without(&[2]), cut).await, &trust, folder);
    assert!(last.why.contains("signed for 2 changes of type dang_vien, 1 are shown"), "{last}");

    // The whole replica is left out.
    let end = content.len();
    let alone = [&content[..begin], &content[end..]].concat();
    let found = refused(&handed_over(hub, number, alone, cut).await, &trust, folder);
    assert!(found.object.contains(&log.origin[log.origin.len() - 32..]), "{found}");

    // A withheld field is opened after all, or a change says that it is of another record: only what is proven is believed.
    let mut opened_more = content.clone();
    for line in &mut opened_more {
        if let Line::Entry(shown) = line
            && shown.record.is_some()
        {
            let dot = Entry::decode(&shown.entry.0).unwrap().header.dot;
            let at = shared.node.replica.reader().locate(dot.sequence).unwrap().unwrap();
            let frame = shared.node.replica.reader().frame(at).unwrap();
            shown.entry = Bytes(entry_of(&frame.payload, dot.sequence.0));
        }
    }
    let found = refused(&handed_over(hub, number, opened_more, cut).await, &trust, folder);
    assert!(found.why.contains("opens a field that is not granted"), "{found}");

    // What is withheld is said to be erased by an order that nobody gave.
    let mut erased = content.clone();
    if let Some(Line::Entry(shown)) =
        erased.iter_mut().find(|line| matches!(line, Line::Entry(shown) if shown.record.is_some()))
    {
        shown.erased = 1;
    }
    let found = refused(&handed_over(hub, number, erased, cut).await, &trust, folder);
    assert!(found.why.contains("erased by an order"), "{found}");

    // Other terms than the ledger's, another agency, more than one delivery under one event.
    let mut other = content.clone();
    if let Line::Head(head) = &mut other[0] {
        head.terms.purpose = "khác".to_owned();
    }
    let found = refused(&handed_over(hub, number, other, cut).await, &trust, folder);
    assert!(found.object.contains("grant") && found.why.contains("not those of the ledger"), "{found}");
    let mut swapped: Vec<&str> = honest.lines().collect();
    let access = swapped.len() - 2;
    let first_access = text.lines().nth(access).unwrap();
    swapped[access] = first_access;
    checked(&format!("{}\n", swapped.join("\n")), &trust, folder).unwrap();
    let twice = honest.replacen("\"withheld\":[\"", "\"withheld\":[\"x\",\"", 1);
    let found = refused(&twice, &trust, folder);
    assert!(found.why.contains("not what was logged"), "{found}");

    // One form only, also of what stands behind what was logged.
    let spaced = honest.replacen("{\"line\":\"end\",", "{\"line\": \"end\",", 1);
    let found = refused(&spaced, &trust, folder);
    assert!(found.why.contains("malformed"), "{found}");

    let policy = folder.join("policy");
    std::fs::write(&policy, trust.to_text()).unwrap();
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let forgeries: Vec<PathBuf> =
        files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("forgery.")).collect();
    assert_eq!(forgeries.len(), 8);
    for (path, answer) in forgeries.iter().zip(second_opinion(&forgeries, &policy, None).unwrap_or_default())
    {
        assert_eq!(answer["valid"], false, "{path:?}");
    }
}

/// Edited bundles in each run of the tests; the environment says otherwise.
const PACKS: usize = 150;

/// What a hub may try with the lines of a bundle, before it logs and signs them like any other; `wide` are those of a bundle that
/// gives more. What was done.
fn edited(lines: &mut Vec<Line>, wide: &[Line], random: &mut rand::rngs::StdRng) -> &'static str {
    let at = |random: &mut rand::rngs::StdRng, wanted: fn(&Line) -> bool, lines: &[Line]| {
        let places: Vec<usize> = (1..lines.len()).filter(|at| wanted(&lines[*at])).collect();
        places[random.random_range(0..places.len())]
    };
    let of_record = |line: &Line| matches!(line, Line::Entry(shown) if shown.record.is_some());
    let of_log = |line: &Line| matches!(line, Line::Log(log) if log.accepted.is_some());
    match random.random_range(0..10) {
        0 => {
            lines.remove(at(random, |_| true, lines));
            "a line is dropped"
        }
        1 => {
            let place = at(random, |_| true, lines);
            lines.insert(place, lines[place].clone());
            "a line stands twice"
        }
        2 => {
            let place = at(random, of_record, lines);
            let other = if place + 1 < lines.len() { place + 1 } else { place - 1 };
            lines.swap(place, other);
            "two lines are in another order"
        }
        3 => {
            let place = at(random, of_record, lines);
            let Line::Entry(shown) = &mut lines[place] else { unreachable!() };
            let same = |line: &&Line| matches!(line, Line::Entry(other) if other.leaf == shown.leaf);
            let Some(Line::Entry(other)) = wide.iter().find(same) else { unreachable!() };
            shown.entry = other.entry.clone();
            "a change shows more than is granted"
        }
        4 => {
            let place = at(random, of_record, lines);
            let foreign: Vec<&Line> = wide.iter().filter(|line| of_record(line)).collect();
            lines.insert(place, foreign[random.random_range(0..foreign.len())].clone());
            "a change of another bundle is put in"
        }
        5 => {
            let Line::Head(head) = &mut lines[0] else { unreachable!() };
            let share = &mut head.terms.shares[0];
            match random.random_range(0..3) {
                0 => drop(share.units.insert(THERE.parse().unwrap())),
                1 => drop(share.years.insert(2020)),
                _ => drop(share.fields.insert("so_cccd".to_owned())),
            }
            "the terms are others"
        }
        6 => {
            let place = at(random, of_log, lines);
            let Line::Log(log) = &mut lines[place] else { unreachable!() };
            if random.random_bool(0.5) {
                log.size -= 1
            } else {
                log.size += 1
            }
            "a log is of another size"
        }
        7 => {
            let place = at(random, of_record, lines);
            let Line::Entry(shown) = &mut lines[place] else { unreachable!() };
            let byte = random.random_range(0..shown.entry.0.len());
            shown.entry.0[byte] ^= 1 << random.random_range(0..8);
            "a bit of a change is another"
        }
        8 => {
            let place = at(random, of_record, lines);
            let Line::Entry(shown) = &mut lines[place] else { unreachable!() };
            shown.erased += 1;
            "something is said to be erased"
        }
        _ => {
            let place = at(random, of_record, lines);
            let Line::Entry(shown) = &mut lines[place] else { unreachable!() };
            let dot = Entry::decode(&shown.entry.0).unwrap().header.dot;
            let edit = |proposal| (dot.replica, dot.sequence.0, proposal);
            shown.unseen = if random.random_bool(0.5) { vec![edit(true)] } else { vec![edit(false); 2] };
            "an edit nobody saw is no proposal, or is named twice"
        }
    }
}

/// Goal (T39, T41): whatever a hub drops, doubles, adds, opens, moves or claims in a bundle, signed and logged like any other, both
/// verifiers refuse it, and both accept the honest ones. Method: edits drawn at random on the bundle of two communes.
#[tokio::test(flavor = "multi_thread")]
async fn t39_t41_edited_bundles_are_refused_and_honest_ones_accepted_by_both_verifiers() {
    let shared = Shared::set().await;
    let hub = shared.hub();
    let there = make_node(hub, &shared.province.address, &shared.path("there"), THERE).await.unwrap();
    there.start_sync(brisk());
    there.write(vec![member(THERE, "033070000009", "Trần Thị Bình").unwrap()]).await;
    at_node(&there, NodeRequest::LogTally { actor: "lan".to_owned() }).await;
    acknowledged(&there).await.unwrap();
    let narrow = shared.granted(&format!("{MEMBERS}units = ['11953']\n")).await;
    let fields = "[[share]]\ntype = 'dang_vien'\nfields = ['ho_ten', 'chi_bo', 'ma_xa', 'gioi_tinh']\n";
    let wide = shared.granted(fields).await;
    let folder = shared.province.dir.path();
    let lines = async |grant: u64, name: &str| {
        let text = opened(&shared.bundle(grant, name).await, &shared.identity);
        let mut lines: Vec<Line> = text.lines().map(|line| Line::parse(line).unwrap()).collect();
        lines.truncate(lines.len() - 2);
        lines
    };
    let (content, wide) = (lines(narrow, "narrow").await, lines(wide, "wide").await);
    let Line::Log(ledger) = &content[1] else { panic!() };
    let (cut, trust) = (ledger.size, shared.trust().await);
    let packs = std::env::var("LIENTHONG_PACKS").map_or(PACKS, |count| count.parse().unwrap());
    let seed = rand::rng().random();
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let (mut kept, policy) = (Vec::new(), folder.join("policy"));
    std::fs::write(&policy, trust.to_text()).unwrap();
    for number in 0..packs {
        let mut forged = content.clone();
        let honest = number % 2 == 0;
        let what = if honest { "nothing" } else { edited(&mut forged, &wide, &mut random) };
        let text = handed_over(hub, narrow, forged, cut).await;
        let judged = checked(&text, &trust, folder);
        assert_eq!(judged.is_ok(), honest, "seed {seed}, pack {number}: {what}: {judged:?}");
        let path = folder.join(format!("pack.{number}"));
        std::fs::write(&path, &text).unwrap();
        kept.push((path, honest, what));
    }
    for some in kept.chunks(500) {
        let paths: Vec<PathBuf> = some.iter().map(|(path, ..)| path.clone()).collect();
        let answers = second_opinion(&paths, &policy, None).unwrap_or_default();
        for ((path, honest, what), answer) in some.iter().zip(answers) {
            assert_eq!(answer["valid"], *honest, "seed {seed}: {path:?}: {what}: {answer}");
        }
    }
    there.close().await;
}

/// Whom its hub says to believe, whoever witnessed: this is about receipts.
async fn unwitnessed(shared: &Shared) -> Trust {
    let text = shared.trust().await.to_text();
    let (keys, _) = text.rsplit_once("quorum ").unwrap();
    Trust::parse(&format!("{keys}quorum none\n")).unwrap()
}

/// Goal: each receipt holds by the key of its own date, at both verifiers. After a rotation a bundle has receipts of before
/// and behind it, and the policy of before is enough for it; the key of before signs nothing more, and the next nothing
/// that was before it. Method: one commune writes before the rotation, one behind it; then the hub signs with the other key, with one
/// nobody knows, a second later, or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_by_a_key_of_another_time_is_found() {
    let shared = Shared::set().await;
    let (hub, number) = (shared.hub(), shared.granted(MEMBERS).await);
    let folder = shared.province.dir.path();
    let (before, policy_before) = (shared.bundle(number, "before").await, unwitnessed(&shared).await);
    let next = Box::new(NextReceiptKey::made(2));
    let rotated = at_hub(hub, Request::ReceiptKeyRotate { next, actor: "lan".to_owned() }).await;
    assert_eq!(rotated["number"], 2, "{rotated:#}");
    let second = hub.secrets.receipt_verifier(&hub.secrets.receipt_seeds.last()).unwrap();
    let there = make_node(hub, &shared.province.address, &shared.path("there"), THERE).await.unwrap();
    there.start_sync(brisk());
    for count in 0_u64.. {
        let draft = member(THERE, &format!("{:012}", 33_070_000_000 + count), "Nguyễn Văn An").unwrap();
        assert!(there.write(vec![draft]).await.iter().all(Result::is_ok));
        acknowledged(&there).await.unwrap();
        if is_by(&there.evidence.last_receipt().unwrap().cosignature, &second) {
            break;
        }
    }
    at_node(&there, NodeRequest::LogTally { actor: "lan".to_owned() }).await;
    acknowledged(&there).await.unwrap();
    let (after, trust) = (shared.bundle(number, "after").await, unwitnessed(&shared).await);
    assert_ne!(policy_before, trust, "it names both");
    for (bundle, trust) in
        [(&before, &policy_before), (&before, &trust), (&after, &policy_before), (&after, &trust)]
    {
        verify(bundle, Some(&shared.identity), trust, &catalogue().unwrap()).unwrap();
    }

    let text = opened(&after, &shared.identity);
    let lines: Vec<Line> = text.lines().map(|line| Line::parse(line).unwrap()).collect();
    let content = lines[..lines.len() - 2].to_vec();
    let Line::Log(ledger) = &content[1] else { panic!() };
    let cut = ledger.size;
    let seeds = &hub.secrets.receipt_seeds;
    let receipted = |replica: ReplicaId, receipt: &dyn Fn(&Checkpoint, u64) -> Option<String>| {
        let mut forged = content.clone();
        for line in &mut forged {
            if let Line::Log(log) = line
                && log.origin.ends_with(&replica.to_string())
            {
                let root = hub.committer.books().read().replicas[&replica].root;
                let checkpoint = Checkpoint { origin: log.origin.clone(), size: log.size, root, roll: None };
                let date = receipt_seconds(log.receipt.as_ref().unwrap()).unwrap();
                log.receipt = receipt(&checkpoint, date);
            }
        }
        forged
    };
    let name = hub.secrets.cosigner_name();
    let by = |checkpoint: &Checkpoint, date: u64, key: &SigningKey| {
        Some(cosign(checkpoint, date, &name, key).unwrap())
    };
    let stranger = SigningKey::from_seed(&[77; 32]).unwrap();
    let (early, late) = (shared.node.identity.replica(), there.identity.replica());
    let own = receipted(early, &|checkpoint, date| by(checkpoint, date, &seeds.first()));
    checked(&handed_over(hub, number, own, cut).await, &trust, folder).unwrap();
    let packs = [
        receipted(late, &|checkpoint, date| by(checkpoint, date, &seeds.first())),
        receipted(early, &|checkpoint, date| by(checkpoint, date, &seeds.last())),
        receipted(early, &|checkpoint, date| by(checkpoint, date + 1, &seeds.first())),
        receipted(early, &|checkpoint, date| by(checkpoint, date, &stranger)),
        receipted(early, &|_, _| None),
    ];
    for pack in packs {
        let forged = handed_over(hub, number, pack, cut).await;
        for trust in [&policy_before, &trust] {
            let found = refused(&forged, trust, folder);
            let why = ["receipt does not hold", "receipt is missing"];
            assert!(why.iter().any(|why| found.why.contains(why)), "{found}");
        }
    }

    let (policy, key) = (folder.join("policy"), folder.join("co-quan.key"));
    std::fs::write(&key, shared.secret.as_bytes()).unwrap();
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let forgeries: Vec<PathBuf> =
        files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("forgery.")).collect();
    assert_eq!(forgeries.len(), 10);
    for trust in [policy_before, trust] {
        std::fs::write(&policy, trust.to_text()).unwrap();
        let bundles = [&[before.clone(), after.clone()], &forgeries[..]].concat();
        let answers = second_opinion(&bundles, &policy, Some(&key)).unwrap_or_default();
        for (count, answer) in answers.iter().enumerate() {
            assert_eq!(answer["valid"], count < 2, "{:?}: {answer}", bundles[count]);
        }
    }
}

/// What the second verifier says of each bundle; nothing where it cannot run.
fn second_opinion(bundles: &[PathBuf], policy: &Path, key: Option<&Path>) -> Option<Vec<Json>> {
    let ready = std::process::Command::new("python3").args(["-c", "import cryptography"]).output();
    if !ready.is_ok_and(|ready| ready.status.success()) {
        println!("skipped: needs python3 (3.11) with the package `cryptography`");
        return None;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/verifier/verify_bundle.py");
    let mut python = std::process::Command::new("python3");
    python.arg(script).args(bundles).arg("--trust").arg(policy);
    if let Some(key) = key {
        python.arg("--key").arg(key);
    }
    let output = python.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Json> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), bundles.len(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(answers)
}

/// Goal: a verifier that shares no code with the first accepts the same bundles, sealed and opened, makes the same
/// records of them, and refuses the same flipped bytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_verifier_is_of_the_same_opinion() {
    let shared = Shared::set().await;
    let number = shared.granted(MEMBERS).await;
    let bundle = shared.bundle(number, "bundle").await;
    let folder = shared.province.dir.path();
    let (policy, key) = (folder.join("policy"), folder.join("co-quan.key"));
    std::fs::write(&policy, shared.trust().await.to_text()).unwrap();
    std::fs::write(&key, shared.secret.as_bytes()).unwrap();
    let kept = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.join(name), bytes).unwrap();
        folder.join(name)
    };
    let lines = opened(&bundle, &shared.identity);
    let whole = vec![bundle.clone(), kept("opened", lines.as_bytes())];
    let Some(answers) = second_opinion(&whole, &policy, Some(&key)) else { return };
    let verified = shared.verified(&bundle).await.unwrap();
    for answer in answers {
        assert_eq!(answer["valid"], true, "{answer:#}");
        let theirs = answer["records"]["dang_vien"].as_object().unwrap();
        assert_eq!(theirs.len(), 2);
        for record in &verified.records["dang_vien"] {
            let fields = &theirs[record["id"].as_str().unwrap()];
            for (name, value) in record["fields"].as_object().unwrap() {
                assert_eq!(fields[name], serde_json::json!([value]), "{name}");
            }
        }
    }
    let seed = rand::rng().random();
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut flip = |bytes: &[u8], from: usize, name: &str| {
        let mut bytes = bytes.to_vec();
        let at = random.random_range(from..bytes.len());
        bytes[at] ^= 1 << random.random_range(0..8);
        kept(name, &bytes)
    };
    let mut flipped: Vec<PathBuf> =
        (0..200).map(|n| flip(lines.as_bytes(), 1, &format!("flipped.{n}"))).collect();
    // The delivery's own event stands behind what its digest is of: there each form must be the only one.
    let behind = lines.rfind("{\"line\":\"access\"").unwrap();
    flipped.extend((0..400).map(|n| flip(lines.as_bytes(), behind, &format!("behind.{n}"))));
    let sealed = std::fs::read(&bundle).unwrap();
    flipped.extend((0..50).map(|n| flip(&sealed, 1, &format!("sealed.{n}"))));
    for (path, answer) in flipped.iter().zip(second_opinion(&flipped, &policy, Some(&key)).unwrap()) {
        assert!(answer["valid"] == false && answer["object"].is_string(), "seed {seed}: {path:?}: {answer}");
    }
}

/// Goal: of a withdrawal that did not see a value the agency is not shown both verifiers say what the province says.
#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_that_contests_what_is_not_shown_is_so_at_both_verifiers() {
    let shared = Shared::set().await;
    let number = shared.granted(MEMBERS).await;
    let shared = shared.withdrawn_unseen().await;
    let bundle = shared.bundle(number, "bundle").await;
    let verified = shared.verified(&bundle).await.unwrap();
    let ours = &verified.records["dang_vien"];
    let open: Vec<&Json> =
        ours.iter().filter(|record| record["conflicts"] != serde_json::json!([])).collect();
    assert_eq!((ours.len(), open.len()), (2, 1), "{ours:#?}");
    assert_eq!(
        (&open[0]["conflicts"][0]["field"], &open[0]["withdrawn"]),
        (&"_withdrawn".into(), &Json::Null)
    );
    let policy = shared.path("policy");
    std::fs::write(&policy, shared.trust().await.to_text()).unwrap();
    let key = shared.path("co-quan.key");
    std::fs::write(&key, shared.secret.as_bytes()).unwrap();
    let Some(answers) = second_opinion(&[bundle], &policy, Some(&key)) else { return };
    let theirs = &answers[0]["standing"]["dang_vien"];
    let one = serde_json::json!({ "withdrawn": false, "contested": true });
    assert_eq!(theirs, &serde_json::json!({ (open[0]["id"].as_str().unwrap()): one }));
}

/// How far the clock of a hub here is ahead of the machine's.
static AHEAD_MILLIS: AtomicI64 = AtomicI64::new(0);

fn moved_clock() -> UnixMillis {
    UnixMillis(system_clock().0.saturating_add_signed(AHEAD_MILLIS.load(Ordering::SeqCst)))
}

/// A hub by that clock.
async fn province() -> Province {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    make_hub(&data).unwrap();
    let hub = Hub::open(&data, catalogue().unwrap(), &LedgerOptions::default(), moved_clock).unwrap();
    let address = hub.listen("127.0.0.1:0").await.unwrap().to_string();
    Province { dir, hub, address }
}

/// The lines of a bundle without the first acceptance of a log that has more.
fn without_acceptance(content: &[Line]) -> Vec<Line> {
    let is_acceptance = |line: &Line| match line {
        Line::Entry(shown) => Entry::decode(&shown.entry.0).unwrap().header.kind == EntryKind::Acceptance,
        _ => false,
    };
    let places: Vec<usize> = (0..content.len()).filter(|place| is_acceptance(&content[*place])).collect();
    assert!(places.len() > 1, "one acceptance alone");
    let mut lines = content.to_vec();
    lines.remove(places[0]);
    lines
}

/// The lines of a bundle with more events of the ledger behind what they show of it, of each what `keep` keeps, under the
/// ledger as it is then; and its size.
fn with_events(
    hub: &Hub,
    content: &[Line],
    places: &[Sequence],
    keep: &dyn Fn(&str) -> bool,
) -> (Vec<Line>, u64) {
    let (mut forged, head) = (content.to_vec(), hub.head());
    let Line::Head(line) = &mut forged[0] else { panic!() };
    line.cut = hub.ledger_checkpoint_at(head).unwrap();
    let Line::Log(ledger) = &mut forged[1] else { panic!() };
    ledger.size = head.size;
    let end = forged.iter().position(|line| matches!(line, Line::Proof(_))).unwrap();
    let shown = |place: &Sequence| {
        let bytes = hub.ledger_entry(place.0).unwrap();
        let entry = Entry::decode(&bytes).unwrap();
        Line::Entry(Shown {
            entry: Bytes(entry.redact(keep)),
            leaf: Hash(entry.leaf_hash()),
            record: None,
            withheld: Vec::new(),
            refers: Vec::new(),
            erased: 0,
            unseen: Vec::new(),
        })
    };
    forged.splice(end..end, places.iter().map(shown));
    let end = end + places.len();
    let place_of = |line: &Line| match line {
        Line::Entry(shown) => Some(Entry::decode(&shown.entry.0).unwrap().header.dot.sequence.0),
        _ => None,
    };
    let places: BTreeSet<u64> = forged[..end].iter().filter_map(place_of).collect();
    let mut cover = Cover::default();
    for place in 0..head.size {
        cover.push(hub.hashes.leaf(place).unwrap(), places.contains(&place));
    }
    forged[end] = Line::Proof(Proof { hashes: cover.proof().into_iter().map(Hash).collect() });
    (forged, head.size)
}

/// What a roll of one unit says.
fn roll_of(hub: &Hub, members: Vec<Value>) -> BTreeMap<String, Value> {
    let before = hub.committer.books().read().rolls.last_place(u64::MAX).unwrap();
    BTreeMap::from([
        (BEFORE.to_owned(), Value::Integer(before.cast_signed())),
        (UPTO.to_owned(), Value::Integer(0)),
        (line_of(&HERE.parse().unwrap()), Value::List(members)),
    ])
}

/// That this hub's ledger follows another of a unit.
fn follows(hub: &Hub, unit: &str) -> BTreeMap<String, Value> {
    let successor: Origin = hub.secrets.ledger_origin().parse().unwrap();
    let origin = Origin::new("hungyen.example", "33", &unit.parse().unwrap(), ReplicaId([9; 16])).unwrap();
    let key = SigningKey::from_seed(&[9; 32]).unwrap();
    let former = Ledger { origin, key: key.public_key() };
    let successor = Ledger { origin: successor, key: hub.secrets.ledger_public() };
    let note = Succession { successor, former, known: None, witnessed: None }.sign(&key).unwrap();
    BTreeMap::from([("note".to_owned(), Value::Text(note.to_string()))])
}

/// What is handed over, and what each verifier says of it that refuses it.
type Pack = (PathBuf, Option<(&'static str, &'static str)>);

/// Goal (P5, P9): a roll of long ago, one dated behind its delivery, a log that its unit's line does not have, and another unit's
/// log as the ledger before this one are refused by both verifiers, each for that reason; what is like it and true is taken
/// by both. Method: the hub logs and signs all of it; where it is about dates its clock is moved before it hands over.
#[tokio::test(flavor = "multi_thread")]
async fn p5_p9_a_false_roll_and_a_false_former_ledger_are_refused_by_both_verifiers() {
    const MINUTE: i64 = 60_000;
    let shared = Shared::on(province().await).await;
    let (hub, number) = (shared.hub(), shared.granted(MEMBERS).await);
    let text = opened(&shared.bundle(number, "bundle").await, &shared.identity);
    let lines: Vec<Line> = text.lines().map(|line| Line::parse(line).unwrap()).collect();
    let content = lines[..lines.len() - 2].to_vec();
    let Line::Log(ledger) = &content[1] else { panic!() };
    let (cut, trust, folder) = (ledger.size, unwitnessed(&shared).await, shared.path("packs"));
    std::fs::create_dir(&folder).unwrap();
    let packs = std::cell::RefCell::new(Vec::<Pack>::new());
    let hand_over = async |lines: Vec<Line>, cut: u64, refused: Option<(&'static str, &'static str)>| {
        let text = handed_over(hub, number, lines, cut).await;
        let path = folder.join(format!("pack.{}", packs.borrow().len()));
        std::fs::write(&path, text).unwrap();
        packs.borrow_mut().push((path, refused));
    };

    let size = shared.node.sync().unwrap().status().acknowledged;
    let replica = shared.node.identity.replica();
    let true_one = hub.committer.books().read().replicas[&replica].member(replica);
    assert_eq!((true_one.size, true_one.key), (size, Some(shared.node.identity.log_key().public_key())));
    let [listed, another] = [true_one, Member { replica: ReplicaId([7; 16]), size: 0, ..true_one }]
        .map(|member| Value::Text(member.to_string()));
    let unlisted = Some(("not in the list of its unit's", "its replica is not in that list"));
    let foreign = Some(("the event cannot be read", "the ledger before is not of this unit"));
    for (unit, refused) in [("33", None), (THERE, foreign)] {
        let event = hub.event("succession", "hub", follows(hub, unit)).await.unwrap();
        let (lines, cut) = with_events(hub, &content, &[event], &|_| true);
        hand_over(lines, cut, refused).await;
    }
    // A second enrolment, or acceptance, that the unit's nodes have not judged is not the one they have.
    let told = |member: Member| vec![Value::Text(member.to_string())];
    let (key, place) = ("its key is not the one in", "it was not accepted where");
    let twice = ("the event cannot be read", "a malformed line");
    for (members, refused) in [
        (vec![listed.clone()], None),
        (vec![another], unlisted),
        (Vec::new(), unlisted),
        (told(Member { key: Some([9; 32]), ..true_one }), Some((key, key))),
        (told(Member { key: None, ..true_one }), Some((key, key))),
        (told(Member { accepted: true_one.accepted - 1, ..true_one }), Some((place, place))),
        (told(Member { at: UnixMillis(true_one.at.0 - 1), ..true_one }), Some((place, place))),
        (told(Member { size: size - 1, ..true_one }), Some((place, place))),
        // Read from behind it is true.
        ([told(Member { key: Some([9; 32]), ..true_one }), told(true_one)].concat(), Some(twice)),
    ] {
        let roll = log_roll(hub, roll_of(hub, members)).await;
        let (lines, cut) = with_events(hub, &content, &roll, &|_| true);
        hand_over(lines, cut, refused).await;
    }
    // The witnesses have judged the last of these, and all of it: no other line of a unit can be behind what is withheld.
    let judged = Some(("it is not the one that", "it is not the one that"));
    // All acceptances of a log are there: by one that is not, another could say when it was taken.
    let roll = log_roll(hub, roll_of(hub, vec![listed.clone()])).await;
    let (lines, cut_behind) = with_events(hub, &without_acceptance(&content), &roll, &|_| true);
    let gap = "it does not follow the acceptance";
    hand_over(lines, cut_behind, Some((gap, gap))).await;
    let (lines, cut_behind) = with_events(hub, &content, &[], &|_| true);
    hand_over(lines, cut_behind, judged).await;
    let roll = log_roll(hub, roll_of(hub, vec![listed])).await;
    let (lines, cut_behind) = with_events(hub, &content, &roll, &|path| path != UPTO);
    hand_over(lines, cut_behind, Some(("the event cannot be read", "something of it is withheld"))).await;
    let (old, behind) =
        (Some(("too old", "too old")), Some(("behind this delivery", "behind this delivery")));
    for (ahead, refused) in
        [(47 * 60 * MINUTE, None), (49 * 60 * MINUTE, old), (-5 * MINUTE, None), (-20 * MINUTE, behind)]
    {
        AHEAD_MILLIS.store(ahead, Ordering::SeqCst);
        hand_over(content.clone(), cut, refused).await;
    }

    let packs = packs.into_inner();
    let said = |refused: String, wanted: &str| assert!(refused.contains(wanted), "{wanted}: {refused}");
    for (path, refused) in &packs {
        match (verify(path, None, &trust, &catalogue().unwrap()), refused) {
            (Ok(_), None) => {}
            (Err(VerifyError::Refused(found)), Some((why, _))) => said(found.to_string(), why),
            (other, wanted) => panic!("{path:?}: {wanted:?}: {other:?}"),
        }
    }
    let policy = shared.path("policy");
    std::fs::write(&policy, trust.to_text()).unwrap();
    let paths: Vec<PathBuf> = packs.iter().map(|(path, _)| path.clone()).collect();
    for ((path, refused), answer) in
        packs.iter().zip(second_opinion(&paths, &policy, None).unwrap_or_default())
    {
        assert_eq!(answer["valid"], refused.is_none(), "{path:?}: {answer}");
        if let Some((_, why)) = refused {
            said(answer["reason"].to_string(), why);
        }
    }
}
