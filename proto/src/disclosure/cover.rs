//! Cover proofs: some leaves of a tree are shown, all others are covered by the roots of the largest
//! subtrees that hold none of them (PROTOCOL.md, "Bundles").
//!
//! One proof for many leaves: as long as the tree is the tree of RFC 6962, it is the union of their inclusion
//! proofs without what the shown leaves themselves give.
//!
//! Where a verifier has the edge of an earlier state of the tree, the proof leaves out what that gives: one
//! computation then shows that the tree goes on from there, and what is in it (PROTOCOL.md, "Live views").

use crate::hash::Digest;
use crate::merkle::{EMPTY_ROOT, Frontier, node_hash, peaks_of};

/// A subtree on the way to its root.
#[derive(Debug)]
struct Node {
    /// Its root, if no leaf of it is shown.
    covered: Option<Digest>,
    /// The proof within it, in order of the leaves; of a covered one nothing yet.
    proof: Vec<Digest>,
}

impl Node {
    fn join(self, right: Self) -> Self {
        if let (Some(a), Some(b)) = (self.covered, right.covered) {
            return Self { covered: Some(node_hash(&a, &b)), proof: Vec::new() };
        }
        let mut proof = self.into_proof();
        proof.extend(right.into_proof());
        Self { covered: None, proof }
    }

    fn into_proof(mut self) -> Vec<Digest> {
        self.proof.extend(self.covered);
        self.proof
    }
}

/// Makes a cover proof from the leaves in order; holds the proof and one node for each level.
#[derive(Debug, Default)]
pub struct Cover {
    size: u64,
    edge: Vec<Node>,
}

impl Cover {
    /// The next leaf, by its hash, and whether it is shown.
    pub fn push(&mut self, leaf: Digest, shown: bool) {
        let mut node = Node { covered: (!shown).then_some(leaf), proof: Vec::new() };
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.edge.pop() {
                node = left.join(node);
            }
        }
        self.edge.push(node);
        self.size += 1;
    }

    /// Goes on from a state of the tree that the verifier knows, none of its leaves shown.
    #[must_use]
    pub fn going_on(known: &Frontier) -> Self {
        let edge = known.peaks().map(|_| Node { covered: None, proof: Vec::new() }).collect();
        Self { size: known.size(), edge }
    }

    /// The verifier knows the tree as it is so far: of it the proof has only what leads to the leaves that are shown.
    pub fn settle(&mut self) {
        for node in &mut self.edge {
            node.covered = None;
        }
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The proof: the hashes from the first leaf to the last.
    #[must_use]
    pub fn proof(self) -> Vec<Digest> {
        let joined = self.edge.into_iter().rev().reduce(|right, left| left.join(right));
        joined.map_or_else(Vec::new, Node::into_proof)
    }

    /// The proof that gives the verifier the edge of the tree, not just its root: subtree by subtree.
    #[must_use]
    pub fn proof_of_edge(self) -> Vec<Digest> {
        self.edge.into_iter().flat_map(Node::into_proof).collect()
    }
}

/// Why a cover proof leads to no root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CoverError {
    /// The shown leaves are not in ascending order, or lie outside the tree.
    #[error("a leaf is out of order or outside the tree")]
    Order,
    /// Too few or too many hashes.
    #[error("the proof has the wrong length")]
    Length,
    /// It does not lead to what was known before.
    #[error("the tree does not go on from the one known before")]
    Known,
}

/// The root of a tree of `size` leaves of which `shown` (ascending) are known and `proof` covers the others.
///
/// # Errors
/// [`CoverError`] if they do not fit together; whether the root is the right one is the caller's to say.
pub fn covered_root(size: u64, shown: &[(u64, Digest)], proof: &[Digest]) -> Result<Digest, CoverError> {
    let ordered = shown.iter().zip(shown.iter().skip(1)).all(|((a, _), (b, _))| a < b);
    if !ordered || shown.last().is_some_and(|(last, _)| *last >= size) {
        return Err(CoverError::Order);
    }
    let mut rest = proof.iter();
    let root = if size == 0 { EMPTY_ROOT } else { subtree(0, size, shown, &mut rest)? };
    if rest.next().is_some() { Err(CoverError::Length) } else { Ok(root) }
}

/// The edge of a tree of `size` leaves that goes on from `known`, of which `shown` (ascending) are known and `proof`
/// ([`Cover::proof_of_edge`]) covers the others. Of the leaves of `known` some may be shown as well.
///
/// # Errors
/// As [`covered_root`]; [`CoverError::Known`] if it does not go on from there.
pub fn covered_edge(
    known: &Frontier,
    size: u64,
    shown: &[(u64, Digest)],
    proof: &[Digest],
) -> Result<Frontier, CoverError> {
    let ordered = shown.iter().zip(shown.iter().skip(1)).all(|((a, _), (b, _))| a < b);
    if !ordered || shown.last().is_some_and(|(last, _)| *last >= size) {
        return Err(CoverError::Order);
    }
    if size < known.size() {
        return Err(CoverError::Known);
    }
    let (mut rest, mut left) = (proof.iter(), shown);
    let mut edge = Vec::new();
    for (start, end) in peaks_of(size) {
        let (within, behind) = left.split_at(left.partition_point(|(index, _)| *index < end));
        edge.push(known_subtree(known, start, end, within, &mut rest)?);
        left = behind;
    }
    if rest.next().is_some() {
        return Err(CoverError::Length);
    }
    Frontier::of_peaks(size, edge).ok_or(CoverError::Order)
}

/// As [`subtree`], with what is known: a complete subtree of an earlier state is one of every later state.
fn known_subtree(
    known: &Frontier,
    start: u64,
    end: u64,
    shown: &[(u64, Digest)],
    rest: &mut std::slice::Iter<'_, Digest>,
) -> Result<Digest, CoverError> {
    if start >= known.size() {
        return subtree(start, end, shown, rest);
    }
    if let Some((_, _, root)) = known.peaks().find(|peak| (peak.0, peak.1) == (start, end)) {
        let leads = shown.is_empty() || subtree(start, end, shown, rest)? == root;
        return if leads { Ok(root) } else { Err(CoverError::Known) };
    }
    let middle = start + (end - start) / 2;
    let (left, right) = shown.split_at(shown.partition_point(|(index, _)| *index < middle));
    let left = known_subtree(known, start, middle, left, rest)?;
    let right = known_subtree(known, middle, end, right, rest)?;
    Ok(node_hash(&left, &right))
}

/// The subtree of the leaves from `start` to before `end`; at most 64 deep, and only where leaves are shown.
fn subtree(
    start: u64,
    end: u64,
    shown: &[(u64, Digest)],
    rest: &mut std::slice::Iter<'_, Digest>,
) -> Result<Digest, CoverError> {
    let count = end - start;
    if shown.is_empty() {
        return rest.next().copied().ok_or(CoverError::Length);
    }
    if let (1, [(_, leaf)]) = (count, shown) {
        return Ok(*leaf);
    }
    let middle = start + (1 << (count - 1).ilog2());
    let (left, right) = shown.split_at(shown.partition_point(|(index, _)| *index < middle));
    let left = subtree(start, middle, left, rest)?;
    let right = subtree(middle, end, right, rest)?;
    Ok(node_hash(&left, &right))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merkle::{frontier_at, leaf_hash, root_at};

    proptest! {
        #[test]
        fn any_choice_of_leaves_leads_to_the_root_and_no_change_does(
            shown in prop::collection::vec(any::<bool>(), 0..300),
            at in any::<prop::sample::Index>(),
        ) {
            let leaves: Vec<Digest> = (0..shown.len()).map(|n| leaf_hash(&n.to_be_bytes())).collect();
            let mut cover = Cover::default();
            leaves.iter().zip(&shown).for_each(|(leaf, shown)| cover.push(*leaf, *shown));
            let size = shown.len() as u64;
            let mut known: Vec<(u64, Digest)> =
                (0..size).zip(&leaves).zip(&shown).filter(|(_, shown)| **shown).map(|((n, leaf), _)| (n, *leaf)).collect();
            let mut proof = cover.proof();
            let root = root_at(leaves.as_slice(), size).unwrap();
            prop_assert_eq!(covered_root(size, &known, &proof), Ok(root));
            prop_assert!(proof.len() <= 64 * (known.len() + 1));

            let all = proof.len() + known.len();
            if all > 0 {
                let at = at.index(all);
                match proof.get_mut(at) {
                    Some(hash) => hash[0] ^= 1,
                    None => known[at - proof.len()].1[0] ^= 1,
                }
                prop_assert_ne!(covered_root(size, &known, &proof), Ok(root));
            }
            proof.push([0; 32]);
            prop_assert_eq!(covered_root(size, &known, &proof), Err(CoverError::Length));
        }
    }

    proptest! {
        #[test]
        fn a_tree_goes_on_from_any_earlier_state_and_from_no_other(
            shown in prop::collection::vec(prop::bool::weighted(0.2), 1..200),
            known in any::<prop::sample::Index>(),
            at in any::<prop::sample::Index>(),
            past in any::<bool>(),
        ) {
            let (size, known) = (shown.len() as u64, known.index(shown.len() + 1) as u64);
            let leaves: Vec<Digest> = (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect();
            let before = frontier_at(leaves.as_slice(), known).unwrap();
            let mut cover = if past { Cover::default() } else { Cover::going_on(&before) };
            let mut given = Vec::new();
            for (n, (leaf, shown)) in (0..).zip(leaves.iter().zip(&shown)) {
                if n == known && past {
                    cover.settle();
                }
                if n >= known || past {
                    cover.push(*leaf, *shown);
                    given.extend(shown.then_some((n, *leaf)));
                }
            }
            if known == size {
                cover.settle();
            }
            let mut proof = cover.proof_of_edge();
            let edge = covered_edge(&before, size, &given, &proof).unwrap();
            prop_assert_eq!(edge.root(), root_at(leaves.as_slice(), size).unwrap());
            prop_assert_eq!(&edge, &frontier_at(leaves.as_slice(), size).unwrap());
            prop_assert!(given.iter().any(|(n, _)| *n < known) || proof.len() <= 64 * (given.len() + 2));

            // A tree that differs anywhere before is another tree; so is one whose proof or leaves do.
            if known > 0 {
                let mut other = leaves.clone();
                other[at.index(usize::try_from(known).unwrap())][0] ^= 1;
                let other = frontier_at(other.as_slice(), known).unwrap();
                let found = covered_edge(&other, size, &given, &proof);
                prop_assert!(found.is_err() || found.unwrap().root() != edge.root());
            }
            if let Some(hash) = (!proof.is_empty()).then(|| at.index(proof.len())) {
                proof[hash][0] ^= 1;
                let found = covered_edge(&before, size, &given, &proof);
                prop_assert!(found.is_err() || found.unwrap().root() != edge.root());
            }
            proof.push([0; 32]);
            prop_assert!(covered_edge(&before, size, &given, &proof).is_err());
            if known > 0 {
                prop_assert_eq!(covered_edge(&before, known - 1, &[], &[]), Err(CoverError::Known));
            }
        }
    }

    #[test]
    fn order_and_range_are_looked_at() {
        let leaf = leaf_hash(b"x");
        assert_eq!(covered_root(2, &[(1, leaf), (0, leaf)], &[]), Err(CoverError::Order));
        assert_eq!(covered_root(2, &[(0, leaf), (0, leaf)], &[]), Err(CoverError::Order));
        assert_eq!(covered_root(2, &[(2, leaf)], &[leaf]), Err(CoverError::Order));
        assert_eq!(covered_root(1, &[(0, leaf)], &[]), Ok(leaf));
    }
}
