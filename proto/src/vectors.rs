//! Recomputes the vectors that other languages check against.

use serde_json::{Value, json};

use crate::bytes::Writer;
use crate::change::{Change, Context, Meta, Write};
use crate::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use crate::cosignature::{cosign, verify_cosignature};
use crate::entry::Entry;
use crate::hash::{Digest, Signer, SigningKey, sha256};
use crate::ids::{Dot, RecordId, ReplicaId, Sequence};
use crate::note::{Algorithm, Verifier};
use crate::time::Hlc;
use crate::value::Value as Cell;
use crate::withdrawal::Withdrawal;
use crate::{fingerprint, merkle};

fn hexes(proof: &[Digest]) -> Vec<String> {
    proof.iter().map(hex::encode).collect()
}

#[test]
fn merkle_vectors_are_recomputed() {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/merkle.json")).unwrap();
    let leaves: Vec<Digest> = (0..300).map(|i| merkle::leaf_hash(format!("leaf {i}").as_bytes())).collect();
    let leaves = leaves.as_slice();
    let list = |name: &str| file[name].as_array().filter(|list| !list.is_empty()).cloned().unwrap();
    for case in list("roots") {
        let root = merkle::root_at(leaves, case["size"].as_u64().unwrap()).unwrap();
        assert_eq!(case["root"], json!(hex::encode(root)));
    }
    for case in list("inclusion") {
        let (index, size) = (case["index"].as_u64().unwrap(), case["size"].as_u64().unwrap());
        let proof = merkle::inclusion_proof(leaves, index, size).unwrap();
        assert_eq!(case["proof"], json!(hexes(&proof)), "{index} of {size}");
    }
    for case in list("consistency") {
        let (old, new) = (case["old"].as_u64().unwrap(), case["new"].as_u64().unwrap());
        let proof = merkle::consistency_proof(leaves, old, new).unwrap();
        assert_eq!(case["proof"], json!(hexes(&proof)), "{old} to {new}");
    }
}

#[test]
fn checkpoint_vectors_are_recomputed() {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/checkpoint.json")).unwrap();
    let (log, hub) = (SigningKey::from_seed(&[1; 32]).unwrap(), SigningKey::from_seed(&[2; 32]).unwrap());
    let unit = "12004".parse().unwrap();
    let origin = Origin::new("lienthong.example", "33", &unit, ReplicaId([0x11; 16])).unwrap();
    let (origin, name) = (origin.as_str(), "lienthong.example/33/receipt");
    let root = merkle::leaf_hash(b"leaf 0");
    let checkpoint = Checkpoint { origin: origin.to_owned(), size: 1, root, roll: None };
    let signed = checkpoint.sign(&log).unwrap();
    let line = cosign(&checkpoint, 1_800_000_000, name, &hub).unwrap();
    let text = signed.to_string();
    assert_eq!(SignedCheckpoint::verify(text.as_bytes(), origin, log.public_key()), Ok(signed));
    assert_eq!(verify_cosignature(&line, &checkpoint, hub.public_key(), name), Ok(1_800_000_000));
    let vkey = |name: &str, algorithm, key| Verifier::new(name, algorithm, key).unwrap().to_string();
    let computed = json!({
        "log_seed": hex::encode([1; 32]),
        "log_public_key": hex::encode(log.public_key()),
        "log_vkey": vkey(origin, Algorithm::Ed25519, log.public_key()),
        "origin": origin,
        "size": 1,
        "root": hex::encode(root),
        "signed": text,
        "cosigner_seed": hex::encode([2; 32]),
        "cosigner_public_key": hex::encode(hub.public_key()),
        "cosigner_vkey": vkey(name, Algorithm::Cosignature, hub.public_key()),
        "cosignature_time": 1_800_000_000,
        "cosignature_line": line,
        "fingerprint_of_log_key": fingerprint::words(&sha256(&[&log.public_key()])),
    });
    assert_eq!(file, computed, "{computed:#}");
}

#[test]
fn the_entry_vector_is_recomputed() {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/entry.json")).unwrap();
    let own = ReplicaId([0x11; 16]);
    let write = |path: &str, value, seen: &[(ReplicaId, u64)]| Write {
        path: path.to_owned(),
        value,
        context: Context::new(seen.iter().copied()),
    };
    let change = Change {
        dot: Dot { replica: own, sequence: Sequence(9) },
        record: RecordId([0x33; 16]),
        record_type: "dang_vien".to_owned(),
        year: 2026,
        number: 1,
        meta: Meta { hlc: Hlc(5), author: "lan".to_owned(), catalogue: [0x44; 8] },
        origin: None,
        writes: vec![
            write("_unit", Cell::Unit("11953".parse().unwrap()), &[]),
            write("ho_ten", Cell::Text("Trần Thị Hòa".to_owned()), &[(ReplicaId([0x22; 16]), 7)]),
            write("ngay_sinh", Cell::Date(0), &[]),
        ],
    };
    let secret: [u8; 16] = std::array::from_fn(|n| u8::try_from(n).unwrap());
    let (bytes, leaf) = change.build(&secret).unwrap();
    assert_eq!(file["full"], json!(hex::encode(&bytes)));
    assert_eq!(file["leaf_hash"], json!(hex::encode(leaf)));
    let entry = Entry::decode(&bytes).unwrap();
    for (part, (path, _)) in entry.parts().iter().zip(entry.opened()) {
        assert_eq!(file["commitments"][path], json!(hex::encode(part.commitment())), "{path}");
    }
    let redacted = entry.redact(|path| matches!(path, "_type" | "_year" | "_n"));
    assert_eq!(file["redacted_to_type_year_number"], json!(hex::encode(&redacted)));
    assert_eq!(Entry::decode(&redacted).unwrap().leaf_hash(), leaf);
}

#[test]
fn the_withdrawal_vector_is_recomputed() {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/withdrawal.json")).unwrap();
    let dots = file["seen"].as_object().unwrap().iter().flat_map(|(replica, sequences)| {
        let replica: ReplicaId = replica.parse().unwrap();
        let sequences = sequences.as_array().unwrap().iter();
        sequences.map(move |sequence| Dot { replica, sequence: Sequence(sequence.as_u64().unwrap()) })
    });
    let withdrawal = Withdrawal::new(file["reason"].as_str().unwrap(), dots).unwrap();
    let bytes = |value: &Cell| {
        let mut out = Writer::default();
        value.encode(&mut out);
        json!(hex::encode(out.into_bytes()))
    };
    assert_eq!(file["value"], bytes(&withdrawal.to_value()));
    assert_eq!(file["stands_again"], bytes(&Cell::Null));
}
