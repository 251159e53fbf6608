//! Files that are kept or carried: backups, sealed bundles, keys, tokens, settings.

use std::io::{BufReader, Read as _, Write as _};

use lienthong_node::at_rest::KeyRing;
use lienthong_node::backup::{
    Identity, Manifest, Piece, Recipient, SignedManifest, Source, Target as Backup,
};
use lienthong_node::identity::{Proxy, Token};
use lienthong_node::sealed::{SealedReader, SealedWriter};
use lienthong_proto::hash::{Signer as _, SigningKey};
use lienthong_proto::time::UnixMillis;

use super::{Bound, Target, small};

pub(super) const TARGETS: &[Target] = &[
    Target { bound: Bound { each: 64, base: 1 << 20 }, rounds: 500, ..small("sealed", sealed, sealed_files) },
    Target {
        bound: Bound { each: 64, base: 2 << 20 },
        rounds: 300,
        ..small("backup_object", object, objects)
    },
    Target { bound: Bound { each: 256, base: 256 << 10 }, ..small("manifest", manifest, manifests) },
    small("key_file", key_file, key_files),
];

const SECRET: &str = "x25519-private:0101010101010101010101010101010101010101010101010101010101010101";

fn identity() -> Identity {
    SECRET.parse().unwrap()
}

fn plain() -> Vec<u8> {
    (0..70_000u32).map(|n| (n % 251) as u8).collect()
}

fn sealed_files() -> Vec<Vec<u8>> {
    let sealed = |bytes: &[u8]| {
        let mut writer = SealedWriter::new(Vec::new(), identity().recipient()).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    };
    vec![sealed(b"{\"line\":\"end\",\"lines\":0}\n"), sealed(&plain())]
}

/// What a sealed file gives is what was sealed: a beginning of it, and the whole of it only if it says so. Anyone can seal
/// to a recipient, but not by changing what another sealed.
fn sealed(data: &[u8]) {
    let Ok(mut reader) = SealedReader::new(BufReader::new(data), &identity()) else { return };
    let mut opened = Vec::new();
    let ended = reader.read_to_end(&mut opened);
    let originals: [&[u8]; 2] = [b"{\"line\":\"end\",\"lines\":0}\n", &plain()];
    match ended {
        Ok(_) => assert!(originals.contains(&opened.as_slice()), "an altered file opens"),
        Err(_) => assert!(originals.iter().any(|whole| whole.starts_with(&opened)), "an altered chunk opens"),
    }
}

fn manifest_of(files: Vec<lienthong_node::backup::FileEntry>) -> Manifest {
    Manifest {
        version: 1,
        kind: "node".to_owned(),
        program: "0.1.0".to_owned(),
        unit: "11953".parse().unwrap(),
        replica: lienthong_proto::ids::ReplicaId([7; 16]),
        origin: "kiemtra.vn/33/11953/07070707070707070707070707070707".to_owned(),
        key: hex::encode(signer().public_key()),
        made_at: UnixMillis(1_790_000_000_000),
        size: 9,
        root: "05".repeat(32),
        checkpoint: String::new(),
        successions: Vec::new(),
        files,
    }
}

fn signer() -> SigningKey {
    SigningKey::from_seed(&[5; 32]).unwrap()
}

/// A backup of one encrypted file in a folder of its own, and the path of its object.
struct Kept {
    _dirs: [tempfile::TempDir; 2],
    backup: Backup,
    manifest: Manifest,
    object: std::path::PathBuf,
}

impl Kept {
    fn make() -> Self {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let to = Backup::new(dirs[1].path()).encrypted_to(Some(identity().recipient()));
        let piece = Piece { path: "log/00000000.seg".to_owned(), source: Source::Bytes(plain()) };
        let origin = manifest_of(Vec::new()).origin;
        let seal = |files| {
            let manifest = manifest_of(files);
            let bytes = manifest.sign(&signer())?;
            Ok((manifest, bytes))
        };
        to.write(dirs[0].path(), &origin, &[piece], seal).unwrap();
        let backup = to.opened_by(Some(identity()));
        let manifest = backup.manifest().unwrap().manifest;
        let object = dirs[1].path().join("objects").join(manifest.files[0].object());
        Self { _dirs: dirs, backup, manifest, object }
    }
}

thread_local! {
    static KEPT: Kept = Kept::make();
}

fn objects() -> Vec<Vec<u8>> {
    vec![KEPT.with(|kept| std::fs::read(&kept.object).unwrap())]
}

/// A file of a backup comes back as it was, or not at all; nothing is laid out outside the folder.
fn object(data: &[u8]) {
    KEPT.with(|kept| {
        std::fs::write(&kept.object, data).unwrap();
        if let Ok(bytes) = kept.backup.bytes(&kept.manifest, "log/00000000.seg") {
            assert!(bytes == plain(), "an altered object opens");
        }
    });
}

fn manifests() -> Vec<Vec<u8>> {
    let signed = |manifest: Manifest| manifest.sign(&signer()).unwrap();
    let listed = KEPT.with(|kept| kept.manifest.clone());
    vec![signed(manifest_of(Vec::new())), signed(listed)]
}

/// Only a manifest that was signed is believed.
fn manifest(data: &[u8]) {
    let Ok(read) = SignedManifest::parse(data) else { return };
    let said = read.manifest.clone();
    let _ = (said.root(), said.key(), said.file("log/00000000.seg"));
    if let Ok(believed) = read.verify(signer().public_key()) {
        let good = [manifest_of(Vec::new()), KEPT.with(|kept| kept.manifest.clone())];
        assert!(
            good.contains(&believed) || believed.files.len() == 1,
            "a manifest that was never signed holds"
        );
        assert_eq!(believed.sign(&signer()).unwrap(), data, "a second form was accepted");
    }
}

fn key_files() -> Vec<Vec<u8>> {
    let token = Token { id: [1; 8], secret: [2; 16], root: [3; 32], ledger: [4; 32] };
    vec![
        SECRET.as_bytes().to_vec(),
        identity().recipient().to_string().into_bytes(),
        format!("# khóa\n{}\n\n{}\n", "01".repeat(32), "02".repeat(32)).into_bytes(),
        token.to_string().into_bytes(),
        b"http://[::1]:3128/".to_vec(),
        b"http://proxy.vn:8080".to_vec(),
    ]
}

/// Keys, recipients, tokens and addresses are read in the form they are written in.
fn key_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(recipient) = text.parse::<Recipient>() {
        assert_eq!(recipient.to_string().parse(), Ok(recipient));
    }
    if let Ok(identity) = text.parse::<Identity>() {
        let _ = identity.recipient();
    }
    if let Ok(token) = text.parse::<Token>() {
        assert_eq!(token.to_string().parse(), Ok(token));
    }
    if let Ok(ring) = text.parse::<KeyRing>() {
        assert!(!ring.is_empty());
    }
    if let Ok(proxy) = text.parse::<Proxy>() {
        let address = proxy.address();
        let again: Proxy = format!("http://{address}").parse().unwrap();
        assert_eq!(again.address(), address);
    }
}
