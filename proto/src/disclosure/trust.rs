//! Whom a verifier believes: the ledger's key, the witnesses' keys, and how many of them it takes. Read from a file in
//! the form of C2SP tlog-policy, which the agency got from somebody other than the one it checks.

use std::collections::{BTreeMap, BTreeSet};

use crate::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use crate::cosignature::verify_cosignature;
use crate::note::{Algorithm, NoteError, Signature, Verifier};
use crate::time::UnixMillis;

/// Lines of a policy.
const LINES_MAX: usize = 10_000;
/// A cosignature of before says nothing of a delivery.
const FRESH_SECONDS: u64 = 24 * 3_600;
/// The clocks of witnesses may differ by so much.
const SKEW_SECONDS: u64 = 600;
/// The quorum of a policy that asks for no witness.
const NONE: &str = "none";

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    logs: Vec<Verifier>,
    witnesses: BTreeMap<String, Verifier>,
    /// Each after its members.
    groups: Vec<(String, Group)>,
    quorum: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    needed: usize,
    members: Vec<String>,
}

/// Why a policy is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// A line is not understood.
    #[error("dòng {line}: {vi} · line {line}: {en}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// Why, in Vietnamese.
        vi: &'static str,
        /// Why, in English.
        en: &'static str,
    },
    /// It names no log, or no quorum.
    #[error("chính sách phải nêu sổ cái (log) và túc số (quorum) · the policy must name a log and a quorum")]
    Incomplete,
}

/// A witness that has cosigned, with its time in Unix seconds.
pub type Cosigned = (String, u64);

/// A checkpoint that a policy believes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Believed {
    /// The checkpoint, its log's signature verified.
    pub signed: SignedCheckpoint,
    /// The witnesses of the policy that cosigned it, by name.
    pub witnesses: Vec<Cosigned>,
    /// Whether they are as many as the policy asks for; without a quorum, true.
    pub quorum: bool,
}

impl Trust {
    /// A policy of one log and witnesses of which `needed` must cosign; none if `needed` is 0.
    #[must_use]
    pub fn new(
        log: Verifier,
        witnesses: impl IntoIterator<Item = (String, Verifier)>,
        needed: usize,
    ) -> Self {
        let witnesses: BTreeMap<String, Verifier> = witnesses.into_iter().collect();
        let members = witnesses.keys().cloned().collect();
        let group = Group { needed, members };
        let quorum = if needed == 0 { NONE } else { "quorum" };
        let groups = if needed == 0 { Vec::new() } else { vec![(quorum.to_owned(), group)] };
        Self { logs: vec![log], witnesses, groups, quorum: quorum.to_owned() }
    }

    /// The same, with a key whose cosignatures must hold and count for nothing.
    #[must_use]
    pub fn with_cosigner(mut self, name: &str, key: Verifier) -> Self {
        self.witnesses.insert(name.to_owned(), key);
        self
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// [`TrustError`] naming the line.
    pub fn parse(text: &str) -> Result<Self, TrustError> {
        let (mut logs, mut witnesses, mut groups, mut quorum) =
            (Vec::new(), BTreeMap::new(), Vec::new(), None);
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for (line, words) in (1..).zip(text.lines()) {
            let wrong = |vi, en| TrustError::Line { line, vi, en };
            if line > LINES_MAX {
                return Err(wrong("chính sách quá dài", "the policy is too long"));
            }
            let words: Vec<&str> = words.split_whitespace().collect();
            let key = |text: &str, algorithm| {
                let key: Result<Verifier, NoteError> = text.parse();
                let key = key.ok().filter(|key| key.algorithm() == algorithm);
                key.ok_or_else(|| wrong("khóa không đúng dạng", "the key is malformed"))
            };
            match words.as_slice() {
                [] => {}
                [comment, ..] if comment.starts_with('#') => {}
                ["log", text] | ["log", text, _] => logs.push(key(text, Algorithm::Ed25519)?),
                ["witness", name, text] | ["witness", name, text, _] => {
                    if names.contains(name) || *name == NONE {
                        return Err(wrong("tên này đã có", "the name is taken"));
                    }
                    let key = key(text, Algorithm::Cosignature)?;
                    // Under two names it would count twice.
                    if witnesses.values().any(|known: &Verifier| known.key() == key.key()) {
                        return Err(wrong("khóa này đã có", "the key is there already"));
                    }
                    witnesses.insert((*name).to_owned(), key);
                    names.insert(name);
                }
                ["group", name, needed, members @ ..] => {
                    if names.contains(name) || *name == NONE {
                        return Err(wrong("tên này đã có", "the name is taken"));
                    }
                    if members.is_empty() || !members.iter().all(|member| names.contains(member)) {
                        return Err(wrong("nhóm có thành viên không rõ", "the group has an unknown member"));
                    }
                    if members.iter().collect::<BTreeSet<_>>().len() != members.len() {
                        return Err(wrong("nhóm có thành viên lặp lại", "the group has a member twice"));
                    }
                    let needed = match *needed {
                        "any" => 1,
                        "all" => members.len(),
                        number => number.parse().unwrap_or(0),
                    };
                    if needed == 0 || needed > members.len() {
                        return Err(wrong(
                            "túc số của nhóm không đúng",
                            "the group's threshold makes no sense",
                        ));
                    }
                    let members = members.iter().map(|member| (*member).to_owned()).collect();
                    groups.push(((*name).to_owned(), Group { needed, members }));
                    names.insert(name);
                }
                ["quorum", name] => {
                    if quorum.is_some() || !(*name == NONE || names.contains(name)) {
                        return Err(wrong(
                            "quorum không rõ hoặc lặp lại",
                            "the quorum is unknown or stands twice",
                        ));
                    }
                    quorum = Some((*name).to_owned());
                }
                _ => return Err(wrong("dòng không hiểu được", "the line is not understood")),
            }
        }
        match quorum {
            Some(quorum) if !logs.is_empty() => Ok(Self { logs, witnesses, groups, quorum }),
            _ => Err(TrustError::Incomplete),
        }
    }

    /// The policy's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for log in &self.logs {
            out.push_str(&format!("log {log}\n"));
        }
        for (name, key) in &self.witnesses {
            out.push_str(&format!("witness {name} {key}\n"));
        }
        for (name, group) in &self.groups {
            out.push_str(&format!("group {name} {} {}\n", group.needed, group.members.join(" ")));
        }
        out.push_str(&format!("quorum {}\n", self.quorum));
        out
    }

    /// The key of a log, by its name.
    #[must_use]
    pub fn log(&self, origin: &str) -> Option<&Verifier> {
        self.logs.iter().find(|log| log.name() == origin)
    }

    /// Whether it asks for witnesses at all.
    #[must_use]
    pub fn asks_witnesses(&self) -> bool {
        self.quorum != NONE
    }

    /// Reads a signed checkpoint of the log `origin`: its signature and those of known witnesses must hold.
    ///
    /// # Errors
    /// [`CheckpointError`] if it is malformed, another log's, or a known key's signature does not hold.
    pub fn believe(&self, note: &[u8], origin: &str) -> Result<Believed, CheckpointError> {
        let log = self.log(origin).ok_or(CheckpointError::Note(NoteError::Unsigned))?;
        let signed = SignedCheckpoint::verify(note, origin, *log.key())?;
        let keys: Vec<Verifier> = self.witnesses.values().cloned().collect();
        let verified = match signed.note().verify(&keys) {
            Ok(verified) => verified,
            Err(NoteError::Unsigned) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let named =
            |key: &Verifier| self.witnesses.iter().find(|(_, known)| *known == key).map(|(name, _)| name);
        let witnesses: Vec<Cosigned> =
            verified.iter().filter_map(|found| Some((named(found.key)?.clone(), found.time))).collect();
        let quorum = !self.asks_witnesses() || self.reached(&witnesses);
        Ok(Believed { signed, witnesses, quorum })
    }

    /// Whether a cosignature line over a checkpoint holds by a key this policy names.
    #[must_use]
    pub fn cosigned(&self, checkpoint: &Checkpoint, line: &str) -> bool {
        let Ok(signature) = Signature::parse(line) else { return false };
        let known =
            self.witnesses.values().find(|key| key.name() == signature.name && key.id() == signature.id);
        known.is_some_and(|key| verify_cosignature(line, checkpoint, *key.key(), key.name()).is_ok())
    }

    /// Whether a quorum had cosigned within a day before an instant.
    #[must_use]
    pub fn is_fresh(&self, believed: &Believed, at: UnixMillis) -> bool {
        self.is_within(believed, at, FRESH_SECONDS)
    }

    /// Whether a quorum had cosigned within so many seconds before an instant, and not behind it.
    #[must_use]
    pub fn is_within(&self, believed: &Believed, at: UnixMillis, seconds: u64) -> bool {
        let at = at.seconds();
        let fresh = |(_, time): &&Cosigned| {
            let (since, until) = (at.saturating_sub(seconds + SKEW_SECONDS), at.saturating_add(SKEW_SECONDS));
            (since..=until).contains(time)
        };
        let fresh: Vec<Cosigned> = believed.witnesses.iter().filter(fresh).cloned().collect();
        !self.asks_witnesses() || self.reached(&fresh)
    }

    /// Whether the quorum is reached. A group's members stand before it: one way through the groups decides them all.
    fn reached(&self, signed: &[Cosigned]) -> bool {
        let mut reached: BTreeSet<&str> = signed.iter().map(|(witness, _)| witness.as_str()).collect();
        for (name, group) in &self.groups {
            if group.members.iter().filter(|member| reached.contains(member.as_str())).count() >= group.needed
            {
                reached.insert(name);
            }
        }
        reached.contains(self.quorum.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Checkpoint, Origin};
    use crate::cosignature::cosign;
    use crate::hash::{Signer as _, SigningKey};
    use crate::ids::ReplicaId;
    use crate::note::Signature;

    fn seed(n: u8) -> SigningKey {
        SigningKey::from_seed(&[n; 32]).unwrap()
    }

    fn policy(quorum: &str) -> String {
        let log = Verifier::new(&origin(), Algorithm::Ed25519, seed(1).public_key()).unwrap();
        let mut text = format!("# the province\nlog {log}\n\n");
        for n in 2..5 {
            let name = format!("w{n}.vn");
            let key = Verifier::new(&name, Algorithm::Cosignature, seed(n).public_key()).unwrap();
            text.push_str(&format!("witness w{n} {key} https://x\n"));
        }
        format!("{text}group two 2 w2 w3 w4\ngroup both all two w4\nquorum {quorum}\n")
    }

    fn origin() -> String {
        Origin::new("kiemtra.vn", "33", &"33".parse().unwrap(), ReplicaId([7; 16])).unwrap().to_string()
    }

    fn note(cosigners: &[u8]) -> String {
        let checkpoint = Checkpoint { origin: origin(), size: 9, root: [5; 32], roll: None };
        let mut signed = checkpoint.sign(&seed(1)).unwrap();
        for n in cosigners {
            let line = cosign(&checkpoint, 1_800_000_000, &format!("w{n}.vn"), &seed(*n)).unwrap();
            signed.note_mut().add(Signature::parse(&line).unwrap()).unwrap();
        }
        signed.to_string()
    }

    #[test]
    fn a_quorum_is_reached_by_those_it_names() {
        let reached = |quorum: &str, cosigners: &[u8]| {
            let trust = Trust::parse(&policy(quorum)).unwrap();
            trust.believe(note(cosigners).as_bytes(), &origin()).unwrap().quorum
        };
        assert!(reached("none", &[]));
        assert!(!reached("two", &[2]) && reached("two", &[2, 4]) && !reached("two", &[2, 9]));
        assert!(!reached("both", &[2, 3]) && reached("both", &[3, 4]));
        assert!(reached("w2", &[2]) && !reached("w2", &[3]));
        let trust = Trust::parse(&policy("two")).unwrap();
        assert_eq!(Trust::parse(&trust.to_text()), Ok(trust.clone()));
        let other = note(&[2, 3]).replace("\n9\n", "\n8\n");
        assert!(trust.believe(other.as_bytes(), &origin()).is_err());
        assert!(trust.believe(note(&[2]).as_bytes(), "kiemtra.vn/33/33/aa").is_err());
    }

    /// Goal: groups of groups of groups cost no more than their text. Method: 60 layers of two groups, each of both below
    /// it, which one by one would be 2^60 ways.
    #[test]
    fn groups_upon_groups_are_decided_at_once() {
        let mut text = policy("two").replace("quorum two\n", "group a0 any w2\ngroup b0 any w3\n");
        for layer in 1..60 {
            for name in ["a", "b"] {
                text.push_str(&format!("group {name}{layer} all a{0} b{0}\n", layer - 1));
            }
        }
        let trust = Trust::parse(&format!("{text}quorum a59\n")).unwrap();
        let quorum = |cosigners: &[u8]| trust.believe(note(cosigners).as_bytes(), &origin()).unwrap().quorum;
        assert!(quorum(&[2, 3]) && !quorum(&[2, 4]));
    }

    #[test]
    fn a_policy_that_says_too_little_is_refused() {
        let whole = policy("two");
        assert_eq!(Trust::parse(""), Err(TrustError::Incomplete));
        assert_eq!(Trust::parse("quorum none\n"), Err(TrustError::Incomplete));
        for (from, to) in [
            ("quorum two", "quorum w9"),
            ("group two 2", "group two 4"),
            ("group two 2", "group two 0"),
            ("group both all two w4", "group both all two w9"),
            ("witness w3", "witness w2"),
            ("group two 2 w2 w3", "group two 2 w2 w2"),
            ("quorum two", "quorum two\nquorum none"),
            ("log ", "log x"),
            ("# the", "the"),
        ] {
            let text = whole.replacen(from, to, 1);
            assert!(matches!(Trust::parse(&text), Err(TrustError::Line { .. })), "{to}");
        }
        let key = whole.lines().find_map(|line| line.strip_prefix("witness w2 ")).unwrap();
        let twice = whole.replacen("group", &format!("witness w9 {key}\ngroup"), 1);
        assert!(matches!(Trust::parse(&twice), Err(TrustError::Line { .. })), "{twice}");
    }
}
