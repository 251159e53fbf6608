//! The gRPC services: enrolment and synchronisation.

mod enrolment;
mod erasing;
mod guessing;
mod prove;
mod receipt_keys;
mod refill;
mod renewal;
mod session;
mod sessions;
mod subscribe;
mod sync;
mod witness;

pub use enrolment::EnrolmentService;
pub use refill::refill_piece;
pub use sync::SyncService;
