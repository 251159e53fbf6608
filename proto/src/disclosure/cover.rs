//! Cover proofs: some leaves of a tree are shown, all others are covered by the roots of the largest
//! subtrees that hold none of them (PROTOCOL.md, "Bundles").
//!
//! One proof for many leaves: as long as the tree is the tree of RFC 6962, it is the union of their inclusion
//! proofs without what the shown leaves themselves give.

use crate::hash::Digest;
use crate::merkle::{EMPTY_ROOT, node_hash};

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
    use crate::merkle::{leaf_hash, root_at};

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

    #[test]
    fn order_and_range_are_looked_at() {
        let leaf = leaf_hash(b"x");
        assert_eq!(covered_root(2, &[(1, leaf), (0, leaf)], &[]), Err(CoverError::Order));
        assert_eq!(covered_root(2, &[(0, leaf), (0, leaf)], &[]), Err(CoverError::Order));
        assert_eq!(covered_root(2, &[(2, leaf)], &[leaf]), Err(CoverError::Order));
        assert_eq!(covered_root(1, &[(0, leaf)], &[]), Ok(leaf));
    }
}
