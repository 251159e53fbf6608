//! The proof of a receipt: the acceptance the hub promised stands in its ledger, and is bound to those it had promised before.

use lienthong_proto::bytes::Malformed;
use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::cosignature::verify_cosignature;
use lienthong_proto::entry::{Entry, EntryKind, Part};
use lienthong_proto::event::{Acceptance, Link};
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::merkle::{ProofError, verify_inclusion};
use lienthong_proto::note::NoteError;
use lienthong_proto::roll::Acknowledged;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::wire::sync as wire;

use super::{ProofLine, Proving, Roots};

/// Why a proof does not show what the receipts promised.
#[derive(Debug, thiserror::Error)]
pub enum ProofFault {
    /// The entry is no acceptance, or the message is none.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The entry stands elsewhere, or something of it is withheld.
    #[error("the acceptance is not the one that was asked for")]
    Other,
    /// The path does not lead to the ledger's root.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The acceptance is of a form this program does not know.
    #[error("the acceptance at {index} is of another version of the program")]
    Unknown {
        /// Its place.
        index: u64,
    },
    /// The ledger says otherwise what was accepted.
    #[error(
        "the receipt of {size} entries of this log was given for another acceptance than the ledger has at {index}"
    )]
    Contradicts {
        /// Of the receipt.
        size: u64,
        /// Where the ledger has another.
        index: u64,
    },
    /// The ledger says otherwise where and when something was accepted before, or does not have it.
    #[error(
        "the receipt of {} entries says entry {} of the ledger, of {}; the ledger, bound to what it accepted before, {}",
        promised.size, promised.ledger_index, promised.at.rfc3339(), said(*found)
    )]
    Before {
        /// By the receipt.
        promised: Acknowledged,
        /// By the ledger.
        found: Option<Acknowledged>,
    },
    /// The ledger says otherwise when something was accepted by the one before, or does not have it.
    #[error(
        "the ledger before had accepted {size} entries of this log at {}; this one, which took it over, {}",
        at.rfc3339(), found.map_or_else(|| "does not say so".to_owned(), |found| format!("says {}", found.rfc3339()))
    )]
    Carried {
        /// Entries of the log.
        size: u64,
        /// As the ledger before had said.
        at: UnixMillis,
        /// As this one says.
        found: Option<UnixMillis>,
    },
    /// What is shown of before is not what the acceptance is bound to.
    #[error("the acceptance at {index} is not bound to the ones that are shown before it")]
    Unbound {
        /// Its place.
        index: u64,
    },
}

fn said(found: Option<Acknowledged>) -> String {
    found.map_or_else(
        || "has no such acceptance".to_owned(),
        |found| format!("has entry {}, of {}", found.ledger_index, found.at.rfc3339()),
    )
}

/// Whose receipts, and whose ledger.
#[derive(Debug, Clone, Copy)]
pub struct Promised<'a> {
    /// The receipts.
    pub asked: &'a Proving,
    /// Our replica.
    pub replica: ReplicaId,
    /// Our root at the size of the receipt to be proven.
    pub root: Digest,
    /// The ledger's checkpoint that was seen, and proven to go on from all seen before.
    pub ledger: &'a Checkpoint,
    /// As the ledger signed it.
    pub note: &'a str,
}

/// Checks the hub's proof of a receipt, and by it those between it and the one proven last.
///
/// # Errors
/// [`ProofFault`]: the hub could not show what it promised.
pub fn verify_proof(promised: Promised<'_>, reply: &wire::ProveReply) -> Result<ProofLine, ProofFault> {
    let Promised { asked, replica, root, ledger, note } = promised;
    let Acknowledged { size, ledger_index: index, at } = asked.receipt;
    let entry = Entry::decode(&reply.entry)?;
    let step = |step: &bytes::Bytes| step.as_ref().try_into().map_err(|_| Malformed("a step of the path"));
    let path: Vec<Digest> = reply.path.iter().map(step).collect::<Result<_, _>>()?;
    verify_inclusion(&entry.leaf_hash(), index, ledger.size, &path, &ledger.root)?;
    let whole = entry.parts().iter().all(|part| matches!(part, Part::Open { .. }));
    if !whole || entry.header.dot.sequence != Sequence(index) {
        return Err(ProofFault::Other);
    }
    if entry.header.kind != EntryKind::Acceptance {
        return Err(ProofFault::Contradicts { size, index });
    }
    let acceptance = Acceptance::of(&entry).map_err(|_| ProofFault::Unknown { index })?;
    if (acceptance.replica, acceptance.size, acceptance.root, acceptance.at) != (replica, size, root, at) {
        return Err(ProofFault::Contradicts { size, index });
    }
    let before: Vec<Link> = reply.before.iter().map(link).collect();
    bound(asked, &acceptance, &before)?;
    Ok(ProofLine {
        ledger_index: index,
        size,
        entry: hex::encode(&reply.entry),
        path: path.iter().map(hex::encode).collect(),
        checkpoint: note.to_owned(),
        before: before.iter().map(kept).collect(),
        ledger: None,
    })
}

/// Whether an acceptance is bound to those that are shown before it, and they are what was promised.
fn bound(asked: &Proving, acceptance: &Acceptance, before: &[Link]) -> Result<(), ProofFault> {
    let index = asked.receipt.ledger_index;
    let (mut size, mut chain) = asked.known;
    for link in before {
        if link.size <= size {
            return Err(ProofFault::Unbound { index });
        }
        (size, chain) = (link.size, link.onto(&chain));
    }
    if size != acceptance.first.0 || chain != acceptance.before {
        return Err(ProofFault::Unbound { index });
    }
    for promised in &asked.between {
        let found = before.iter().find(|link| link.size == promised.size);
        let found = found.map(|link| Acknowledged { size: link.size, ledger_index: link.index, at: link.at });
        if found != Some(*promised) {
            return Err(ProofFault::Before { promised: *promised, found });
        }
    }
    for &(size, at) in &asked.carried {
        let own = (acceptance.size == size).then_some(acceptance.at);
        let found = before.iter().find(|link| link.size == size).map(|link| link.at).or(own);
        if found != Some(at) {
            return Err(ProofFault::Carried { size, at, found });
        }
    }
    Ok(())
}

fn link(shown: &wire::AcceptedBefore) -> Link {
    Link {
        index: shown.ledger_index,
        size: shown.size,
        at: UnixMillis(shown.at_millis),
        verdicts: shown.verdicts.to_vec(),
    }
}

/// As the acceptances shown are kept.
fn kept(link: &Link) -> (u64, u64, u64, String) {
    (link.index, link.size, link.at.0, hex::encode(&link.verdicts))
}

/// What a reply shows of before, as it is kept.
pub(super) fn shown_before(reply: &wire::ProveReply) -> Vec<(u64, u64, u64, String)> {
    reply.before.iter().map(|shown| kept(&link(shown))).collect()
}

/// What a receipt says the hub holds, if the hub's cosignature holds over our own checkpoint of that size; nothing if
/// our log has no such size.
///
/// # Errors
/// [`NoteError`]: the hub has not signed for that.
pub fn verify_receipt(
    receipt: &wire::Receipt,
    roots: &dyn Roots,
    origin: String,
    (name, key): (&str, [u8; 32]),
) -> Result<Option<Checkpoint>, NoteError> {
    let Some(root) = roots.root_at(receipt.size) else { return Ok(None) };
    let checkpoint = Checkpoint { origin, size: receipt.size, root, roll: None };
    let time = verify_cosignature(&receipt.cosignature, &checkpoint, key, name)?;
    // What it says beside its signature is what it signed.
    if time != receipt.at_millis / 1_000 {
        return Err(NoteError::BadSignature(name.to_owned()));
    }
    Ok(Some(checkpoint))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lienthong_proto::event::FIRST_ACCEPTED;
    use lienthong_proto::ids::Dot;
    use lienthong_proto::merkle::{Frontier, inclusion_proof};
    use lienthong_proto::verdict::Verdict;

    use super::*;

    const OWN: ReplicaId = ReplicaId([1; 16]);
    const LEDGER: ReplicaId = ReplicaId([9; 16]);
    fn root(size: u64) -> Digest {
        [u8::try_from(size).unwrap(); 32]
    }

    /// A ledger of acceptances of our log, of these sizes and times; all changes of the second were made proposals.
    fn ledger(taken: &[(u64, u64)]) -> Vec<Acceptance> {
        let (mut first, mut before) = (0, FIRST_ACCEPTED);
        let mut acceptances = Vec::new();
        for (index, &(size, at)) in (0..).zip(taken) {
            let verdicts = if index == 1 { [(0, Verdict::Proposal)].into() } else { BTreeMap::new() };
            let (at, checkpoint) = (UnixMillis(at), String::new());
            let root = root(size);
            let (replica, first_here) = (OWN, Sequence(first));
            let acceptance =
                Acceptance { replica, first: first_here, size, root, at, before, verdicts, checkpoint };
            (first, before) = (size, acceptance.chain(index));
            acceptances.push(acceptance);
        }
        acceptances
    }

    /// What a hub answers of the last of them, with those before it from one place on.
    fn reply(acceptances: &[Acceptance], from: usize) -> (wire::ProveReply, Checkpoint) {
        let mut tree = Frontier::new();
        let mut leaves = Vec::new();
        let mut entry = Vec::new();
        for (index, acceptance) in (0..).zip(acceptances) {
            let dot = Dot { replica: LEDGER, sequence: Sequence(index) };
            let (bytes, leaf) = acceptance.build(dot, &[5; 16]).unwrap();
            tree.push(leaf);
            leaves.push(leaf);
            entry = bytes;
        }
        let size = acceptances.len() as u64;
        let seen = Checkpoint { origin: "ledger.example/9".to_owned(), size, root: tree.root(), roll: None };
        let path = inclusion_proof(leaves.as_slice(), size - 1, size).unwrap();
        let shown = |(index, acceptance): (u64, &Acceptance)| {
            let Link { index, size, at, verdicts } = acceptance.link(index);
            wire::AcceptedBefore { ledger_index: index, size, at_millis: at.0, verdicts: verdicts.into() }
        };
        let before = (0..).zip(acceptances).skip(from).map(shown);
        let reply = wire::ProveReply {
            entry: entry.into(),
            path: path.into_iter().map(|hash| hash.to_vec().into()).collect(),
            before: before.take(acceptances.len() - 1 - from).collect(),
        };
        (reply, seen)
    }

    fn promised(index: u64, (size, at): (u64, u64)) -> Acknowledged {
        Acknowledged { size, ledger_index: index, at: UnixMillis(at) }
    }

    const TAKEN: [(u64, u64); 4] = [(3, 100), (5, 200), (9, 300), (12, 400)];

    /// All of them promised, and the first proven.
    fn asked() -> Proving {
        let between = (1..).zip(&TAKEN[1..3]).map(|(index, taken)| promised(index, *taken));
        let known = (3, ledger(&TAKEN)[0].chain(0));
        Proving { receipt: promised(3, TAKEN[3]), known, between: between.collect(), carried: Vec::new() }
    }

    fn judge(
        asked: &Proving,
        (reply, ledger): &(wire::ProveReply, Checkpoint),
    ) -> Result<ProofLine, ProofFault> {
        let (root, note) = (root(asked.receipt.size), "signed");
        verify_proof(Promised { asked, replica: OWN, root, ledger, note }, reply)
    }

    #[test]
    fn p5_what_was_promised_is_proven_to_the_last_receipt() {
        let proof = judge(&asked(), &reply(&ledger(&TAKEN), 1)).unwrap();
        assert_eq!((proof.size, proof.before.len()), (12, 2));
        assert_eq!(proof.before[0], (1, 5, 200, "000001".to_owned()));
        // A receipt that was lost on its way is missed by nobody.
        let fewer = Proving { between: asked().between[1..].to_vec(), ..asked() };
        assert!(judge(&fewer, &reply(&ledger(&TAKEN), 1)).is_ok());
    }

    /// Goal: a hub that has logged an earlier batch otherwise than its receipt says is found by the proof of a later one:
    /// dated otherwise, put elsewhere, taken together with another.
    #[test]
    fn p5_an_earlier_acceptance_is_what_its_receipt_says() {
        let dated = ledger(&[TAKEN[0], (5, 199), TAKEN[2], TAKEN[3]]);
        let found = judge(&asked(), &reply(&dated, 1));
        let Err(ProofFault::Before { promised: said, found: Some(found) }) = found else {
            panic!("{found:?}")
        };
        assert_eq!((said.at.0, found.at.0), (200, 199));
        // One that shows what it promised shows what its ledger is not bound to.
        let mut hidden = reply(&dated, 1);
        hidden.0.before[0].at_millis = 200;
        assert!(matches!(judge(&asked(), &hidden), Err(ProofFault::Unbound { index: 3 })));
        let together = ledger(&[TAKEN[0], TAKEN[2], TAKEN[3]]);
        let at_two = Proving { receipt: promised(2, TAKEN[3]), ..asked() };
        let found = judge(&at_two, &reply(&together, 1));
        assert!(matches!(found, Err(ProofFault::Before { promised, found: None }) if promised.size == 5));
        let moved = Proving { between: vec![promised(7, TAKEN[1])], ..asked() };
        assert!(matches!(judge(&moved, &reply(&ledger(&TAKEN), 1)), Err(ProofFault::Before { .. })));
    }

    /// Goal: nothing of what is shown of before can be left out, added, moved or said otherwise, verdicts included.
    #[test]
    fn p5_what_is_shown_of_before_is_what_the_acceptance_is_bound_to() {
        let sound = reply(&ledger(&TAKEN), 1);
        let changes: [fn(&mut wire::ProveReply); 7] = [
            |reply| drop(reply.before.remove(0)),
            |reply| drop(reply.before.pop()),
            |reply| reply.before.swap(0, 1),
            |reply| reply.before.push(reply.before[1].clone()),
            |reply| reply.before[0].verdicts = bytes::Bytes::new(),
            |reply| reply.before[1].ledger_index += 1,
            |reply| reply.before[1].size -= 1,
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut changed = sound.clone();
            change(&mut changed.0);
            assert!(matches!(judge(&asked(), &changed), Err(ProofFault::Unbound { .. })), "{number}");
        }
        let other = Proving { known: (3, [8; 32]), ..asked() };
        assert!(matches!(judge(&other, &sound), Err(ProofFault::Unbound { .. })));
    }

    /// Goal: the first proof begins at the beginning.
    #[test]
    fn the_first_proof_begins_at_the_beginning() {
        let known = (0, FIRST_ACCEPTED);
        let first =
            Proving { receipt: promised(0, TAKEN[0]), known, between: Vec::new(), carried: Vec::new() };
        assert!(judge(&first, &reply(&ledger(&TAKEN[..1]), 0)).is_ok());
        let mut false_start = ledger(&TAKEN[..1]);
        false_start[0].before = [8; 32];
        assert!(matches!(judge(&first, &reply(&false_start, 0)), Err(ProofFault::Unbound { .. })));
        let later = Proving { known, between: Vec::new(), ..asked() };
        assert!(judge(&later, &reply(&ledger(&TAKEN), 0)).is_ok());
        assert!(matches!(judge(&later, &reply(&ledger(&TAKEN), 3)), Err(ProofFault::Unbound { .. })));
    }

    /// Goal: a ledger that took another over says what that had promised, of each batch with its date.
    #[test]
    fn p5_what_a_ledger_took_over_is_what_the_one_before_had_promised() {
        let carried = |carried: &[(u64, u64)]| Proving {
            known: (0, FIRST_ACCEPTED),
            between: Vec::new(),
            carried: carried.iter().map(|(size, at)| (*size, UnixMillis(*at))).collect(),
            ..asked()
        };
        let shown = reply(&ledger(&TAKEN), 0);
        assert!(judge(&carried(&TAKEN), &shown).is_ok());
        let found = |promised: &[(u64, u64)]| match judge(&carried(promised), &shown) {
            Err(ProofFault::Carried { size, found, .. }) => (size, found.map(|found| found.0)),
            other => panic!("{other:?}"),
        };
        assert_eq!(found(&[TAKEN[0], (5, 201)]), (5, Some(200)));
        assert_eq!(found(&[(12, 401)]), (12, Some(400)));
        assert_eq!(found(&[(4, 100)]), (4, None));
    }

    #[test]
    fn p5_the_acceptance_itself_is_what_its_receipt_says() {
        for other in [(12, 399), (13, 400)] {
            let logged = ledger(&[TAKEN[0], TAKEN[1], TAKEN[2], other]);
            assert!(matches!(
                judge(&asked(), &reply(&logged, 1)),
                Err(ProofFault::Contradicts { size: 12, index: 3 })
            ));
        }
        // All as promised, in another tree than the one that was seen.
        let dated = ledger(&[TAKEN[0], (5, 199), TAKEN[2], TAKEN[3]]);
        let two = (reply(&ledger(&TAKEN), 1).0, reply(&dated, 1).1);
        assert!(matches!(judge(&asked(), &two), Err(ProofFault::Proof(_))));
        let mut nowhere = reply(&ledger(&TAKEN), 1);
        nowhere.0.path.pop();
        assert!(matches!(judge(&asked(), &nowhere), Err(ProofFault::Proof(_))));
    }
}
