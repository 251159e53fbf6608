//! Replicas × calls: what each role of a replica may call, and what it may say within a stream. Deny by default.

use lienthong_proto::wire::sync::up::Message;

use crate::pki::Role;

const WRITERS: &[Role] = &[Role::Commune, Role::Province];
const AUDITOR: &[Role] = &[Role::Auditor];
const EVERY: &[Role] = &[Role::Commune, Role::Province, Role::Auditor];

/// Every call a replica's certificate opens, and what may be said within `Exchange`, with the roles that may.
///
/// An agency's replica writes nothing and owns nothing: it takes what it is granted, and witnesses the ledger.
pub const CALLS: &[(&str, &[Role])] = &[
    ("Exchange", EVERY),
    ("Prove", WRITERS),
    ("Refill", WRITERS),
    ("Refuse", EVERY),
    ("Renew", EVERY),
    ("Subscribe", AUDITOR),
    ("Enrol, as a recovery", WRITERS),
    ("Exchange: Hello", EVERY),
    ("Exchange: Heartbeat", EVERY),
    ("Exchange: Cosigned", EVERY),
    ("Exchange: NoticesTaken", EVERY),
    ("Exchange: Prefix", EVERY),
    ("Exchange: Batch", WRITERS),
    ("Exchange: Reconciled", WRITERS),
    ("Exchange: Mended", WRITERS),
    ("Exchange: Former", WRITERS),
];

/// Whether replicas of a role may make a call; one in no row is nobody's.
#[must_use]
pub fn may_call(role: Role, call: &str) -> bool {
    CALLS.iter().any(|(name, roles)| *name == call && roles.contains(&role))
}

/// The name of what is said within `Exchange`, in the table.
#[must_use]
pub fn saying(message: &Message) -> &'static str {
    match message {
        Message::Hello(_) => "Exchange: Hello",
        Message::Batch(_) => "Exchange: Batch",
        Message::Heartbeat(_) => "Exchange: Heartbeat",
        Message::Prefix(_) => "Exchange: Prefix",
        Message::NoticesTaken(_) => "Exchange: NoticesTaken",
        Message::Reconciled(_) => "Exchange: Reconciled",
        Message::Mended(_) => "Exchange: Mended",
        Message::Former(_) => "Exchange: Former",
        Message::Cosigned(_) => "Exchange: Cosigned",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the whole table, written out: c commune, p province, a auditor.
    #[test]
    fn who_may_call_what() {
        let table = "\
            Exchange cpa
            Prove cp-
            Refill cp-
            Refuse cpa
            Renew cpa
            Subscribe --a
            Enrol, as a recovery cp-
            Exchange: Hello cpa
            Exchange: Heartbeat cpa
            Exchange: Cosigned cpa
            Exchange: NoticesTaken cpa
            Exchange: Prefix cpa
            Exchange: Batch cp-
            Exchange: Reconciled cp-
            Exchange: Mended cp-
            Exchange: Former cp-";
        assert_eq!(table.lines().count(), CALLS.len(), "every call is in the table");
        for line in table.lines() {
            let (call, who) = line.trim().rsplit_once(' ').unwrap();
            for (role, letter) in EVERY.iter().zip("cpa".chars()) {
                assert_eq!(may_call(*role, call), who.contains(letter), "{call}: {role}");
            }
        }
        assert!(EVERY.iter().all(|role| !may_call(*role, "Delete") && !may_call(*role, "")));
    }
}
