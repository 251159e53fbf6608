//! Liên Thông's replica: what a commune's machine does with its records.

pub mod capture;
pub mod export;
