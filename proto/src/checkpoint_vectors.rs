//! Recomputes the vectors that other languages check against.

use serde_json::{Value, json};

use crate::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use crate::cosignature::{cosign, verify_cosignature};
use crate::hash::{Digest, Signer, SigningKey, sha256};
use crate::ids::ReplicaId;
use crate::note::{Algorithm, Verifier};
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
    let checkpoint = Checkpoint { origin: origin.to_owned(), size: 1, root };
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
