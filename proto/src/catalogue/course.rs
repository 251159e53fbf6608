//! The course of a type: which state may follow which, which states lock a record, and what opens it again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The course a type's records take, `[course]` in its file:
///
/// ```toml
/// [course]
/// state = "trang_thai"               # a field of type code; each of its codes is a state
/// rule = "BC_BUOC"                   # broken by a step that leads nowhere
/// first = ["DU_THAO"]                # states a record may begin in; left out: any, for sheets know the last one only
///
/// [course.steps]                     # from = the states that may follow
/// DU_THAO = ["DA_NOP"]
///
/// [course.reopen]                    # steps back: only with a reason, stated in the same change
/// field = "ly_do_mo_lai"             # a text field
/// rule = "BC_MO_LAI"                 # broken by such a step without it
/// steps = { DA_KHOA = ["DU_THAO"] }
///
/// [course.lock]
/// states = ["DA_KHOA"]               # left by the steps of `reopen` only
/// except = []                        # fields that may change all the same
/// rule = "BC_SUA_KHI_KHOA"           # broken by a change of anything else
/// ```
///
/// The rules are of severity `error` and dimension `dung`. What breaks them is stored like everything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Course {
    /// The code field that holds the state.
    pub state: String,
    /// The id of the rule that an illegal step breaks.
    pub rule: String,
    /// The states a record may begin in; any if none is named.
    #[serde(default)]
    pub first: Vec<String>,
    /// For each state those that may follow it.
    pub steps: BTreeMap<String, Vec<String>>,
    /// Steps that need a reason.
    #[serde(default)]
    pub reopen: Option<Reopening>,
    /// States that lock a record.
    #[serde(default)]
    pub lock: Option<Lock>,
}

/// Steps back that are legal with a reason: "mở lại".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reopening {
    /// The text field that must be stated in the same change.
    pub field: String,
    /// The id of the rule that such a step without a reason breaks.
    pub rule: String,
    /// For each state those that may follow it with a reason.
    pub steps: BTreeMap<String, Vec<String>>,
}

/// States in which nothing else of a record may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The states.
    pub states: Vec<String>,
    /// Fields that may change all the same.
    #[serde(default)]
    pub except: Vec<String>,
    /// The id of the rule that any other change breaks.
    pub rule: String,
}

/// What leads from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// A step anyone may take.
    Free,
    /// A step that needs a reason.
    WithReason,
    /// Nothing.
    Closed,
}

impl Course {
    /// What leads from a state to another one.
    #[must_use]
    pub fn passage(&self, from: &str, to: &str) -> Passage {
        let leads = |steps: &BTreeMap<String, Vec<String>>| {
            steps.get(from).is_some_and(|after| after.iter().any(|state| state == to))
        };
        if leads(&self.steps) {
            Passage::Free
        } else if self.reopen.as_ref().is_some_and(|reopen| leads(&reopen.steps)) {
            Passage::WithReason
        } else {
            Passage::Closed
        }
    }

    /// Whether a record may begin in a state.
    #[must_use]
    pub fn may_begin(&self, state: &str) -> bool {
        self.first.is_empty() || self.first.iter().any(|first| first == state)
    }

    /// Whether a state locks the record.
    #[must_use]
    pub fn is_locked(&self, state: &str) -> bool {
        self.lock.as_ref().is_some_and(|lock| lock.states.iter().any(|locked| locked == state))
    }

    /// Whether a field may change while the record is locked: the state, the reason, and what is excepted.
    #[must_use]
    pub fn is_open_when_locked(&self, field: &str) -> bool {
        let reason = self.reopen.as_ref().map(|reopen| reopen.field.as_str());
        let mut except = self.lock.iter().flat_map(|lock| &lock.except);
        field == self.state || reason == Some(field) || except.any(|excepted| excepted == field)
    }

    /// The ids of its rules.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        let reopen = self.reopen.as_ref().map(|reopen| reopen.rule.as_str());
        let lock = self.lock.as_ref().map(|lock| lock.rule.as_str());
        [Some(self.rule.as_str()), reopen, lock].into_iter().flatten()
    }
}
