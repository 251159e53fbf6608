//! The wire messages, as `wire/*.proto` declares them.
#![allow(missing_docs, clippy::all, clippy::pedantic)]

/// Enrolment and renewal of certificates.
pub mod enrol {
    include!(concat!(env!("OUT_DIR"), "/lienthong.enrol.v1.rs"));
}

/// Synchronisation.
pub mod sync {
    include!(concat!(env!("OUT_DIR"), "/lienthong.sync.v1.rs"));
}
