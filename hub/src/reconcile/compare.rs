//! One comparison: asked step by step, begun again while something moves, ended by a deadline.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lienthong_node::dataset::{DatasetError, Holdings};
use lienthong_proto::feed::FeedCursor;
use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::reconcile::{Answer, Asker, Fault, Holding as _, Question, Range};
use lienthong_proto::wire::sync as wire;
use prost::Message as _;
use wire::{down, up};

use super::{AskError, Comparison, Line, Outcome};
use crate::app::Hub;
use crate::pki::ReplicaState;

/// Between two tries while something is on its way.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

type AskerFault = Fault<DatasetError>;

/// A comparison on its way.
struct Run<'a> {
    hub: &'a Arc<Hub>,
    line: &'a Line,
    run: u64,
    until: Instant,
    bytes: u64,
    records: u64,
    ledger: u64,
}

/// How one try ended.
enum Tried {
    Done(Outcome),
    Moved { outstanding: u64 },
}

impl Hub {
    /// Compares what the hub holds of a unit's records with what its node holds; nothing takes longer than `wait`.
    pub async fn compare(self: &Arc<Self>, unit: &UnitCode, wait: Duration) -> Comparison {
        let at = self.now();
        let found = self.asked_replica(unit);
        let Some((replica, line)) = found else {
            let replicas = self.registry.list().into_iter().filter(|entry| entry.unit == *unit);
            let last_seen = replicas.filter_map(|entry| self.last_heard(entry.replica)).max();
            return Comparison {
                unit: unit.clone(),
                replica: None,
                at,
                ledger_index: self.head().size,
                records: self.dataset.totals().by_unit.get(unit).copied().unwrap_or(0),
                outcome: Outcome::Offline { last_seen },
                bytes: 0,
            };
        };
        let (hub, line, until) = (self, &line, Instant::now() + wait);
        let mut run = Run { hub, line, run: rand::random(), until, bytes: 0, records: 0, ledger: 0 };
        let outcome = loop {
            match run.attempt(unit, replica).await {
                Tried::Done(outcome) => break outcome,
                Tried::Moved { outstanding } if Instant::now() + AGAIN_AFTER >= until => {
                    break Outcome::NotInStep { outstanding };
                }
                Tried::Moved { .. } => tokio::time::sleep(AGAIN_AFTER).await,
            }
        };
        line.say(run.run, down::Message::Reconcile(wire::Reconcile { run: run.run, ..Default::default() }));
        let (ledger_index, records, bytes) = (run.ledger, run.records, run.bytes);
        Comparison { unit: unit.clone(), replica: Some(replica), at, ledger_index, records, outcome, bytes }
    }

    /// Of a unit's active replicas that are connected, the one heard last.
    pub(super) fn asked_replica(&self, unit: &UnitCode) -> Option<(ReplicaId, Line)> {
        let replicas = self.registry.list();
        let active = replicas.iter().filter(|e| e.unit == *unit && e.state == ReplicaState::Active);
        let connected = active.filter_map(|entry| Some((entry.replica, self.desk.line(entry.replica)?)));
        connected.max_by_key(|(replica, _)| self.last_heard(*replica))
    }
}

impl Run<'_> {
    async fn attempt(&mut self, unit: &UnitCode, replica: ReplicaId) -> Tried {
        self.ledger = self.hub.head().size;
        let (dataset, whose) = (self.hub.dataset.clone(), unit.clone());
        let gathered = blocking(move || Holdings::gather(&dataset, &whose)).await;
        let holdings = match gathered {
            Some(Ok(holdings)) => Arc::new(holdings),
            Some(Err(error)) => return Tried::Done(own_fault(&error)),
            None => return Tried::Moved { outstanding: 0 },
        };
        self.records = holdings.sum(&Range::WHOLE).map_or(0, |sum| sum.count);
        let tried = self.converse(&holdings, replica).await;
        // Whatever was found is about nothing if the hub has taken something of the unit meanwhile.
        self.hub.committer.flush().await;
        let since = FeedCursor { ledger: self.ledger, place: 0 };
        match (tried, self.hub.committer.feed().entries(unit, since, 1)) {
            (Tried::Done(Outcome::Equal | Outcome::Differing(_) | Outcome::TooMany), Ok(news))
                if !news.is_empty() =>
            {
                Tried::Moved { outstanding: 0 }
            }
            (Tried::Done(_), Err(error)) => Tried::Done(own_fault(&error)),
            (tried, _) => tried,
        }
    }

    async fn converse(&mut self, holdings: &Arc<Holdings>, replica: ReplicaId) -> Tried {
        let held = |hub: &Hub| {
            hub.committer.books().read().replicas.get(&replica).map_or(0, |held| held.frontier.size())
        };
        let size = held(self.hub);
        let mut asker = Asker::new();
        loop {
            let here = Arc::clone(holdings);
            let asked = blocking(move || {
                let question = asker.question(here.as_ref());
                (asker, question)
            })
            .await;
            let Some((back, question)) = asked else { return Tried::Moved { outstanding: 0 } };
            asker = back;
            let question = match question {
                Ok(Some(question)) => question,
                Ok(None) => break,
                Err(fault) => return Tried::Done(faulty(fault)),
            };
            let answer = match self.answer(&question, replica, size).await {
                Ok(answer) => answer,
                Err(tried) => return tried,
            };
            let here = Arc::clone(holdings);
            let taken = blocking(move || {
                let taken = asker.take(answer, here.as_ref());
                (asker, taken)
            })
            .await;
            let Some((back, taken)) = taken else { return Tried::Moved { outstanding: 0 } };
            asker = back;
            if let Err(fault) = taken {
                return Tried::Done(faulty(fault));
            }
        }
        let differing = asker.into_differing();
        Tried::Done(if differing.is_empty() { Outcome::Equal } else { Outcome::Differing(differing) })
    }

    async fn answer(&mut self, question: &Question, replica: ReplicaId, size: u64) -> Result<Answer, Tried> {
        let asked = wire::Reconcile { run: self.run, question: question.encode().into() };
        let message = down::Message::Reconcile(asked);
        self.bytes += wire::Down { message: Some(message.clone()) }.encoded_len() as u64;
        let wait = self.until.saturating_duration_since(Instant::now());
        let said = match self.line.ask(self.run, message, wait).await {
            Ok(said) => said,
            Err(AskError::Gone) => {
                let last_seen = self.hub.last_heard(replica);
                return Err(Tried::Done(Outcome::Offline { last_seen }));
            }
            Err(AskError::Silent) => {
                let program = self.hub.live.get(replica).unwrap_or_default().program;
                return Err(Tried::Done(Outcome::NoAnswer { program }));
            }
        };
        self.bytes += wire::Up { message: Some(said.clone()) }.encoded_len() as u64;
        let up::Message::Reconciled(said) = said else {
            return Err(Tried::Done(Outcome::Faulty("another message".to_owned())));
        };
        if !said.fault.is_empty() {
            return Err(Tried::Done(Outcome::Faulty(shortened(&said.fault))));
        }
        if said.outstanding > 0 || said.answer.is_empty() || said.log_size != size {
            let outstanding = said.outstanding.max(said.log_size.saturating_sub(size));
            return Err(Tried::Moved { outstanding });
        }
        Answer::decode(&said.answer).map_err(|error| Tried::Done(Outcome::Faulty(error.to_string())))
    }
}

/// Runs what reads the disk where it may block; nothing if the runtime ends.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

fn faulty(fault: AskerFault) -> Outcome {
    match fault {
        Fault::TooMany => Outcome::TooMany,
        Fault::Holding(error) => own_fault(&error),
        fault @ Fault::Contradiction(_) => Outcome::Faulty(fault.to_string()),
    }
}

fn own_fault(error: &dyn std::error::Error) -> Outcome {
    tracing::error!(%error, "the hub's own records cannot be read");
    Outcome::Faulty(format!("hub: {error}"))
}

/// What a peer says is shown to people: in one line, not too long.
fn shortened(said: &str) -> String {
    said.chars().filter(|c| !c.is_control()).take(200).collect()
}
