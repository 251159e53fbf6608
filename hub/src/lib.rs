//! The provincial hub: a replica that accepts others, merges them and answers for it.
//!
//! A batch's way: a connection ([`pki`] says whose) brings it, [`ingest`] verifies, judges and commits it
//! to the [`ledger`], and every reader sees it.

pub mod accept;
pub mod accounts;
pub mod alerts;
pub mod app;
pub mod backup;
pub mod cli;
mod connection;
pub mod demo;
pub mod erasing;
pub mod feed;
pub mod heartbeats;
pub mod holds;
pub mod ingest;
pub mod ledger;
pub mod lineage;
mod listening;
pub mod live;
pub mod observe;
pub mod pki;
mod places;
pub mod reconcile;
pub mod rights;
pub mod rpc;
pub mod service;
pub mod sharing;
pub mod status;
pub mod succession;
pub mod verify;
pub mod web;
pub mod witness;
