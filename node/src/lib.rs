//! A replica of Liên Thông: capture, store, synchronise.
//!
//! A record's way: a cell of a sheet is judged ([`capture`]), composed with what is known ([`replica`]),
//! logged durably ([`log`]), merged ([`dataset`]) into the view ([`store`]) and sent ([`sync`]).

pub mod log;
pub mod store;
