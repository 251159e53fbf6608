//! Receipts for bundles: an agency signs for what it has received and checked, the ledger keeps it, both sides have it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use lienthong_hub::demo::once;
use lienthong_hub::service::SharingRequest;
use lienthong_node::backup::Identity;
use lienthong_proto::disclosure::{Hash, ReceiptFile, ReceiptSigner};
use lienthong_proto::hash::Signer as _;
use lienthong_tests::sharing::{MEMBERS, Shared, ask, who};
use lienthong_tests::{Province, open_hub, reopened};
use serde_json::{Value as Json, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub");

fn kept(path: PathBuf, text: &str) -> String {
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What the agency's own machine says.
async fn signed(shared: &Shared, bundle: &Path, key: &str) -> (Json, i32) {
    let policy = kept(shared.path("policy"), &shared.trust().await.to_text());
    let bundle = bundle.to_str().unwrap();
    let command = ["as-node", "receipt", bundle, "--trust", &policy, "--key", key];
    let (said, code) = once(Path::new(PROGRAM), &command, &shared.path("elsewhere")).await.unwrap();
    (said, code)
}

async fn add(shared: &Shared, file: &ReceiptFile) -> Json {
    let text = serde_json::to_string(file).unwrap();
    ask(shared.hub(), SharingRequest::ReceiptAdd { text, actor: who("lan") }).await
}

async fn name(shared: &Shared, identity: &Identity) -> Json {
    let signer = ReceiptSigner(identity.receipt_key().unwrap().public_key());
    let code = "TTT".parse().unwrap();
    ask(shared.hub(), SharingRequest::AgencySigner { code, signer, actor: who("lan") }).await
}

/// Goal: an agency signs for a bundle that holds, and for no other; the hub takes the receipt in once, for a delivery its
/// ledger has, with that content, by the agency's own signer, and nothing else; it outlives the hub's restart.
#[tokio::test(flavor = "multi_thread")]
async fn p9_a_bundle_is_signed_for_and_the_ledger_keeps_the_receipt() {
    let shared = Shared::set().await;
    let grant = shared.granted(MEMBERS).await;
    let bundle = shared.bundle(grant, "bundle").await;
    let key = kept(shared.path("agency.key"), &shared.secret);
    let (said, code) = signed(&shared, &bundle, &key).await;
    assert_eq!(code, 0, "{said:#}");
    let path = shared.path("bundle.receipt");
    assert_eq!(said["file"], path.to_str().unwrap(), "{said:#}");
    assert_eq!(signed(&shared, &bundle, &key).await, (said.clone(), 0), "the same again");
    let file: ReceiptFile = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();

    // Only what opens and holds is signed for.
    let mut bytes = std::fs::read(&bundle).unwrap();
    let last = bytes.len() - 40;
    bytes[last] ^= 1;
    let damaged = shared.path("damaged");
    std::fs::write(&damaged, bytes).unwrap();
    let (other, secret) = Identity::generate().unwrap();
    let stranger = kept(shared.path("stranger.key"), &secret);
    for (bundle, key) in [(&damaged, &key), (&bundle, &stranger)] {
        let (said, code) = signed(&shared, bundle, key).await;
        assert!(code == 1 && said["valid"] == false, "{said:#}");
    }
    assert!(!shared.path("damaged.receipt").exists());

    // Until the agency's signer was told, nobody's signature is the agency's.
    let size = |shared: &Shared| shared.hub().head().size;
    let before = size(&shared);
    assert_eq!(add(&shared, &file).await["rule"], "RECEIPT_SIGNER");
    assert_eq!(size(&shared), before);
    assert_eq!(name(&shared, &shared.identity).await["signer"], said["signer"]);
    let forged = |grant, access, digest| {
        let key = shared.identity.receipt_key().unwrap();
        ReceiptFile::sign(&file.ledger.parse().unwrap(), (grant, access, digest), &key)
    };
    let elsewhere = Province::set().await.unwrap();
    let before = size(&shared);
    for (wrong, rule) in [
        (ReceiptFile { signature: "00".repeat(64), ..file.clone() }, "RECEIPT_SIGNATURE"),
        (ReceiptFile { digest: Hash([7; 32]), ..file.clone() }, "RECEIPT_SIGNATURE"),
        (forged(file.grant, file.access, [7; 32]), "RECEIPT_DELIVERY"),
        (forged(file.grant, file.access + 1, file.digest.0), "RECEIPT_DELIVERY"),
        (forged(file.grant, file.grant, file.digest.0), "RECEIPT_DELIVERY"),
        (forged(file.grant, u64::MAX, file.digest.0), "RECEIPT_DELIVERY"),
        (forged(file.grant + 1, file.access, file.digest.0), "GRANT_UNKNOWN"),
        (ReceiptFile { ledger: elsewhere.hub.secrets.ledger_origin(), ..file.clone() }, "RECEIPT_LEDGER"),
        (
            ReceiptFile { signer: ReceiptSigner(other.receipt_key().unwrap().public_key()), ..file.clone() },
            "RECEIPT_SIGNER",
        ),
    ] {
        assert_eq!(add(&shared, &wrong).await["rule"], rule, "{wrong:?}");
    }
    for text in ["".to_owned(), "{}".to_owned(), "x".repeat(20_000)] {
        let refused = ask(shared.hub(), SharingRequest::ReceiptAdd { text, actor: who("lan") }).await;
        assert_eq!(refused["rule"], "RECEIPT_FILE");
    }
    assert_eq!(size(&shared), before, "nothing of that is in the ledger");

    let taken = add(&shared, &file).await;
    assert_eq!((&taken["agency"], &taken["access"]), (&json!("TTT"), &json!(file.access)), "{taken:#}");
    let (after, shown) =
        (size(&shared), ask(shared.hub(), SharingRequest::GrantShow { number: grant }).await);
    assert_eq!(after, before + 1);
    assert_eq!(shown["bundle_receipts"][0]["access"], file.access, "{shown:#}");
    assert!(shown["receipt"].is_null(), "it is no live view's: {shown:#}");
    assert_eq!(add(&shared, &file).await, taken, "the same again");
    assert_eq!(size(&shared), after, "is one");

    // It is the ledger's, not the view's: made again, it is there.
    let Shared { province, node, identity, secret } = shared;
    node.close().await;
    let data = province.hub.data.clone();
    province.hub.close().await;
    let Province { dir, hub, address } = province;
    drop(hub);
    std::fs::remove_dir_all(data.join("view")).unwrap();
    let hub = reopened(|| open_hub(&data));
    let shared = Shared { province: Province { dir, hub, address }, node, identity, secret };
    let again = ask(shared.hub(), SharingRequest::GrantShow { number: grant }).await;
    assert_eq!(again["bundle_receipts"], shown["bundle_receipts"], "{again:#}");
    let agencies = ask(shared.hub(), SharingRequest::AgencyList { page: Default::default() }).await;
    assert_eq!(agencies["items"][0]["signer"], said["signer"], "{agencies:#}");
    shared.hub().close().await;
}
