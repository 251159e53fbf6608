//! Liên Thông's contract: what every replica must compute alike.
//!
//! Nothing here opens a file or a socket, reads a clock, draws a random number or iterates anything
//! unordered. A record's way through it: a cell becomes a [`value::Value`], values become a change with
//! commitments, a change becomes a leaf of its replica's log, and admitted changes merge into registers.

pub mod authority;
pub mod batch;
pub mod bytes;
pub mod catalogue;
pub mod change;
pub mod checkpoint;
pub mod cosignature;
pub mod disclosure;
pub mod entry;
pub mod erasure;
pub mod event;
pub mod feed;
pub mod fingerprint;
pub mod hash;
pub mod ids;
pub mod limits;
pub mod lineage;
pub mod merge;
pub mod merging;
pub mod merkle;
pub mod note;
pub mod quality;
pub mod receipt_key;
pub mod reconcile;
pub mod roll;
pub mod rules;
pub mod succession;
pub mod text;
pub mod time;
pub mod trace;
pub mod value;
#[cfg(test)]
mod vectors;
pub mod verdict;
pub mod wire;
pub mod withdrawal;
pub mod witness;
