//! The generated gRPC stubs, client and server.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::unwrap_used)]

/// Enrolment.
pub mod enrol {
    include!(concat!(env!("OUT_DIR"), "/lienthong.enrol.v1.rs"));
}

/// Synchronisation.
pub mod sync {
    include!(concat!(env!("OUT_DIR"), "/lienthong.sync.v1.rs"));
}
