//! Who may call what over the wire: every method of every service, with each kind of caller, deny by default.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;

use lienthong_hub::app::Hub;
use lienthong_hub::pki::Role;
use lienthong_node::identity::{self, NodeIdentity, enrol};
use lienthong_proto::time::UnixMillis;
use lienthong_tests::Province;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

/// What is asked for without a word: any method that lets the caller in says something else of that than that it may not.
const TABLE: &str = "
    commune auditor revoked fenced stranger
    Sync/Exchange   yes yes no no no
    Sync/Prove      yes no  no no no
    Sync/Refill     yes no  no no no
    Sync/Refuse     yes yes no no no
    Sync/Renew      yes yes no no no
    Sync/Subscribe  no  yes no no no
    Enrolment/Enrol no  no  no no no
    Enrolment/Renew no  no  no no no
    Enrolment/Authority yes yes yes yes no
";

/// Every method of the services, as their files have them.
fn methods() -> Vec<String> {
    let mut found = Vec::new();
    for file in ["sync.proto", "enrol.proto"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/wire").join(file);
        let text = std::fs::read_to_string(path).unwrap();
        let named = |word: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(word))
                .map(|rest| rest.trim_end_matches([';', '{', ' ']).trim().to_owned())
        };
        let (package, service) = (named("package ").unwrap(), named("service ").unwrap());
        let calls = text.lines().filter_map(|line| line.trim().strip_prefix("rpc "));
        found.extend(calls.map(|call| format!("/{package}.{service}/{}", call.split('(').next().unwrap())));
    }
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/wire")).unwrap();
    assert_eq!(files.count(), 2, "a service of another file");
    found
}

/// What a call without a word comes to.
async fn called(identity: &NodeIdentity, method: &str) -> Result<(), (Code, String)> {
    let refused = |status: tonic::Status| (status.code(), status.message().to_owned());
    let channel =
        identity::connect(identity).await.map_err(|error| (Code::Unavailable, error.to_string()))?;
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.map_err(|error| (Code::Unavailable, error.to_string()))?;
    let codec: ProstCodec<(), ()> = ProstCodec::default();
    let path: PathAndQuery = method.parse().unwrap();
    // One empty message, which is one of any kind; as many as there are come back.
    let answered = grpc.server_streaming(Request::new(()), path, codec).await.map_err(refused)?;
    let mut answers = answered.into_inner();
    while answers.message().await.map_err(refused)?.is_some() {}
    Ok(())
}

/// Whether it was told that it may not.
fn is_denied(answer: &Result<(), (Code, String)>) -> bool {
    matches!(
        answer,
        Err((Code::Unauthenticated | Code::PermissionDenied | Code::Unavailable | Code::Unknown, _))
    )
}

/// One who was enrolled with a role.
async fn enrolled(hub: &Hub, address: &str, folder: &Path, unit: &str, role: Role) -> NodeIdentity {
    std::fs::create_dir(folder).unwrap();
    let expires = UnixMillis(hub.now().0 + 3_600_000);
    let made = hub.tokens.create(&hub.secrets, unit.parse().unwrap(), role, expires, "test".to_owned());
    enrol(folder, address, &made.unwrap()).await.unwrap();
    NodeIdentity::load(folder).unwrap().unwrap()
}

/// Goal (P9): every method is in the table, and each kind of caller gets just what stands there: a commune's replica, an
/// agency's, one that was revoked, one that was fenced, and one whose certificate is of another province. Enrolment asks for
/// no certificate: what is no request there is refused as that, and the signed word on the authority is everybody's.
#[tokio::test(flavor = "multi_thread")]
async fn p9_every_call_is_for_just_these_callers() {
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let at = |name: &str| dir.path().join(name);
    let commune = enrolled(&hub, &address, &at("commune"), "11953", Role::Commune).await;
    let auditor = enrolled(&hub, &address, &at("auditor"), "TTT", Role::Auditor).await;
    let revoked = enrolled(&hub, &address, &at("revoked"), "11977", Role::Commune).await;
    hub.registry.revoke(&revoked.replica().to_string(), "thử", hub.now()).unwrap();
    let fenced = enrolled(&hub, &address, &at("fenced"), "12004", Role::Commune).await;
    hub.registry.fence(fenced.replica(), &[], hub.now()).unwrap();
    let elsewhere = Province::set().await.unwrap();
    let stranger =
        enrolled(&elsewhere.hub, &elsewhere.address, &at("stranger"), "11953", Role::Commune).await;
    lienthong_tests::retarget(&at("stranger"), &address).unwrap();
    drop(stranger);
    let stranger = NodeIdentity::load(&at("stranger")).unwrap().unwrap();
    let callers = [&commune, &auditor, &revoked, &fenced, &stranger];
    let mut rows =
        TABLE.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|row| !row.is_empty());
    assert_eq!(rows.next().unwrap().len(), callers.len());
    let rows: Vec<Vec<&str>> = rows.collect();
    for method in methods() {
        let name = method.rsplit('.').next().unwrap();
        let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("{name} is in no row"));
        for (caller, may) in callers.iter().zip(&row[1..]) {
            let answer = called(caller, &method).await;
            let told = format!("{method} by {} of {}: {answer:?}", caller.replica(), caller.unit());
            match *may {
                "yes" => assert!(!is_denied(&answer), "{told}"),
                "no" => {
                    assert!(
                        answer.is_err() && (is_denied(&answer) || name.starts_with("Enrolment/")),
                        "{told}"
                    );
                }
                other => panic!("{other}"),
            }
        }
    }
    let unknown = called(&commune, "/lienthong.sync.v1.Sync/Erase").await;
    assert!(matches!(unknown, Err((Code::Unimplemented, _))), "{unknown:?}");
    hub.close().await;
}
