//! Scores and defects as scripts and people see them.

use lienthong_proto::catalogue::{Dimension, Label, Severity};
use lienthong_proto::quality::{Count, Defect, RuleBook, Score, Waiver, formula};
use lienthong_proto::value::Value;
use serde_json::{Map, Value as Json, json};

/// The six figures and the whole, 0 to 100 or null where there is nothing to judge.
#[must_use]
pub fn quality_json(score: &Score) -> Json {
    let mut figures = Map::new();
    for dimension in Dimension::ALL {
        figures.insert(dimension.name().to_owned(), json!(score.figure(dimension).percent()));
    }
    let total = score.total().and_then(|(_, count)| count.percent());
    figures.insert("total".to_owned(), json!(total));
    Json::Object(figures)
}

/// The counts behind the figures, each with its formula.
#[must_use]
pub fn counts_json(score: &Score) -> Json {
    let line = |count: Count, label: Label| json!({ "good": count.good, "all": count.all, "score": count.percent(), "formula": text(&label) });
    let mut counts = Map::new();
    for dimension in Dimension::ALL {
        let count = line(score.figure(dimension), formula(Some(dimension)));
        counts.insert(dimension.name().to_owned(), count);
    }
    Json::Object(counts)
}

/// A defect as the command line's contract has it.
#[must_use]
pub fn defect_json(book: &RuleBook, defect: &Defect) -> Json {
    let rule = book.rule(defect.rule);
    let severity = if defect.severity == Severity::Error { "error" } else { "warning" };
    json!({
        "rule": rule.id,
        "field": defect.field,
        "severity": severity,
        "dimension": defect.dimension.name(),
        "message": text(&rule.message),
    })
}

/// A waiver as lists show it.
#[must_use]
pub fn waiver_json(waiver: &Waiver) -> Json {
    json!({
        "number": waiver.number,
        "type": waiver.record_type,
        "id": waiver.record,
        "rule": waiver.rule,
        "field": waiver.field,
        "reason": waiver.reason,
        "approver": waiver.approver,
        "until": Value::Date(waiver.until).to_text(),
    })
}

/// Both languages in one text, as people's commands pick from.
pub(super) fn text(label: &Label) -> String {
    format!("{} · {}", label.vi, label.en)
}
