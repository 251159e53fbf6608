//! Signed texts: notes, checkpoints, cosignatures, keys, successions, policies.

use lienthong_proto::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use lienthong_proto::cosignature::{cosign, verify_cosignature};
use lienthong_proto::disclosure::Trust;
use lienthong_proto::hash::{Signer as _, SigningKey};
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::note::{Algorithm, Note, Signature, Verifier};
use lienthong_proto::succession::{Ledger, Succession, TreeHead, follow};
use lienthong_proto::witness::Policy;

use super::{Target, one_form, small};

pub(super) const TARGETS: &[Target] = &[
    small("note", note, all_notes),
    small("checkpoint", checkpoint, all_notes),
    small("cosignature", cosignature, cosignatures),
    small("verifier", verifier, verifiers),
    small("succession", succession, successions),
    small("policy", policy, policies),
];

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn origin(replica: u8) -> Origin {
    Origin::new("kiemtra.vn", "33", &"33".parse().unwrap(), ReplicaId([replica; 16])).unwrap()
}

fn signed() -> Checkpoint {
    Checkpoint { origin: origin(7).to_string(), size: 9, root: [5; 32], roll: None }
}

fn witness(n: u8) -> Verifier {
    Verifier::new(&format!("w{n}.vn"), Algorithm::Cosignature, key(n).public_key()).unwrap()
}

fn line(n: u8) -> String {
    cosign(&signed(), 1_800_000_000, &format!("w{n}.vn"), &key(n)).unwrap()
}

fn all_notes() -> Vec<Vec<u8>> {
    let mut cosigned = signed().sign(&key(1)).unwrap();
    for n in 2..4 {
        cosigned.note_mut().add(Signature::parse(&line(n)).unwrap()).unwrap();
    }
    let mut text = Note::new("một\n\nhai\n").unwrap();
    text.sign("a.vn/log", &key(1)).unwrap();
    vec![cosigned.to_string().into_bytes(), text.to_string().into_bytes(), signed().body().into_bytes()]
}

/// A note has one form; what a known key is said to have signed is what it signed.
fn note(data: &[u8]) {
    let Some(note) = one_form(Note::parse(data), |note| note.to_string().into_bytes(), data) else { return };
    let known: Vec<Verifier> = (2..5).map(witness).collect();
    if let Ok(verified) = note.verify(&known) {
        assert!(verified.len() <= known.len());
        assert_eq!(note.text(), signed().body(), "a cosigner's signature holds over what it never signed");
    }
    let policy = Policy::new(known).unwrap();
    if let Ok((count, time)) = policy.judge(&note) {
        assert!(count <= 3 && (time.is_none() || count >= 2));
    }
    // Any text a note can have comes back from one.
    if let Ok(mut made) = Note::new(note.text()) {
        made.sign("a.vn/log", &key(1)).unwrap();
        assert_eq!(Note::parse(made.to_string().as_bytes()).as_ref(), Ok(&made));
    }
}

/// A checkpoint has one form, and one that holds is the one that was signed.
fn checkpoint(data: &[u8]) {
    let log = key(1).public_key();
    if let Ok(read) = SignedCheckpoint::verify(data, &signed().origin, log) {
        assert_eq!(*read.checkpoint(), signed(), "a checkpoint that was never signed holds");
        assert_eq!(read.to_string().as_bytes(), data);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    one_form(Checkpoint::parse_body(text), |read| read.body().into_bytes(), data);
    if let Ok(origin) = text.parse::<Origin>() {
        assert_eq!(origin.as_str(), text);
    }
    let root = data.first().copied().unwrap_or_default();
    let made = Checkpoint { origin: text.to_owned(), size: data.len() as u64, root: [root; 32], roll: None };
    if let Ok(signed) = made.sign(&key(1)) {
        let read = SignedCheckpoint::verify(signed.to_string().as_bytes(), text, log).unwrap();
        assert_eq!(*read.checkpoint(), made);
    }
}

fn cosignatures() -> Vec<Vec<u8>> {
    (2..4).map(|n| line(n).into_bytes()).collect()
}

/// A line has one form, and holds only if it is the one its key made.
fn cosignature(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    one_form(Signature::parse(text), |line| line.to_string().into_bytes(), data);
    for n in 2..4 {
        let held = verify_cosignature(text, &signed(), key(n).public_key(), &format!("w{n}.vn"));
        assert!(held.is_err() || text == line(n), "a line its key never made holds");
    }
}

fn verifiers() -> Vec<Vec<u8>> {
    let log = Verifier::new("a.vn/log", Algorithm::Ed25519, key(1).public_key()).unwrap();
    [log, witness(2)].iter().map(|key| key.to_string().into_bytes()).collect()
}

fn verifier(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    one_form(text.parse::<Verifier>(), |key| key.to_string().into_bytes(), data);
}

fn stated() -> Succession {
    let ledger = |n| Ledger { origin: origin(n), key: key(n).public_key() };
    let known = Some(TreeHead { size: 9, root: [5; 32] });
    Succession { successor: ledger(2), former: ledger(1), known, witnessed: None }
}

fn successions() -> Vec<Vec<u8>> {
    vec![stated().sign(&key(9)).unwrap().to_string().into_bytes(), stated().text().into_bytes()]
}

/// A statement has one form, and leads on only if the recovery key signed it.
fn succession(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    one_form(Succession::parse(text), |read| read.text().into_bytes(), data);
    let recovery = key(9).public_key();
    if let Ok(read) = Succession::verify(text, recovery) {
        assert_eq!(read, stated(), "a statement that was never signed holds");
    }
    let known = Ledger { origin: origin(1), key: key(1).public_key() };
    if let Ok((to, taken)) = follow(&known, &[text.to_owned()], recovery) {
        assert_eq!((to, taken.len()), (stated().successor, 1));
    }
}

fn policies() -> Vec<Vec<u8>> {
    let log = Verifier::new(origin(7).as_str(), Algorithm::Ed25519, key(1).public_key()).unwrap();
    let mut text = format!("# the province\nlog {log}\n\n");
    (2..5).for_each(|n| text.push_str(&format!("witness w{n} {} https://x\n", witness(n))));
    let groups = format!("{text}group two 2 w2 w3 w4\ngroup both all two w4\nquorum both\n");
    // Each group twice in the next: 2^40 ways through them.
    let mut layers = format!("{text}group a0 any w2\ngroup b0 any w3\n");
    for n in 1..40 {
        layers.push_str(&format!("group a{n} all a{0} b{0}\ngroup b{n} all a{0} b{0}\n", n - 1));
    }
    layers.push_str("quorum a39\n");
    vec![groups.into_bytes(), layers.into_bytes(), format!("{text}quorum none\n").into_bytes()]
}

/// A policy comes back from its own text, and a note nobody cosigned reaches no quorum.
fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(read) = Trust::parse(text) else { return };
    assert_eq!(Trust::parse(&read.to_text()).as_ref(), Ok(&read));
    let alone = signed().sign(&key(1)).unwrap().to_string();
    if let Ok(believed) = read.believe(alone.as_bytes(), &signed().origin) {
        assert_eq!(believed.quorum, !read.asks_witnesses(), "a quorum of nobody");
    }
    let [cosigned, ..] = &all_notes()[..] else { return };
    let _ = read.believe(cosigned, &signed().origin);
}
