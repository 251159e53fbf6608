//! A replica of Liên Thông: capture, store, synchronise.
//!
//! A record's way: a cell of a sheet is judged ([`capture`]), composed with what is known ([`replica`]),
//! logged durably ([`log`]), merged ([`dataset`]) into the view ([`store`]) and sent ([`sync`]).

pub mod api;
pub mod app;
pub mod aside;
pub mod ask;
pub mod at_rest;
pub mod backup;
pub mod capture;
pub mod check;
pub mod cli;
pub mod config;
pub mod control;
pub mod dataset;
pub mod doctor;
pub mod erasing;
pub mod export;
pub mod folder;
pub mod granted;
pub mod identity;
pub mod inbox;
pub mod intake;
pub mod lock;
pub mod log;
pub mod notify;
pub mod observe;
pub mod published;
pub mod quality;
pub mod records;
pub mod recover;
pub mod replica;
pub mod resealer;
pub mod rpc;
pub mod sealed;
pub mod service;
mod serving;
pub mod shown;
pub mod store;
pub mod sync;
pub mod verify;
pub mod web;
pub mod why;

/// The version of the synchronisation protocol this program speaks.
#[must_use]
pub const fn sync_protocol() -> u32 {
    1
}
