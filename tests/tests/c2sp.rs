//! What others read: checkpoints, keys, cosignatures and tiles of the ledger, by a C2SP implementation that is not ours
//! (`signed_note`, `tlog_tiles`, and the Ed25519 of `ed25519-dalek`), over HTTP as anybody would; and cosignatures by
//! another that knows them itself (`sigsum`).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use ed25519_dalek::{Signature as Ed25519, VerifyingKey};
use lienthong_hub::app::Hub;
use lienthong_proto::checkpoint::Checkpoint as OurCheckpoint;
use lienthong_proto::cosignature::cosign;
use lienthong_proto::entry::Entry;
use lienthong_proto::hash::{Signer as _, SigningKey, sha256};
use lienthong_proto::merkle;
use lienthong_proto::note::{Algorithm, Signature, Verifier as Key};
use lienthong_tests::{Province, acknowledged, brisk, make_node, member};
use signed_note::{Note, StandardVerifier, Verifier, VerifierList, key_id};
use tlog_tiles::{
    Checkpoint, Error, Hash, HashReader as _, Tile, TileHashReader, TileReader, check_record, check_tree,
    prove_record, prove_tree, stored_hash_index,
};

const UNITS: [&str; 3] = ["11953", "11977", "12004"];

/// Status and body of what stands at a path.
fn get(address: SocketAddr, path: &str) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: ledger\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
    (status, answer.split_off(head + 4))
}

/// A tlog-cosignature key for their notes: their key id, and `ed25519-dalek` for the signature.
struct Cosigner {
    name: String,
    id: u32,
    key: VerifyingKey,
}

impl Cosigner {
    /// Of a key as text.
    fn new(vkey: &str) -> Self {
        use base64::Engine as _;
        let mut parts = vkey.splitn(3, '+');
        let (name, id, key) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let bytes = base64::engine::general_purpose::STANDARD.decode(key).unwrap();
        assert_eq!((bytes[0], bytes.len()), (4, 33));
        assert_eq!(format!("{:08x}", key_id(name, &bytes)), id, "their key id is ours");
        let key = VerifyingKey::from_bytes(bytes[1..].try_into().unwrap()).unwrap();
        Self { name: name.to_owned(), id: key_id(name, &bytes), key }
    }
}

impl Verifier for Cosigner {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let Some((time, signature)) = signature.split_first_chunk::<8>() else { return false };
        let time = u64::from_be_bytes(*time);
        let message = [format!("cosignature/v1\ntime {time}\n").as_bytes(), text].concat();
        Ed25519::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(&message, &signature).is_ok())
    }
}

/// Their reader of tiles, over HTTP; a byte of one tile may be changed on its way.
struct Tiles {
    address: SocketAddr,
    meddle: Option<&'static str>,
}

impl TileReader for Tiles {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| {
            // tlog-tiles leaves out the height, which is always 8.
            let path = tile.path().replacen("tile/8/", "/tile/", 1);
            let (status, mut bytes) = get(self.address, &path);
            assert_eq!((status, bytes.len()), (200, tile.width() as usize * 32), "{path}");
            if self.meddle == Some(path.as_str()) {
                bytes[7] ^= 1;
            }
            bytes
        };
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _tiles: &[Tile], _data: &[Vec<u8>]) {}
}

/// Grows the ledger and has it witnessed by all.
async fn witnessed(hub: &Arc<Hub>, entries: u64) {
    for _ in 0..entries {
        hub.event("import", "x", Default::default()).await.unwrap();
    }
    let closed = hub.close_round().await.unwrap().unwrap();
    while hub.rounds.cosigned() != (UNITS.len(), 0) {
        tokio::task::yield_now().await;
    }
    assert_eq!(hub.witnessed().unwrap().checkpoint, closed);
}

/// Goal: somebody else's programs read what we publish, come to the same answers, and refuse what was meddled with.
#[tokio::test(flavor = "multi_thread")]
async fn p6_somebody_elses_programs_read_checkpoints_cosignatures_and_tiles() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let tiles = hub.serve_tiles("127.0.0.1:0").await.unwrap().address;
    assert_eq!(get(tiles, "/checkpoint").0, 503, "nothing was witnessed yet");
    assert_eq!(get(tiles, "/tile/0/000.p/1").0, 404);
    let mut nodes = Vec::new();
    for (number, unit) in UNITS.iter().enumerate() {
        let node = make_node(&hub, &address, &dir.path().join(unit), unit).await.unwrap();
        node.start_sync(brisk());
        node.write(vec![member(unit, &format!("0330700{unit}"), "Nguyễn Văn An").unwrap()]).await;
        acknowledged(&node).await.unwrap();
        while hub.committer.books().read().witnesses.keys.len() <= number {
            tokio::task::yield_now().await;
        }
        nodes.push(node);
    }
    witnessed(&hub, 300).await;
    let (_, first) = get(tiles, "/checkpoint");
    let first = Checkpoint::from_bytes(Note::from_bytes(&first).unwrap().text()).unwrap();
    let roll = hub.committer.roll(Vec::new()).await.unwrap();
    witnessed(&hub, 400).await;

    // The checkpoint, the ledger's key and the witnesses' keys, as text.
    let (status, text) = get(tiles, "/checkpoint");
    assert_eq!(status, 200);
    let note = Note::from_bytes(&text).unwrap();
    let checkpoint = Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!(checkpoint.origin(), hub.secrets.ledger_origin());
    assert_eq!(checkpoint.size(), hub.head().size);
    assert_eq!(checkpoint.hash().0, hub.head().root);
    assert_eq!(checkpoint.extension(), format!("roll {roll}\n"));
    let ledger = Key::new(checkpoint.origin(), Algorithm::Ed25519, hub.secrets.ledger_public()).unwrap();
    let books = Arc::clone(&hub.committer.books().read().witnesses);
    let (_, policy) = books.policy_at(checkpoint.size()).unwrap();
    let known = || {
        let mut known: Vec<Box<dyn Verifier>> =
            vec![Box::new(StandardVerifier::new(&ledger.to_string()).unwrap())];
        known.extend(
            policy
                .witnesses()
                .iter()
                .map(|key| Box::new(Cosigner::new(&key.to_string())) as Box<dyn Verifier>),
        );
        VerifierList::new(known)
    };
    let (held, others) = note.verify(&known()).unwrap();
    assert_eq!((held.len(), others.len()), (1 + UNITS.len(), 0));
    // One letter of the text, or one of a signature, and they refuse it.
    let text = String::from_utf8(text).unwrap();
    let size = format!("\n{}\n", checkpoint.size());
    let changed = text.replacen(&size, &format!("\n{}\n", checkpoint.size() + 1), 1);
    assert!(Note::from_bytes(changed.as_bytes()).unwrap().verify(&known()).is_err());
    let last = text.trim_end().rfind(' ').unwrap() + 30;
    let letter = if &text[last..=last] == "A" { "B" } else { "A" };
    let changed = format!("{}{letter}{}", &text[..last], &text[last + 1..]);
    assert!(Note::from_bytes(changed.as_bytes()).unwrap().verify(&known()).is_err());

    // Tiles lead to the root; entries stand in it, and the first checkpoint too.
    tokio::task::block_in_place(|| {
        let (size, root) = (checkpoint.size(), *checkpoint.hash());
        let whole = Tiles { address: tiles, meddle: None };
        let reader = TileHashReader::new(size, root, &whole);
        for index in [0, 1, 255, 256, 300, 511, 512, size - 1] {
            let entry = hub.ledger_entry(index).unwrap();
            let leaf = Hash(Entry::decode(&entry).unwrap().leaf_hash());
            assert_eq!(reader.read_hashes(&[stored_hash_index(0, index)]).unwrap(), [leaf], "entry {index}");
            let proof = prove_record(size, index, &reader).unwrap();
            check_record(&proof, size, root, index, leaf).unwrap();
        }
        let proof = prove_tree(size, first.size(), &reader).unwrap();
        check_tree(&proof, size, root, first.size(), *first.hash()).unwrap();
        let meddled = Tiles { address: tiles, meddle: Some("/tile/0/001") };
        let reader = TileHashReader::new(size, root, &meddled);
        // Their reader leaves some tiles to the proof, which leads to another root then.
        let entry = hub.ledger_entry(300).unwrap();
        let leaf = Hash(Entry::decode(&entry).unwrap().leaf_hash());
        let refused =
            prove_record(size, 300, &reader).and_then(|proof| check_record(&proof, size, root, 300, leaf));
        assert!(refused.is_err());
        // Nothing behind the checkpoint, no contents, and nothing by another name.
        let (full, partial) = (size / 256, size % 256);
        assert_eq!(get(tiles, &format!("/tile/0/{full:03}.p/{partial}")).0, 200);
        for path in [
            format!("/tile/0/{full:03}.p/{}", partial + 1),
            format!("/tile/0/{full:03}"),
            "/tile/entries/000".to_owned(),
            "/tile/8/0/000".to_owned(),
            "/tile/0/0000".to_owned(),
            "/tile/0/%2e%2e/000".to_owned(),
            "/tile/".to_owned(),
            "/metrics".to_owned(),
            "/".to_owned(),
        ] {
            assert_eq!(get(tiles, &path).0, 404, "{path}");
        }
    });
    hub.close().await;
}

/// What a log of Sigsum's hands out for a leaf, as text: its checkpoint signed, its cosignatures and its proof made by our
/// code alone.
struct Sigsum {
    submitter: SigningKey,
    log: SigningKey,
    witnesses: Vec<SigningKey>,
}

impl Sigsum {
    const MESSAGE: [u8; 32] = [7; 32];
    const TIME: u64 = 1_800_000_000;

    fn new() -> Self {
        let key = |seed| SigningKey::from_seed(&[seed; 32]).unwrap();
        Self { submitter: key(1), log: key(2), witnesses: vec![key(3), key(4), key(5)] }
    }

    /// The third of five leaves, under a checkpoint with the cosignatures of these witnesses.
    fn proof(&self, cosigners: &[usize]) -> String {
        let of = |key: &SigningKey| hex::encode(sha256(&[&key.public_key()]));
        let checksum = sha256(&[&Self::MESSAGE]);
        let signed = self.submitter.sign(&[b"sigsum.org/v1/tree-leaf\0".as_slice(), &checksum].concat());
        let leaf = merkle::leaf_hash_of(&[&checksum, &signed, &sha256(&[&self.submitter.public_key()])]);
        let leaves = [[0; 32], [1; 32], leaf, [3; 32], [4; 32]];
        let checkpoint = OurCheckpoint {
            origin: format!("sigsum.org/v1/tree/{}", of(&self.log)),
            size: leaves.len() as u64,
            root: merkle::root_at(leaves.as_slice(), 5).unwrap(),
            roll: None,
        };
        let ours = checkpoint.sign(&self.log).unwrap();
        let mut text = format!(
            "version=2\nlog={}\nleaf={} {}\n\nsize={}\nroot_hash={}\nsignature={}\n",
            of(&self.log),
            of(&self.submitter),
            hex::encode(signed),
            checkpoint.size,
            hex::encode(checkpoint.root),
            hex::encode(&ours.note().signatures()[0].bytes),
        );
        for cosigner in cosigners {
            let witness = &self.witnesses[*cosigner];
            let line = cosign(&checkpoint, Self::TIME, "11953", witness).unwrap();
            let dated = Signature::parse(&line).unwrap().bytes;
            let (time, signature) = dated.split_first_chunk().unwrap();
            let (time, signature) = (u64::from_be_bytes(*time), hex::encode(signature));
            writeln!(text, "cosignature={} {time} {signature}", of(witness)).unwrap();
        }
        text.push_str("\nleaf_index=2\n");
        for node in merkle::inclusion_proof(leaves.as_slice(), 2, 5).unwrap() {
            writeln!(text, "node_hash={}", hex::encode(node)).unwrap();
        }
        text
    }

    /// What their program says of it, where two of the three witnesses must have seen it.
    fn judged(&self, proof: &str) -> Result<(), String> {
        let mut policy = format!("log {}\n", hex::encode(self.log.public_key()));
        for (name, key) in ["a", "b", "c"].iter().zip(&self.witnesses) {
            writeln!(policy, "witness {name} {}", hex::encode(key.public_key())).unwrap();
        }
        policy.push_str("group two 2 a b c\nquorum two\n");
        let policy = sigsum::Policy::parse(&policy).unwrap();
        let proof = sigsum::SigsumSignature::from_ascii(proof).map_err(|error| error.to_string())?;
        let signer = sigsum::PublicKey::from(self.submitter.public_key());
        sigsum::verify(&Self::MESSAGE.into(), &proof, &[signer], &policy).map_err(|error| error.to_string())
    }
}

/// Goal: cosignatures are read and counted by a verifier that is not ours (Sigsum's, which knows logs of Sigsum's only),
/// with the checkpoint and the proof under them; with too few, of another time, or of another checkpoint it refuses.
#[test]
fn p6_somebody_elses_verifier_counts_our_cosignatures() {
    let log = Sigsum::new();
    let proof = log.proof(&[0, 2]);
    assert_eq!(log.judged(&proof), Ok(()));
    assert_eq!(log.judged(&log.proof(&[0, 1, 2])), Ok(()));
    for few in [&[][..], &[1], &[1, 1]] {
        assert!(log.judged(&log.proof(few)).unwrap_err().contains("not enough"), "{few:?}");
    }
    let later = proof.replace(&format!(" {} ", Sigsum::TIME), &format!(" {} ", Sigsum::TIME + 1));
    assert!(log.judged(&later).unwrap_err().contains("bad witness cosignature"));
    let stranger = Sigsum { log: SigningKey::from_seed(&[9; 32]).unwrap(), ..Sigsum::new() };
    let cosignatures = |proof: &str| -> Vec<String> {
        proof.lines().filter(|line| line.starts_with("cosignature=")).map(str::to_owned).collect()
    };
    let mut foreign = proof.clone();
    for (ours, theirs) in cosignatures(&proof).iter().zip(cosignatures(&stranger.proof(&[0, 2]))) {
        foreign = foreign.replace(ours, &theirs);
    }
    assert!(log.judged(&foreign).unwrap_err().contains("bad witness cosignature"));
    assert!(log.judged(&proof.replace("size=5", "size=6")).unwrap_err().contains("bad log signature"));
    let moved = proof.replace("leaf_index=2", "leaf_index=3");
    assert!(log.judged(&moved).unwrap_err().contains("bad inclusion proof"));
}
