//! Whose cosignatures are to count.

use std::collections::BTreeSet;

use lienthong_proto::ids::UnitCode;
use lienthong_proto::note::Verifier;
use lienthong_proto::witness::{Policy, WITNESSES_MAX};

/// Agencies among the witnesses: some, so that not all are the province's own; never enough to decide alone.
const AGENCIES_MAX: usize = 5;

/// A replica that can be a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its key.
    pub verifier: Verifier,
    /// Its unit; one replica of each is enough.
    pub unit: UnitCode,
    /// Whether that is an agency outside the province's own.
    pub agency: bool,
    /// The entry that names its key: who came first, comes first.
    pub place: u64,
}

/// The policy to come, if it is another than the one in force: who is a witness and still can be stays, free places go to
/// agencies first and then to whoever came first, one for each unit. Without any candidate everything stays as it is.
#[must_use]
pub fn choose(mut candidates: Vec<Candidate>, current: Option<&Policy>) -> Option<Policy> {
    let seated = |candidate: &Candidate| {
        let place = |policy: &Policy| policy.witnesses().iter().position(|key| *key == candidate.verifier);
        current.and_then(place)
    };
    candidates.sort_by_key(|candidate| {
        (seated(candidate).unwrap_or(usize::MAX), !candidate.agency, candidate.place)
    });
    let (mut units, mut agencies, mut chosen) = (BTreeSet::new(), 0, Vec::new());
    for candidate in candidates {
        if chosen.len() == WITNESSES_MAX {
            break;
        }
        if (candidate.agency && agencies == AGENCIES_MAX) || !units.insert(candidate.unit) {
            continue;
        }
        agencies += usize::from(candidate.agency);
        chosen.push(candidate.verifier);
    }
    let policy = Policy::new(chosen).ok()?;
    (Some(&policy) != current).then_some(policy)
}

#[cfg(test)]
mod tests {
    use lienthong_proto::note::Algorithm;

    use super::*;

    fn candidate(number: u8, unit: u32, agency: bool) -> Candidate {
        let name = format!("a.vn/33/{unit}/{number}/witness");
        let verifier = Verifier::new(&name, Algorithm::Cosignature, [number; 32]).unwrap();
        Candidate { verifier, unit: unit.to_string().parse().unwrap(), agency, place: u64::from(number) }
    }

    fn names(policy: &Policy) -> Vec<u8> {
        policy.witnesses().iter().map(|witness| witness.key()[0]).collect()
    }

    /// Goal: the witnesses are named by the ledger's own order, one for each unit, fifteen at most, agencies among them.
    #[test]
    fn one_for_each_unit_agencies_first_fifteen_at_most() {
        let communes = (1..=20).map(|number| candidate(number, 11_000 + u32::from(number), false));
        let twice = Candidate { place: 2, ..candidate(30, 11_001, false) };
        let agencies = (41..=47).map(|number| candidate(number, 90_000 + u32::from(number), true));
        let all: Vec<Candidate> = communes.chain([twice]).chain(agencies).collect();
        let policy = choose(all.clone(), None).unwrap();
        assert_eq!(names(&policy), [41, 42, 43, 44, 45, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(policy.quorum(), 8);
        let reversed: Vec<Candidate> = all.iter().rev().cloned().collect();
        assert_eq!(choose(reversed, Some(&policy)), None, "the same, in whatever order they are named");
        assert_eq!(choose(Vec::new(), Some(&policy)), None, "nobody is no policy");
    }

    #[test]
    fn who_is_a_witness_stays_one_while_it_can() {
        let all: Vec<Candidate> =
            (1..=4).map(|number| candidate(number, 11_000 + u32::from(number), false)).collect();
        let before = choose(all[1..].to_vec(), None).unwrap();
        assert_eq!(names(&before), [2, 3, 4]);
        let after = choose(all.clone(), Some(&before)).unwrap();
        assert_eq!(names(&after), [2, 3, 4, 1], "a new one comes behind");
        let gone: Vec<Candidate> = all.into_iter().filter(|candidate| candidate.place != 3).collect();
        assert_eq!(names(&choose(gone, Some(&after)).unwrap()), [2, 4, 1]);
    }
}
