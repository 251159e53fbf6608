//! What a comparison came to.

use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::reconcile::Difference;
use lienthong_proto::time::UnixMillis;
use serde_json::{Value as Json, json};

/// How a unit's node stands to the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is held alike.
    Equal,
    /// These records are not.
    Differing(Vec<Difference>),
    /// More than are worth naming one by one.
    TooMany,
    /// Something is still on its way, or was written meanwhile, each time.
    NotInStep {
        /// Entries of the node the hub has not acknowledged.
        outstanding: u64,
    },
    /// No node of the unit is connected.
    Offline {
        /// When one was last heard.
        last_seen: Option<UnixMillis>,
    },
    /// The node is connected and does not answer: an older version does not know the question.
    NoAnswer {
        /// What it says its version is.
        program: String,
    },
    /// What it answers makes no sense, or it cannot read its records.
    Faulty(String),
}

/// What a comparison came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Whose records.
    pub unit: UnitCode,
    /// Which of its replicas was asked.
    pub replica: Option<ReplicaId>,
    /// When.
    pub at: UnixMillis,
    /// At which size of the ledger.
    pub ledger_index: u64,
    /// Records of the unit the hub holds, withdrawn ones among them.
    pub records: u64,
    /// How the node stands.
    pub outcome: Outcome,
    /// Bytes of all questions and answers.
    pub bytes: u64,
}

impl Outcome {
    /// Its name in documents.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Differing(_) => "differing",
            Self::TooMany => "too_many",
            Self::NotInStep { .. } => "not_in_step",
            Self::Offline { .. } => "offline",
            Self::NoAnswer { .. } => "no_answer",
            Self::Faulty(_) => "faulty",
        }
    }

    /// Why there is nothing to compare, for people.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        Some(match self {
            Self::Equal | Self::Differing(_) => return None,
            Self::TooMany => "quá nhiều bản ghi khác nhau: hãy dựng lại khung nhìn của máy xã (xoá thư mục `view` khi máy dừng) · \
                 too many records differ: have the node's view made again (delete its `view` folder while it is stopped)"
                .to_owned(),
            Self::NotInStep { outstanding } => format!(
                "máy xã còn {outstanding} mục chưa được tỉnh nhận, hoặc đang ghi: hãy thử lại sau · \
                 the node has {outstanding} entries the hub has not acknowledged, or is being written to: try again later"
            ),
            Self::Offline { last_seen } => {
                let seen = last_seen.map_or_else(|| "?".to_owned(), UnixMillis::rfc3339);
                format!(
                    "không có máy nào của đơn vị đang kết nối (lần cuối: {seen}) · \
                     no node of the unit is connected (last seen: {seen})"
                )
            }
            Self::NoAnswer { program } => format!(
                "máy xã (phiên bản {program}) không trả lời kịp: phiên bản cũ không biết câu hỏi này, hãy nâng cấp, hoặc tăng --timeout · \
                 the node (version {program}) did not answer in time: an older version does not know this question, upgrade it, or raise --timeout"
            ),
            Self::Faulty(reason) => format!(
                "máy xã trả lời sai: {reason} · the node's answer is at fault: {reason}"
            ),
        })
    }
}

impl Comparison {
    /// The document of `reconcile --json`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let differing: Vec<Json> = match &self.outcome {
            Outcome::Differing(differing) => differing.iter().map(difference_json).collect(),
            _ => Vec::new(),
        };
        let mut body = json!({
            "unit": self.unit,
            "replica": self.replica,
            "at": self.at.rfc3339(),
            "ledger_index": self.ledger_index,
            "records": self.records,
            "equal": self.outcome == Outcome::Equal,
            "differing": differing,
            "bytes": self.bytes,
            "state": self.outcome.name(),
        });
        if let (Some(trouble), Some(fields)) = (self.outcome.trouble(), body.as_object_mut()) {
            fields.insert("error".to_owned(), trouble.into());
        }
        body
    }
}

fn difference_json(difference: &Difference) -> Json {
    json!({
        "type": difference.record_type,
        "id": difference.record,
        "here": difference.here.map(|mark| mark.to_string()),
        "there": difference.there.map(|mark| mark.to_string()),
    })
}
