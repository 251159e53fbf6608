//! Alerts as they begin and end. No clock, no file, nobody to tell: the time and what is the case are arguments.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lienthong_proto::time::UnixMillis;
use serde::{Deserialize, Serialize};

use super::{Acknowledged, Alert, Condition};

/// What is gone for so long has ended; what comes back sooner never went.
const CALM_MILLIS: u64 = 60_000;
/// Alerts that ended and are still shown.
const ENDED_MAX: usize = 200;
/// Alerts open at once; what is beyond them waits until one ends.
const OPEN_MAX: usize = 5_000;

/// Why an alert was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AlertError {
    /// There is none of that number, or it has ended.
    #[error("không có cảnh báo {0} đang mở · no open alert has the number {0}")]
    Unknown(u64),
    /// No reason was given.
    #[error("cần lý do · a reason is needed")]
    Reason,
    /// The file of alerts cannot be written.
    #[error("alerts.json: {0}")]
    Kept(String),
}

/// What a look came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// Those people are to be told of: begun, and not told yet.
    pub begun: Vec<Alert>,
    /// Those people were told of that have ended, unless somebody has acknowledged them.
    pub ended: Vec<Alert>,
    /// Something is to be kept.
    pub changed: bool,
}

/// All alerts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Book {
    next: u64,
    open: BTreeMap<String, Alert>,
    ended: VecDeque<Alert>,
    /// Conditions seen and not yet alerts, since when.
    #[serde(skip)]
    patient: BTreeMap<String, UnixMillis>,
    /// Open alerts whose condition is not there, since when.
    #[serde(skip)]
    absent: BTreeMap<String, UnixMillis>,
    /// Those people are being told of.
    #[serde(skip)]
    telling: BTreeSet<u64>,
}

impl Book {
    /// Takes what is the case now into account.
    pub fn look(&mut self, now: UnixMillis, found: Vec<Condition>) -> Look {
        let mut look = Look::default();
        let keys: BTreeSet<String> = found.iter().map(Condition::key).collect();
        self.patient.retain(|key, _| keys.contains(key));
        for condition in found {
            self.see(now, condition, &mut look);
        }
        for key in self.open.keys().filter(|key| !keys.contains(*key)).cloned().collect::<Vec<_>>() {
            self.miss(now, key, &mut look);
        }
        let untold = |alert: &&Alert| !alert.told && alert.acknowledged.is_none();
        for alert in self.open.values().filter(untold) {
            if self.telling.insert(alert.id) {
                look.begun.push(alert.clone());
            }
        }
        look
    }

    fn see(&mut self, now: UnixMillis, condition: Condition, look: &mut Look) {
        let key = condition.key();
        self.absent.remove(&key);
        if let Some(alert) = self.open.get_mut(&key) {
            // Counts move all the time: they are kept with the next thing that begins or ends.
            (alert.vi, alert.en) = (condition.vi, condition.en);
            return;
        }
        let since = *self.patient.entry(key.clone()).or_insert(now);
        let patience = condition.kind.patience_seconds().saturating_mul(1_000);
        if now.since(since) < patience || self.open.len() >= OPEN_MAX {
            return;
        }
        self.patient.remove(&key);
        self.next += 1;
        let Condition { kind, unit, vi, en, .. } = condition;
        let (ended, acknowledged) = (None, None);
        let alert = Alert {
            id: self.next,
            key: key.clone(),
            kind,
            unit,
            vi,
            en,
            begun: now,
            ended,
            acknowledged,
            told: false,
        };
        self.open.insert(key, alert);
        look.changed = true;
    }

    fn miss(&mut self, now: UnixMillis, key: String, look: &mut Look) {
        let since = *self.absent.entry(key.clone()).or_insert(now);
        if now.since(since) < CALM_MILLIS {
            return;
        }
        self.absent.remove(&key);
        let Some(mut alert) = self.open.remove(&key) else { return };
        alert.ended = Some(now);
        let known = alert.told || self.telling.remove(&alert.id);
        if known && alert.acknowledged.is_none() {
            look.ended.push(alert.clone());
        }
        if self.ended.len() >= ENDED_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(alert);
        look.changed = true;
    }

    /// People were told that these began.
    pub fn told(&mut self, ids: &[u64]) {
        for alert in self.open.values_mut().filter(|alert| ids.contains(&alert.id)) {
            alert.told = true;
            self.telling.remove(&alert.id);
        }
    }

    /// Somebody looks after one: nobody is told any more.
    ///
    /// # Errors
    /// [`AlertError`] if there is no such open alert, or no reason.
    pub fn acknowledge(&mut self, id: u64, by: Acknowledged) -> Result<Alert, AlertError> {
        if by.reason.trim().is_empty() {
            return Err(AlertError::Reason);
        }
        let alert = self.open.values_mut().find(|alert| alert.id == id).ok_or(AlertError::Unknown(id))?;
        alert.acknowledged = Some(by);
        Ok(alert.clone())
    }

    /// The open ones.
    pub fn open(&self) -> impl Iterator<Item = &Alert> {
        self.open.values()
    }

    /// The last ones that ended.
    pub fn ended(&self) -> impl Iterator<Item = &Alert> {
        self.ended.iter()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::Kind;
    use super::*;

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(1_000_000_000 + seconds * 1_000)
    }

    fn condition(kind: Kind, subject: &str, vi: &str) -> Condition {
        Condition { kind, subject: subject.to_owned(), unit: None, vi: vi.to_owned(), en: String::new() }
    }

    fn disk() -> Vec<Condition> {
        vec![condition(Kind::Lag, "11953", "a")]
    }

    fn counts(look: &Look) -> (usize, usize) {
        (look.begun.len(), look.ended.len())
    }

    /// Goal: people hear of one thing once when it begins and once when it ends, however often it is looked at.
    #[test]
    fn one_key_is_told_once_at_each_end() {
        let mut book = Book::default();
        let first = book.look(at(0), disk());
        assert_eq!((counts(&first), first.changed), ((1, 0), true));
        book.told(&[first.begun[0].id]);
        let again = book.look(at(15), vec![condition(Kind::Lag, "11953", "b")]);
        assert_eq!((counts(&again), again.changed), ((0, 0), false), "nobody is told, nothing is written");
        assert_eq!(book.open().next().unwrap().vi, "b", "the text follows");
        assert_eq!(counts(&book.look(at(30), Vec::new())), (0, 0));
        assert_eq!(counts(&book.look(at(60), disk())), (0, 0), "it was away for a moment only");
        assert_eq!(counts(&book.look(at(75), Vec::new())), (0, 0));
        let gone = book.look(at(135), Vec::new());
        assert_eq!(counts(&gone), (0, 1));
        assert_eq!(counts(&book.look(at(500), Vec::new())), (0, 0));
        assert_eq!(book.ended().count(), 1);
        let anew = book.look(at(600), disk());
        assert_eq!(counts(&anew), (1, 0));
        assert!(anew.begun[0].id > gone.ended[0].id);
    }

    #[test]
    fn nobody_is_told_while_somebody_looks_after_it() {
        let mut book = Book::default();
        let id = book.look(at(0), disk()).begun[0].id;
        let by = |reason: &str| Acknowledged { by: "lan".to_owned(), at: at(1), reason: reason.to_owned() };
        assert_eq!(book.acknowledge(id, by(" ")), Err(AlertError::Reason));
        assert_eq!(book.acknowledge(id + 1, by("x")), Err(AlertError::Unknown(id + 1)));
        book.acknowledge(id, by("đang gọi xã")).unwrap();
        // Over a restart.
        let mut book: Book = serde_json::from_slice(&serde_json::to_vec(&book).unwrap()).unwrap();
        assert_eq!(counts(&book.look(at(20), disk())), (0, 0));
        assert_eq!(counts(&book.look(at(30), Vec::new())), (0, 0));
        assert_eq!(counts(&book.look(at(100), Vec::new())), (0, 0), "nor when it ends");
        assert_eq!(counts(&book.look(at(200), disk())), (1, 0), "but when it begins anew");
    }

    #[test]
    fn what_nobody_was_told_before_a_stop_is_told_after_it() {
        let mut book = Book::default();
        let id = book.look(at(0), disk()).begun[0].id;
        assert_eq!(counts(&book.look(at(15), disk())), (0, 0), "it is on its way");
        let mut book: Book = serde_json::from_slice(&serde_json::to_vec(&book).unwrap()).unwrap();
        assert_eq!(counts(&book.look(at(30), disk())), (1, 0));
        book.told(&[id]);
        let mut book: Book = serde_json::from_slice(&serde_json::to_vec(&book).unwrap()).unwrap();
        assert_eq!(counts(&book.look(at(45), disk())), (0, 0));
    }

    #[test]
    fn what_passes_by_itself_calls_nobody() {
        let mut book = Book::default();
        let silent = || vec![condition(Kind::Silent, "11953", "")];
        assert_eq!(counts(&book.look(at(0), silent())), (0, 0));
        assert_eq!(counts(&book.look(at(299), Vec::new())), (0, 0));
        assert_eq!(counts(&book.look(at(300), silent())), (0, 0), "it begins to wait anew");
        assert_eq!(counts(&book.look(at(599), silent())), (0, 0));
        assert_eq!(counts(&book.look(at(600), silent())), (1, 0));
    }
}
