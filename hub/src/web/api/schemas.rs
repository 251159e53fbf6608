//! The schemas of what is answered.

use lienthong_node::api::describe::{list, object, page, record_schemas, reference, with};
use lienthong_proto::catalogue::Catalogue;
use serde_json::{Map, Value as Json, json};

/// Pieces that many answers have.
struct Pieces {
    text: Json,
    count: Json,
    maybe: Json,
    time: Json,
    id: Json,
    flag: Json,
}

impl Pieces {
    fn new() -> Self {
        Self {
            text: json!({ "type": "string" }),
            count: json!({ "type": "integer", "minimum": 0 }),
            maybe: json!({ "type": ["string", "null"] }),
            time: json!({ "type": "string", "format": "date-time" }),
            id: json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" }),
            flag: json!({ "type": "boolean" }),
        }
    }
}

fn or_null(schema: Json) -> Json {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// All of them, by name.
pub(super) fn schemas(catalogue: &Catalogue) -> Map<String, Json> {
    let pieces = Pieces::new();
    let mut all = record_schemas(catalogue);
    let groups = [
        status(&pieces),
        sharing(&pieces),
        units(&pieces),
        waiting(&pieces),
        quality(&pieces),
        people(&pieces),
        done(&pieces),
    ];
    for (name, schema) in groups.into_iter().flatten() {
        all.insert(name.to_owned(), schema);
    }
    all
}

type Named = Vec<(&'static str, Json)>;

fn status(Pieces { text, count, maybe, time, id, .. }: &Pieces) -> Named {
    let job = json!({
        "name": text, "state": { "type": "string", "enum": ["stalled", "working", "idle"] },
        "last_progress": time, "rhythm_seconds": count, "failures": count, "vi": text, "en": text,
    });
    let succession = json!({
        "begun": time, "backup": maybe, "former": list(json!({})), "confirmed": maybe, "confirmed_by": maybe,
        "readmitted": json!({}), "statement": maybe,
    });
    let alert = json!({
        "id": count, "key": text, "kind": text, "severity": text, "unit": maybe, "vi": text, "en": text,
        "begun": time, "ended": maybe, "runbook": text,
    });
    let figures = json!({ "size": count, "root": text });
    let size = json!({ "type": ["integer", "null"] });
    let round = object(json!({ "size": size, "cosigned": count, "cosigned_beside": count }));
    let witnessed = json!({
        "size": size, "at": maybe, "fresh": { "type": "boolean" }, "witnesses": count, "quorum": count,
        "round": round, "refused_by": list(text.clone()),
    });
    let at_rest = json!({
        "key": text, "segments": count, "segments_waiting": count, "view_waiting": { "type": "boolean" },
        "done": { "type": "boolean" }, "fault": maybe,
    });
    let status = json!({
        "version": text, "province": text, "addresses": { "type": "object" }, "ledger": object(figures),
        "records": count, "conflicts_open": count, "quarantined": count,
        "succession": or_null(object(succession)), "failure": maybe, "alerts": reference("OpenAlerts"),
        "jobs": list(object(job)), "units": list(reference("UnitStatus")),
        "witnessed": object(witnessed), "at_rest": or_null(object(at_rest)),
    });
    let acknowledged = object(json!({ "by": text, "at": time, "reason": text }));
    let listed = json!({ "acknowledged": or_null(acknowledged), "contact": or_null(reference("Contact")) });
    let checkpoint = json!({ "checkpoint": text });
    let acceptance = json!({
        "kind": { "const": "acceptance" }, "replica": id, "first": count, "size": count, "at": time,
        "verdicts_not_applied": count,
    });
    let event = json!({ "kind": { "const": "event" }, "event": text, "actor": text, "at": time });
    let change = object(json!({ "kind": { "const": "change" } }));
    let entry = json!({ "oneOf": [change, object(acceptance), object(event)] });
    let entries = json!({
        "items": list(object(json!({ "index": count, "entry": entry }))),
        "next": { "type": ["integer", "null"], "description": "after" },
    });
    let open = json!({ "open": count, "unacknowledged": count });
    vec![
        ("Status", object(status)),
        ("OpenAlerts", object(open)),
        ("Alert", with(object(alert), listed)),
        ("Checkpoint", object(checkpoint)),
        ("LedgerPage", object(entries)),
    ]
}

fn sharing(Pieces { text, count, maybe, time, .. }: &Pieces) -> Named {
    let done = object(json!({ "by": text, "at": time, "reason": text }));
    let day = json!({ "type": "string", "format": "date" });
    let line = json!({
        "number": count, "agency": text, "purpose": text, "document": text, "from": day, "until": day,
        "state": { "type": "string", "enum": ["proposed", "coming", "active", "expired", "revoked"] },
        "types": list(text.clone()), "proposed": done, "approved": or_null(done.clone()),
        "revoked": or_null(done), "deliveries": count, "last_delivery": maybe, "last_access": or_null(count.clone()), "last_notice": maybe,
        "untold": { "type": "boolean" },
        "receipt": or_null(object(json!({ "access": count, "replica": text, "at": time }))),
        "bundle_receipts": list(object(json!({ "access": count, "at": time }))),
    });
    let agency = json!({
        "code": text, "name": text, "contact": text, "key": maybe, "signer": maybe, "at": time,
    });
    vec![
        ("Agency", object(agency)),
        ("GrantLine", object(line.clone())),
        ("Grant", with(object(line), json!({ "terms": { "type": "object" } }))),
    ]
}

fn units(Pieces { text, count, maybe, time, id, flag }: &Pieces) -> Named {
    let holds = object(json!({
        "at": time, "size": count, "checkpoint": text, "complete": { "type": "boolean" },
        "state": { "type": "string", "enum": ["idle", "working", "silent", "rolled_back"] },
    }));
    let reasons = json!({ "type": "object", "additionalProperties": count });
    let import = object(json!({
        "at": time, "type": text, "sha256": maybe, "whole": flag, "rows": count, "created": count,
        "updated": count, "unchanged": count, "duplicates": count, "rejected": count, "reasons": reasons,
    }));
    let disk = object(json!({ "free_bytes": count, "total_bytes": count, "free_percent": count }));
    let status = json!({
        "unit": text, "name": text, "contact": reference("Contact"),
        "state": { "type": "string", "enum": ["online", "silent", "offline", "never", "stopped", "revoked"] },
        "replicas": list(id.clone()), "acknowledged": count, "lag": { "type": ["integer", "null"] },
        "lag_seconds": { "type": ["integer", "null"] }, "last_seen": maybe, "last_import": or_null(import.clone()),
        "records": count, "successors": list(text.clone()), "quarantined": count,
        "defects": { "type": ["integer", "null"] }, "quality": reference("Quality"),
        "holds": or_null(holds.clone()), "disk": or_null(disk), "attention": list(text.clone()), "attention_en": list(text.clone()),
    });
    let state = json!({ "state": { "type": "string", "enum": ["active", "revoked", "fenced"] } });
    let ended = json!({ "at": count, "reason": text, "proofs": list(text.clone()) });
    let replica = json!({
        "unit": text, "replica": id, "role": { "type": "string", "enum": ["commune", "province", "auditor"] },
        "enrolled_at": time, "state": with(object(state), ended), "fingerprint": maybe,
    });
    let shown = json!({ "log_key": maybe, "holds": or_null(holds) });
    let ending = object(json!({ "on": text, "step": count, "successors": list(text.clone()) }));
    let unit = json!({
        "unit": text, "name": text, "ended": or_null(ending), "predecessors": list(text.clone()), "imports": list(import),
        "replicas": list(with(object(replica.clone()), shown)), "fingerprint": text,
    });
    vec![
        ("Contact", object(json!({ "name": maybe, "phone": maybe }))),
        ("UnitStatus", object(status)),
        ("Replica", object(replica)),
        ("Unit", object(unit)),
    ]
}

fn waiting(Pieces { text, count, maybe, time, id, flag }: &Pieces) -> Named {
    let said = json!({
        "value": {}, "unit": text, "author": maybe, "replica": id, "sequence": count, "at": time, "why": maybe,
    });
    let sibling = json!({ "pick": count, "proposal": flag, "shown": flag });
    let past = json!({
        "verdict": { "type": "string", "enum": ["applied", "proposal", "kept_out"] }, "live": flag,
    });
    let told = |more: Json| {
        let mut whole = said.clone();
        if let (Some(members), Json::Object(more)) = (whole.as_object_mut(), more) {
            members.extend(more);
        }
        object(whole)
    };
    let why = json!({
        "type": text, "id": id, "unit": maybe, "field": text, "shown": {}, "open": flag, "policy": text,
        "rule": text, "siblings": list(told(sibling)), "history": list(told(past)),
    });
    let quarantined = json!({
        "number": { "type": "string", "pattern": "^[0-9]+\\.[0-9]+$" }, "unit": text, "type": maybe, "record": or_null(id.clone()),
        "reason": text, "vi": text, "en": text, "at": time, "replica": id, "sequence": count,
    });
    let duplicate = json!({
        "type": text, "first": id, "second": id, "score": count, "units": list(text.clone()),
        "reasons": list(text.clone()),
    });
    let handover = json!({
        "key": text, "type": text, "id": id, "record": id, "from": text, "to": text,
        "state": { "type": "string", "enum": ["not_received", "not_released", "held", "not_there", "agreed"] },
        "vi": text, "en": text, "held_by": or_null(id.clone()),
    });
    let conflicts = json!({ "type": text, "id": id, "unit": maybe, "conflicts": list(reference("Why")) });
    vec![
        ("Why", object(why)),
        ("Conflict", object(json!({ "key": text, "type": text, "id": id, "field": text }))),
        ("Conflicts", object(conflicts)),
        ("Quarantined", object(quarantined)),
        ("Duplicate", object(duplicate)),
        ("Handover", object(handover)),
    ]
}

const DIMENSIONS: [&str; 6] = ["dung", "du", "sach", "song", "thong_nhat", "dung_chung"];

fn quality(Pieces { text, count, maybe, id, flag, .. }: &Pieces) -> Named {
    let figure = json!({ "type": ["number", "null"], "minimum": 0, "maximum": 100 });
    let figures: Map<String, Json> =
        DIMENSIONS.iter().chain(&["total"]).map(|name| ((*name).to_owned(), figure.clone())).collect();
    let line = object(json!({ "good": count, "all": count, "score": figure, "formula": text }));
    let counts: Map<String, Json> =
        DIMENSIONS.iter().map(|name| ((*name).to_owned(), line.clone())).collect();
    let of_type = json!({
        "type": text, "records": count, "quality": reference("Quality"), "counts": reference("Counts"),
    });
    let row = json!({ "type": text, "id": id, "defects": list(reference("Defect")) });
    let missing =
        json!({ "type": text, "rule": text, "year": { "type": ["integer", "null"] }, "message": text });
    let report = json!({
        "unit": text, "name": text, "silence": { "type": "string", "enum": ["heard", "amber", "silent"] },
        "alike": { "type": ["boolean", "null"] }, "remarks": list(text.clone()), "quality": reference("Quality"),
        "counts": reference("Counts"), "types": list(object(of_type)), "missing": list(object(missing)),
        "rows": list(object(row)), "next": maybe, "not_judged_yet": count,
    });
    let of_unit = json!({
        "unit": text, "name": text, "quality": reference("Quality"), "remarks": list(text.clone()),
    });
    let listed = json!({ "type": text, "id": id, "unit": text, "defects": list(reference("Defect")) });
    let waiver = json!({
        "number": count, "type": text, "id": id, "rule": text, "field": maybe, "reason": text,
        "approver": text, "until": { "type": "string", "format": "date" }, "unit": maybe, "expired": flag,
    });
    vec![
        ("Quality", object(figures.into())),
        ("Counts", object(counts.into())),
        ("UnitQuality", object(of_unit)),
        ("QualityReport", object(report)),
        ("DefectPage", page(object(listed))),
        ("Waiver", object(waiver)),
    ]
}

fn people(Pieces { text, count, maybe, time, flag, .. }: &Pieces) -> Named {
    let token = json!({
        "id": text, "unit": text, "role": { "type": "string", "enum": ["commune", "province", "auditor"] },
        "expires": time, "actor": text, "used": maybe, "revoked": flag, "failures": count,
    });
    let role = json!({ "type": "string", "enum": ["operator", "steward", "approver", "administrator"] });
    let account = json!({
        "name": text, "roles": list(role), "uid": { "type": ["integer", "null"] }, "second_factor": flag,
        "disabled": flag, "created": time,
    });
    let api_token = json!({ "name": text, "account": text, "created_at": time, "revoked_at": maybe });
    vec![("Token", object(token)), ("Account", object(account)), ("ApiToken", object(api_token))]
}

fn done(Pieces { text, count, time, id, flag, .. }: &Pieces) -> Named {
    let texts = list(text.clone());
    let warnings = list(object(json!({ "rule": text, "message": text })));
    let decided = json!({ "type": text, "id": id, "field": text, "changed": flag, "answered": count, "warnings": warnings });
    let differing = list(object(json!({ "field": text, "kept": {}, "left_out": {} })));
    let merged = json!({
        "type": text, "id": id, "merged": id, "filled": texts, "united": texts, "differing": differing,
        "gone": texts, "changed": flag,
    });
    let separated = json!({ "type": text, "first": id, "second": id, "changed": flag });
    let unmerged = json!({
        "type": text, "id": id, "unit": text, "other": id, "undone": { "const": "merge" }, "cleared": texts,
        "restored": texts, "changed_since": texts,
    });
    let joined = json!({ "type": text, "first": id, "second": id, "undone": { "const": "separate" } });
    let token = json!({ "token": text, "unit": text, "role": text, "expires": time });
    vec![
        ("ContactSet", object(json!({ "unit": text, "contact": or_null(reference("Contact")) }))),
        ("ReplicasRevoked", object(json!({ "revoked": list(id.clone()) }))),
        ("Decided", object(decided)),
        ("Merged", object(merged)),
        ("Separated", object(separated)),
        ("Undone", json!({ "oneOf": [object(unmerged), object(joined)] })),
        ("Released", object(json!({ "released": text, "ledger_index": count }))),
        ("SeparatedOut", object(json!({ "separated": text, "id": id }))),
        ("WaiverEnded", object(json!({ "ended": count, "ledger_index": count }))),
        ("TokenCreated", with(object(token), json!({ "successors": texts }))),
        ("TokenRevoked", object(json!({ "revoked": text }))),
        ("ApiTokenRevoked", object(json!({ "name": text, "revoked_at": time }))),
    ]
}
