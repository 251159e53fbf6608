//! Why a field shows what it shows: every word on it, who said it and when, and the rule that picks among them.

use std::collections::HashMap;

use lienthong_proto::catalogue::{Label, Policy};
use lienthong_proto::change::{Change, path};
use lienthong_proto::entry::Entry;
use lienthong_proto::ids::Dot;
use lienthong_proto::value::Value;
use serde_json::{Value as Json, json};

use crate::dataset::{Dataset, DatasetError, EntryError, Past, Record, withdrawal_json};

/// How a policy picks, for people.
#[must_use]
pub fn policy_label(policy: Policy) -> Label {
    let (vi, en) = match policy {
        Policy::Latest => ("hiện giá trị ghi sau cùng", "the value written last is shown"),
        Policy::Owner => (
            "giá trị của đơn vị chủ quản đứng trước, rồi đến giá trị ghi sau cùng",
            "the owning unit’s value comes first, then the one written last",
        ),
        Policy::Province => (
            "giá trị của tỉnh đứng trước, rồi của đơn vị chủ quản, rồi giá trị ghi sau cùng",
            "the province’s value comes first, then the owning unit’s, then the one written last",
        ),
        Policy::Union => {
            ("hiện mọi phần tử của các danh sách", "the members of all lists are shown together")
        }
        Policy::Highest => ("hiện giá trị cao nhất", "the highest value is shown"),
        Policy::Lowest => ("hiện giá trị thấp nhất", "the lowest value is shown"),
        Policy::Once => (
            "giá trị ghi đầu tiên được giữ, giá trị khác ghi sau là lỗi",
            "the first value stands, later different ones are defects",
        ),
        Policy::Review => (
            "tạm hiện giá trị ghi sau cùng, chờ tỉnh quyết định",
            "the value written last is shown until the province decides",
        ),
    };
    Label { vi: vi.to_owned(), en: en.to_owned() }
}

fn policy_name(policy: Policy) -> String {
    format!("{policy:?}").to_lowercase()
}

/// Everything behind one field of a record; `pick` numbers the live values from 1.
///
/// # Errors
/// [`DatasetError`] if a change of the record cannot be read.
pub fn why(dataset: &Dataset, record: &Record, field: &str) -> Result<Json, DatasetError> {
    let mut said: HashMap<Dot, Change> = HashMap::new();
    let mut history: Vec<Past> = dataset.history(&record.record_type, record.id)?;
    history.sort_unstable_by_key(|past| (past.source.effective, past.source.dot));
    for past in &history {
        let bytes = dataset.entries().entry(past.source.at)?;
        let change = Entry::decode(&bytes).and_then(|entry| Change::of(&entry)).map_err(EntryError::from)?;
        said.insert(change.dot, change);
    }
    let (policy, candidates) = record.candidates(field).unwrap_or((Policy::Latest, &[]));
    let shown = record.shown(field);
    let mut siblings: Vec<Json> = (1..)
        .zip(candidates)
        .map(|(pick, candidate)| {
            let change = said.get(&candidate.dot);
            json!({
                "pick": pick,
                "value": field_json(field, &candidate.value),
                "unit": candidate.unit,
                "author": change.map(|change| &change.meta.author),
                "replica": candidate.dot.replica,
                "sequence": candidate.dot.sequence,
                "at": candidate.effective.at().rfc3339(),
                "proposal": candidate.proposal,
                "shown": shown == Some(&candidate.value),
                "why": change.and_then(reason),
            })
        })
        .collect();
    // Beside a withdrawal stand the edits it did not see.
    let edits = record.unseen().filter(|_| field == path::WITHDRAWN);
    for (pick, (dot, edit)) in (siblings.len() + 1..).zip(edits) {
        let change = said.get(&dot);
        siblings.push(json!({
            "pick": pick, "value": edit.value, "unit": edit.unit,
            "author": change.map(|change| &change.meta.author),
            "replica": dot.replica, "sequence": dot.sequence, "at": edit.at,
            "proposal": edit.proposal, "shown": false, "why": change.and_then(reason),
        }));
    }
    let live = |dot: &Dot| candidates.iter().any(|candidate| candidate.dot == *dot);
    let history: Vec<Json> = history
        .iter()
        .filter_map(|past| {
            let change = said.get(&past.source.dot)?;
            let write = change.writes.iter().find(|write| write.path == field)?;
            Some(json!({
                "value": field_json(field, &write.value),
                "unit": past.source.unit,
                "author": change.meta.author,
                "replica": change.dot.replica,
                "sequence": change.dot.sequence,
                "at": past.source.effective.at().rfc3339(),
                "verdict": verdict(past),
                "live": live(&change.dot),
                "why": reason(change),
            }))
        })
        .collect();
    let label = policy_label(policy);
    Ok(json!({
        "type": record.record_type,
        "id": record.id,
        "unit": record.owner,
        "field": field,
        "shown": shown.map(|value| field_json(field, value)),
        "open": record.is_open(field),
        "policy": policy_name(policy),
        "rule": format!("{} · {}", label.vi, label.en),
        "siblings": siblings,
        "history": history,
    }))
}

/// What a change's writer gave as its reason.
#[must_use]
pub fn reason(change: &Change) -> Option<String> {
    change.writes.iter().find(|write| write.path == path::WHY).map(|write| write.value.to_text())
}

/// What became of a change: a word for scripts.
#[must_use]
pub fn verdict(past: &Past) -> &'static str {
    match (past.kept_out, past.source.proposal) {
        (true, _) => "kept_out",
        (false, true) => "proposal",
        (false, false) => "applied",
    }
}

fn field_json(field: &str, value: &Value) -> Json {
    if field == path::WITHDRAWN { withdrawal_json(value) } else { value.to_json() }
}
