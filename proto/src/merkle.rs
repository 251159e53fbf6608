//! The tree of a log: RFC 6962 exactly, so that other tools can check it.

use crate::bytes::{Malformed, Reader, Writer};
use crate::hash::{Digest, sha256};

/// Root of the tree without leaves: SHA-256 of nothing.
pub const EMPTY_ROOT: Digest = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// Largest size read from bytes: far beyond any log, and far enough from overflow to go on pushing.
const SIZE_MAX: u64 = 1 << 62;

/// Hash of a leaf.
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Digest {
    sha256(&[&[0], data])
}

/// Hash of a leaf given in pieces, one after the other.
#[must_use]
pub fn leaf_hash_of(pieces: &[&[u8]]) -> Digest {
    let mut all: Vec<&[u8]> = vec![&[0]];
    all.extend_from_slice(pieces);
    sha256(&all)
}

/// Hash of an inner node.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    sha256(&[&[1], left, right])
}

/// The right edge of a tree: the roots of its complete subtrees, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    edge: Vec<Digest>,
}

impl Frontier {
    /// The empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Digest) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.edge.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.edge.push(node);
        self.size += 1;
    }

    /// The root over all leaves.
    #[must_use]
    pub fn root(&self) -> Digest {
        let joined = self.edge.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        joined.unwrap_or(EMPTY_ROOT)
    }

    /// The tree of `size` leaves with these complete subtrees, largest first; none unless there is one for each bit set
    /// in the size.
    #[must_use]
    pub fn of_peaks(size: u64, edge: Vec<Digest>) -> Option<Self> {
        (size <= SIZE_MAX && edge.len() == size.count_ones() as usize).then_some(Self { size, edge })
    }

    /// Its complete subtrees, largest first: where each begins and ends, and its root.
    pub fn peaks(&self) -> impl Iterator<Item = (u64, u64, Digest)> + '_ {
        peaks_of(self.size).zip(&self.edge).map(|((start, end), root)| (start, end, *root))
    }

    /// The size in eight bytes, then the edge, largest subtree first.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(8 + 32 * self.edge.len());
        writer.u64(self.size);
        for node in &self.edge {
            writer.raw(node);
        }
        writer.into_bytes()
    }

    /// Reads what [`Frontier::encode`] wrote.
    ///
    /// # Errors
    /// [`Malformed`] if the edge does not have one hash for each bit set in the size.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let size = reader.u64()?;
        if size > SIZE_MAX {
            return Err(Malformed("tree size"));
        }
        let edge = (0..size.count_ones()).map(|_| reader.array()).collect::<Result<_, _>>()?;
        reader.end()?;
        Ok(Self { size, edge })
    }
}

/// Where the hashes of a log are found.
pub trait Hashes {
    /// Hash of the leaf at `index`.
    fn leaf(&self, index: u64) -> Option<Digest>;
    /// Root of the complete subtree of 256^level leaves number `index` at `level`, if stored.
    fn tile(&self, level: u8, index: u64) -> Option<Digest>;
}

impl Hashes for [Digest] {
    fn leaf(&self, index: u64) -> Option<Digest> {
        self.get(usize::try_from(index).ok()?).copied()
    }

    fn tile(&self, _level: u8, _index: u64) -> Option<Digest> {
        None
    }
}

/// Where the complete subtrees of a tree begin and end, largest first.
pub fn peaks_of(size: u64) -> impl Iterator<Item = (u64, u64)> {
    let widths = (0..u64::BITS).rev().map(|bit| 1u64 << bit).filter(move |width| size & width != 0);
    widths.scan(0, |start, width| {
        let from = *start;
        *start += width;
        Some((from, *start))
    })
}

/// The edge of the first `size` leaves; `None` if a hash is missing.
#[must_use]
pub fn frontier_at<H: Hashes + ?Sized>(hashes: &H, size: u64) -> Option<Frontier> {
    let edge = peaks_of(size).map(|(start, end)| subtree(hashes, start, end)).collect::<Option<_>>()?;
    Frontier::of_peaks(size, edge)
}

/// Root of the first `size` leaves; `None` if a hash is missing.
#[must_use]
pub fn root_at<H: Hashes + ?Sized>(hashes: &H, size: u64) -> Option<Digest> {
    if size == 0 { Some(EMPTY_ROOT) } else { subtree(hashes, 0, size) }
}

/// Proof that leaf `index` is in the tree of `size` leaves; `None` if it is not or a hash is missing.
#[must_use]
pub fn inclusion_proof<H: Hashes + ?Sized>(hashes: &H, index: u64, size: u64) -> Option<Vec<Digest>> {
    if index >= size {
        return None;
    }
    let (mut start, mut end, mut proof) = (0, size, Vec::new());
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(subtree(hashes, middle, end)?);
            end = middle;
        } else {
            proof.push(subtree(hashes, start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Some(proof)
}

/// Proof that the tree of `new` leaves extends the tree of `old`; `None` if it cannot or a hash is missing.
#[must_use]
pub fn consistency_proof<H: Hashes + ?Sized>(hashes: &H, old: u64, new: u64) -> Option<Vec<Digest>> {
    if old > new {
        return None;
    }
    if old == 0 || old == new {
        return Some(Vec::new());
    }
    let (mut start, mut end, mut proof) = (0, new, Vec::new());
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(subtree(hashes, middle, end)?);
            end = middle;
        } else {
            proof.push(subtree(hashes, start, middle)?);
            start = middle;
        }
    }
    // A verifier already holds the old root; it needs the last subtree only where that is not the whole.
    if start != 0 {
        proof.push(subtree(hashes, start, end)?);
    }
    proof.reverse();
    Some(proof)
}

/// Largest power of two below `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

fn subtree<H: Hashes + ?Sized>(hashes: &H, start: u64, end: u64) -> Option<Digest> {
    let count = end - start;
    if count == 1 {
        return hashes.leaf(start);
    }
    if count.is_power_of_two() && count.ilog2().is_multiple_of(8) && start.is_multiple_of(count) {
        let level = u8::try_from(count.ilog2() / 8).ok()?;
        if let Some(root) = hashes.tile(level, start / count) {
            return Some(root);
        }
    }
    let middle = start + split(count);
    Some(node_hash(&subtree(hashes, start, middle)?, &subtree(hashes, middle, end)?))
}

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The numbers make no sense together.
    #[error("position {first} does not fit a tree of {size} leaves")]
    Range {
        /// The leaf's index, or the older size.
        first: u64,
        /// The tree's size.
        size: u64,
    },
    /// Too few or too many hashes.
    #[error("a proof of {0} hashes has the wrong length")]
    Length(usize),
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// Checks that `leaf` (a leaf hash) is at `index` in the tree of `size` leaves and this root.
///
/// # Errors
/// [`ProofError`] if the proof does not show it.
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: &Digest,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Range { first: index, size });
    }
    let (mut place, mut last, mut hash) = (index, size - 1, *leaf);
    for step in proof {
        if last == 0 {
            return Err(ProofError::Length(proof.len()));
        }
        if climbs_left(&mut place, &mut last) {
            hash = node_hash(step, &hash);
        } else {
            hash = node_hash(&hash, step);
        }
    }
    if last != 0 {
        return Err(ProofError::Length(proof.len()));
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Goes up to the next node that has a sibling; whether that sibling is on the left.
fn climbs_left(place: &mut u64, last: &mut u64) -> bool {
    let left = *place & 1 == 1 || place == last;
    if left {
        while *place & 1 == 0 && *place != 0 {
            *place >>= 1;
            *last >>= 1;
        }
    }
    *place >>= 1;
    *last >>= 1;
    left
}

/// Checks that the tree of `new_size` leaves extends the tree of `old_size`.
///
/// # Errors
/// [`ProofError`] if the proof does not show it.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Digest,
    new_size: u64,
    new_root: &Digest,
    proof: &[Digest],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::Range { first: old_size, size: new_size });
    }
    if old_size == 0 || old_size == new_size {
        if !proof.is_empty() {
            return Err(ProofError::Length(proof.len()));
        }
        let expected = if old_size == 0 { &EMPTY_ROOT } else { new_root };
        let empty_holds = new_size != 0 || *new_root == EMPTY_ROOT;
        return if old_root == expected && empty_holds { Ok(()) } else { Err(ProofError::Root) };
    }
    let whole = old_size.is_power_of_two();
    let (first, rest) =
        if whole { (old_root, proof) } else { proof.split_first().ok_or(ProofError::Length(0))? };
    let skip = (old_size - 1).trailing_ones();
    let (mut place, mut last) = ((old_size - 1) >> skip, (new_size - 1) >> skip);
    let (mut old, mut new) = (*first, *first);
    for step in rest {
        if last == 0 {
            return Err(ProofError::Length(proof.len()));
        }
        if climbs_left(&mut place, &mut last) {
            old = node_hash(step, &old);
            new = node_hash(step, &new);
        } else {
            new = node_hash(&new, step);
        }
    }
    if last != 0 {
        return Err(ProofError::Length(proof.len()));
    }
    if old == *old_root && new == *new_root { Ok(()) } else { Err(ProofError::Root) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u64) -> Vec<Digest> {
        (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    fn naive(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => sha256(&[]),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                sha256(&[&[1], &naive(left), &naive(right)])
            }
        }
    }

    #[test]
    fn roots_equal_the_recursive_definition() {
        let all = leaves(300);
        let mut frontier = Frontier::new();
        for size in 0..=300usize {
            let root = naive(&all[..size]);
            assert_eq!(frontier.root(), root);
            assert_eq!(root_at(all.as_slice(), size as u64), Some(root));
            assert_eq!(Frontier::decode(&frontier.encode()), Ok(frontier.clone()));
            if size < 300 {
                frontier.push(all[size]);
            }
        }
        let mut cut = frontier.encode();
        cut.pop();
        assert!(Frontier::decode(&cut).is_err());
        assert!(Frontier::decode(&[0xff; 8 + 64 * 32]).is_err());
    }

    #[test]
    fn inclusion_holds_and_every_tampering_fails() {
        let all = leaves(300);
        for size in (1..=40).chain([255, 256, 257, 300u64]) {
            let root = naive(&all[..size as usize]);
            for index in 0..size {
                let leaf = all[index as usize];
                let mut proof = inclusion_proof(all.as_slice(), index, size).unwrap();
                assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root), Ok(()));
                for at in 0..proof.len() {
                    proof[at][7] ^= 1;
                    assert!(verify_inclusion(&leaf, index, size, &proof, &root).is_err());
                    proof[at][7] ^= 1;
                }
                proof.push(leaf);
                assert!(verify_inclusion(&leaf, index, size, &proof, &root).is_err());
            }
        }
    }

    #[test]
    fn consistency_holds_and_every_tampering_fails() {
        let all = leaves(300);
        for new in (0..=40).chain([255, 256, 257, 300u64]) {
            let new_root = naive(&all[..new as usize]);
            for old in 0..=new {
                let old_root = naive(&all[..old as usize]);
                let mut proof = consistency_proof(all.as_slice(), old, new).unwrap();
                assert_eq!(verify_consistency(old, &old_root, new, &new_root, &proof), Ok(()));
                for at in 0..proof.len() {
                    proof[at][7] ^= 1;
                    assert!(verify_consistency(old, &old_root, new, &new_root, &proof).is_err());
                    proof[at][7] ^= 1;
                }
                proof.push(new_root);
                assert!(verify_consistency(old, &old_root, new, &new_root, &proof).is_err());
            }
        }
    }

    /// Stores complete subtrees of 256 leaves and no leaf below `from`.
    struct Tiled {
        all: Vec<Digest>,
        from: u64,
    }

    impl Hashes for Tiled {
        fn leaf(&self, index: u64) -> Option<Digest> {
            (index >= self.from).then(|| self.all[index as usize])
        }

        fn tile(&self, level: u8, index: u64) -> Option<Digest> {
            let start = index as usize * 256;
            (level == 1).then(|| naive(&self.all[start..start + 256]))
        }
    }

    #[test]
    fn tiles_stand_for_their_leaves() {
        let tiled = Tiled { all: leaves(1000), from: 768 };
        assert_eq!(root_at(&tiled, 1000), Some(naive(&tiled.all)));
        let proof = inclusion_proof(&tiled, 900, 1000);
        assert_eq!(proof, inclusion_proof(tiled.all.as_slice(), 900, 1000));
        assert_eq!(inclusion_proof(&tiled, 5, 1000), None);
    }
}
