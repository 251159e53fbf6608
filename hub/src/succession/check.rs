//! `check` at a hub: the ledger judged, and for each replica whether everything it has signed is held; of a ledger that
//! follows another, also how much of that one is there.

use std::collections::BTreeMap;
use std::path::Path;

use lienthong_node::at_rest::KeyRing;
use lienthong_node::check::check_against;
use lienthong_node::control::Answer;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::succession::Succession;
use serde_json::{Value as Json, json};

use crate::heartbeats::Heartbeats;
use crate::pki::{HubSecrets, Registry, RegistryError};

/// Checks a hub's folder and names what differs, and what is not there; `tell` hears how many entries of how many were read.
///
/// # Errors
/// [`RegistryError`] if the registry does not open.
pub fn check(
    data: &Path,
    secrets: &HubSecrets,
    keys: &KeyRing,
    tell: &dyn Fn(u64, u64),
) -> Result<Answer, RegistryError> {
    let units: BTreeMap<ReplicaId, String> = Registry::open(secrets)?
        .list()
        .into_iter()
        .map(|entry| (entry.replica, entry.unit.to_string()))
        .collect();
    let signed = Heartbeats::open(data).signed();
    let mut answer = check_against(data, secrets.profile.replica, &signed, keys, tell);
    let mut missing = Vec::new();
    let held =
        answer.body.get_mut("replicas").and_then(Json::as_array_mut).map(std::mem::take).unwrap_or_default();
    let named = |mut line: Json| {
        let replica = line.get("replica").and_then(Json::as_str).and_then(|text| text.parse().ok());
        let unit = replica.and_then(|replica| units.get(&replica)).cloned();
        if let Some(fields) = line.as_object_mut() {
            fields.insert("unit".to_owned(), unit.into());
        }
        line
    };
    let replicas: Vec<Json> = held.into_iter().map(named).collect();
    for line in replicas.iter().filter(|line| line.get("complete") == Some(&Json::Bool(false))) {
        missing.push(line.clone());
    }
    // What the former ledgers held themselves: the province's own writes and decisions.
    let recovery = crate::pki::recovery_public(&secrets.profile);
    for note in &secrets.profile.successions {
        let Ok(stated) = Succession::verify(note, recovery.unwrap_or_default()) else { continue };
        let former = stated.former.origin.replica().to_string();
        let line = replicas.iter().find(|line| line.get("replica") == Some(&json!(former)));
        let number = |name: &str| line.and_then(|line| line.get(name)).and_then(Json::as_u64).unwrap_or(0);
        // What the communes were fed of it, and what they had cosigned, tells how far it had come at least.
        let cosigned = stated.witnessed.map_or(0, |witnessed| witnessed.size);
        let (held, reached) = (number("size"), number("fed").max(cosigned));
        if stated.known.is_none_or(|known| known.size != held) || reached > held {
            let known = stated.known.map(|known| known.size);
            let reached = (reached > 0).then_some(reached);
            missing.push(
                json!({ "former_ledger": former, "known": known, "held": held, "reached_at_least": reached }),
            );
        }
    }
    let unopened = unopened(secrets);
    if !unopened.is_empty() {
        answer.exit = 1;
    }
    if let Some(body) = answer.body.as_object_mut() {
        if let Some(faults) = body.get_mut("faults").and_then(Json::as_array_mut) {
            faults.extend(unopened.into_iter().map(Json::from));
        }
        body.insert("replicas".to_owned(), replicas.into());
        body.insert("missing".to_owned(), missing.into());
    }
    Ok(answer)
}

/// The hub's own lists that do not open, each with why: accounts, contacts, tokens and the like.
fn unopened(secrets: &HubSecrets) -> Vec<String> {
    let listed = match std::fs::read_dir(&secrets.dir) {
        Ok(listed) => listed,
        Err(error) => return vec![format!("{}: {error}", secrets.dir.display())],
    };
    let names = listed.flatten().filter_map(|file| file.file_name().into_string().ok());
    let sealed = names.filter(|name| name.ends_with(".sealed"));
    sealed
        .filter_map(|name| secrets.seal.read(&secrets.dir, &name).err())
        .map(|why| why.to_string())
        .collect()
}
