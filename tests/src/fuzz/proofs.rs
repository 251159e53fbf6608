//! Proofs that a leaf is in a tree, that a tree extends another, and that leaves cover a tree.

use lienthong_proto::bytes::Reader;
use lienthong_proto::disclosure::{Cover, covered_root};
use lienthong_proto::hash::Digest;
use lienthong_proto::merkle::{
    consistency_proof, inclusion_proof, leaf_hash, root_at, verify_consistency, verify_inclusion,
};

use super::{Target, small};

pub(super) const TARGETS: &[Target] = &[
    Target { rounds: 3_000, ..small("inclusion", inclusion, inclusions) },
    Target { rounds: 3_000, ..small("consistency", consistency, consistencies) },
    Target { rounds: 3_000, ..small("cover", cover, covers) },
];

const SIZE: u64 = 150;

fn leaves() -> Vec<Digest> {
    (0..SIZE).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

/// Two numbers, then hashes as far as they go.
fn parts(data: &[u8]) -> Option<(u64, u64, Vec<Digest>)> {
    let mut input = Reader::new(data);
    let (a, b) = (input.u64().ok()?, input.u64().ok()?);
    let mut hashes = Vec::new();
    while let Ok(hash) = input.array() {
        hashes.push(hash);
    }
    Some((a, b, hashes))
}

fn joined(a: u64, b: u64, hashes: &[Digest]) -> Vec<u8> {
    [a.to_be_bytes().as_slice(), &b.to_be_bytes(), &hashes.concat()].concat()
}

fn inclusions() -> Vec<Vec<u8>> {
    let leaves = leaves();
    let proof = |index, size| inclusion_proof(leaves.as_slice(), index, size).unwrap();
    [(0, 1), (6, 7), (99, 100), (149, 150)].map(|(at, size)| joined(at, size, &proof(at, size))).to_vec()
}

/// A proof that holds is the one that is made for that leaf of that tree.
fn inclusion(data: &[u8]) {
    let Some((index, size, proof)) = parts(data) else { return };
    let leaves = leaves();
    let leaf = |at: u64| usize::try_from(at).ok().and_then(|at| leaves.get(at)).copied();
    let (root, at) = (root_at(leaves.as_slice(), size).unwrap_or([1; 32]), leaf(index).unwrap_or([2; 32]));
    if verify_inclusion(&at, index, size, &proof, &root).is_ok() {
        assert_eq!(inclusion_proof(leaves.as_slice(), index, size).as_ref(), Some(&proof));
    }
    // Whatever it leads to, it leads nowhere with one hash more.
    let more = [proof, vec![[0; 32]]].concat();
    assert!(verify_inclusion(&at, index, size, &more, &root).is_err());
}

fn consistencies() -> Vec<Vec<u8>> {
    let leaves = leaves();
    let proof = |old, new| consistency_proof(leaves.as_slice(), old, new).unwrap();
    [(0, 9), (1, 2), (64, 150), (77, 150)].map(|(old, new)| joined(old, new, &proof(old, new))).to_vec()
}

/// A proof that holds is the one that is made for those two trees.
fn consistency(data: &[u8]) {
    let Some((old, new, proof)) = parts(data) else { return };
    let leaves = leaves();
    let root = |size| root_at(leaves.as_slice(), size);
    let (old_root, new_root) = (root(old).unwrap_or([1; 32]), root(new).unwrap_or([2; 32]));
    if verify_consistency(old, &old_root, new, &new_root, &proof).is_ok() {
        assert_eq!(consistency_proof(leaves.as_slice(), old, new).as_ref(), Some(&proof));
    }
    assert!(verify_consistency(old, &[7; 32], new, &new_root, &proof).is_err());
}

fn covers() -> Vec<Vec<u8>> {
    let mut whole = Vec::new();
    for shown in [&[3u8, 4, 99][..], &[0], &[]] {
        let mut cover = Cover::default();
        (0..).zip(leaves()).for_each(|(n, leaf)| cover.push(leaf, shown.contains(&n)));
        let head = [&[shown.len() as u8], shown].concat();
        whole.push([head, joined(SIZE, 0, &cover.proof())].concat());
    }
    whole
}

/// A cover of shown leaves that leads to the root is the one made for them; none leads there without them.
fn cover(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else { return };
    let Some((shown, rest)) = rest.split_at_checked(usize::from(*count)) else { return };
    let Some((size, _, proof)) = parts(rest) else { return };
    let leaves = leaves();
    let known: Vec<(u64, Digest)> = shown
        .iter()
        .map(|at| (u64::from(*at), leaves.get(usize::from(*at)).copied().unwrap_or([3; 32])))
        .collect();
    let Ok(root) = covered_root(size, &known, &proof) else { return };
    assert!(known.len() + proof.len() <= 64 * (known.len() + 1), "a cover longer than its paths");
    if size == SIZE && root_at(leaves.as_slice(), size) == Some(root) {
        let mut cover = Cover::default();
        (0..).zip(&leaves).for_each(|(n, leaf)| cover.push(*leaf, known.iter().any(|(at, _)| *at == n)));
        assert_eq!(cover.proof(), proof);
    }
}
