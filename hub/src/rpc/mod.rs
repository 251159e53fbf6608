//! The gRPC services: enrolment and synchronisation.

mod enrolment;
mod erasing;
mod refill;
mod session;
mod sync;
mod witness;

pub use enrolment::EnrolmentService;
pub use sync::SyncService;
