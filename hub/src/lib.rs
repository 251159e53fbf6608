//! The provincial hub: a replica that accepts others, merges them and answers for it.
//!
//! A batch's way: a connection ([`pki`] says whose) brings it, [`ingest`] verifies, judges and commits it
//! to the [`ledger`], and every reader sees it.

pub mod ingest;
pub mod ledger;
pub mod pki;
