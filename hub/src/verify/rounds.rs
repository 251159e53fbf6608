//! Roots that stand elsewhere than in the entries, each to be derived: anchors, rounds, what was witnessed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use lienthong_node::log::anchors;
use lienthong_proto::checkpoint::SignedCheckpoint;
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::ReplicaId;
use lienthong_proto::merkle::Frontier;
use lienthong_proto::note::Note;

use super::Differs;
use crate::ledger::Witnesses;
use crate::witness::{ROUNDS, WITNESSED, past_rounds, witnessed_note};

/// A root somebody has signed, or kept.
struct Claim {
    object: String,
    root: Digest,
    /// The right edge, if that is kept too.
    frontier: Option<Vec<u8>>,
}

/// A note whose cosignatures are to be judged.
struct Cosigned {
    object: String,
    size: u64,
    note: Note,
    quorum: bool,
}

/// What must come true.
pub(super) struct Wanted {
    claims: BTreeMap<u64, Vec<Claim>>,
    cosigned: Vec<Cosigned>,
    origin: String,
}

fn read(path: &Path, object: &str) -> Result<Option<Vec<u8>>, Differs> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Differs::at(object, error)),
    }
}

impl Wanted {
    /// The rounds of a hub's folder, each signed by the ledger.
    pub(super) fn gather(data: &Path, origin: &str, key: [u8; 32]) -> Result<Self, Differs> {
        let mut wanted = Self { claims: BTreeMap::new(), cosigned: Vec::new(), origin: origin.to_owned() };
        let unwritten = |object: &str| Differs::at(object, "not a line that is written there");
        if let Some(bytes) = read(&data.join(ROUNDS), ROUNDS)? {
            for (number, round) in (1..).zip(past_rounds(&bytes)) {
                let object = format!("{ROUNDS} line {number}");
                let round = round.ok_or_else(|| unwritten(&object))?;
                wanted.note(object, &round.note, key, false)?;
            }
        }
        if let Some(bytes) = read(&data.join(WITNESSED), WITNESSED)? {
            let note = witnessed_note(&bytes).ok_or_else(|| unwritten(WITNESSED))?;
            wanted.note(WITNESSED.to_owned(), &note, key, true)?;
        }
        Ok(wanted)
    }

    fn note(&mut self, object: String, text: &str, key: [u8; 32], quorum: bool) -> Result<(), Differs> {
        let signed = SignedCheckpoint::verify(text.as_bytes(), &self.origin, key)
            .map_err(|error| Differs::at(object.clone(), error))?;
        if signed.note().to_string() != text {
            return Err(Differs::at(object, "not the canonical form of its note"));
        }
        let (size, root) = (signed.checkpoint().size, signed.checkpoint().root);
        let claim = Claim { object: object.clone(), root, frontier: None };
        self.claims.entry(size).or_default().push(claim);
        self.cosigned.push(Cosigned { object, size, note: signed.note().clone(), quorum });
        Ok(())
    }

    /// Adds the anchors beside the log.
    pub(super) fn anchors(&mut self, dir: &Path, replica: ReplicaId) -> Result<(), Differs> {
        let slots = anchors(dir).map_err(|error| Differs::at("log/anchor", error))?;
        for (number, slot) in slots.into_iter().enumerate() {
            let object = format!("log/anchor slot {number}");
            let Some(anchor) = slot.map_err(|reason| Differs::at(object.clone(), reason))? else { continue };
            if anchor.replica != replica {
                return Err(Differs::at(object, "another replica's"));
            }
            let claim = Claim { object, root: anchor.root, frontier: Some(anchor.frontier) };
            self.claims.entry(anchor.next).or_default().push(claim);
        }
        Ok(())
    }

    /// The tree has come to a size: whatever was said of it must be so.
    pub(super) fn reached(&mut self, tree: &Frontier) -> Result<(), Differs> {
        for claim in self.claims.remove(&tree.size()).unwrap_or_default() {
            let edge = claim.frontier.is_none_or(|edge| edge == tree.encode());
            if claim.root != tree.root() || !edge {
                return Err(Differs::at(claim.object, format!("another root at {} entries", tree.size())));
            }
        }
        Ok(())
    }

    /// Nothing may be left that speaks of more entries, and every cosignature must hold; how many notes there are.
    pub(super) fn end(&self, end: u64, witnesses: &Witnesses) -> Result<u64, Differs> {
        if let Some((size, claim)) =
            self.claims.iter().find_map(|(size, claims)| Some((size, claims.first()?)))
        {
            return Err(Differs::at(claim.object.clone(), format!("{size} entries, the ledger has {end}")));
        }
        for cosigned in &self.cosigned {
            let differs = |reason: &dyn std::fmt::Display| Differs::at(cosigned.object.clone(), reason);
            let Some((_, policy)) = witnesses.policy_at(cosigned.size) else {
                return Err(differs(&"no policy stands in it"));
            };
            let known = |name: &str, id: [u8; 4]| {
                let named = |key: &lienthong_proto::note::Verifier| key.name() == name && key.id() == id;
                name == self.origin || policy.witnesses().iter().any(named)
            };
            if let Some(line) = cosigned.note.signatures().iter().find(|line| !known(&line.name, line.id)) {
                return Err(differs(&format!("a line of {}, who is no witness", line.name)));
            }
            match policy.judge(&cosigned.note) {
                Err(error) => return Err(differs(&error)),
                Ok((found, None)) if cosigned.quorum => {
                    return Err(differs(&format!("{found} of {} witnesses", policy.quorum())));
                }
                Ok(_) => {}
            }
        }
        Ok(self.cosigned.len() as u64)
    }
}
