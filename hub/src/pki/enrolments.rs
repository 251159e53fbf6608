//! What the nodes of a unit are shown of the register: every enrolment in the unit's name.

use std::collections::BTreeSet;

use lienthong_proto::ids::{ReplicaId, UnitCode};
use lienthong_proto::wire::sync as wire;

use super::{Enrolled, ReplicaState};
use crate::app::Hub;

impl Hub {
    /// Everybody of a unit sees every enrolment in its name, and every replica there is a log of: what the register lost was
    /// found again at the nodes.
    pub(crate) fn enrolments_of(&self, unit: &UnitCode) -> Vec<wire::Enrolment> {
        let enrolled = self.registry.of_unit(unit);
        let known: BTreeSet<ReplicaId> = enrolled.iter().map(|entry| entry.replica).collect();
        let books = self.committer.books().read();
        let held = books.replicas.iter();
        let former = held.filter(|(replica, held)| held.unit == *unit && !known.contains(*replica));
        let former = former.map(|(replica, held)| wire::Enrolment {
            replica: replica.0.to_vec().into(),
            // Of one that is just enrolling nothing is held yet.
            at_millis: if held.at.0 == 0 { self.now().0 } else { held.at.0 },
            state: "former".to_owned(),
            fingerprint: String::new(),
        });
        enrolled.iter().map(shown).chain(former).collect()
    }
}

fn shown(entry: &Enrolled) -> wire::Enrolment {
    wire::Enrolment {
        replica: entry.replica.0.to_vec().into(),
        at_millis: entry.enrolled_at,
        state: match entry.state {
            ReplicaState::Active => "active",
            ReplicaState::Revoked { .. } => "revoked",
            ReplicaState::Fenced { .. } => "fenced",
        }
        .to_owned(),
        fingerprint: entry.fingerprint().unwrap_or_default(),
    }
}
