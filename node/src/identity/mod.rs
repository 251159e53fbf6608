//! Who this node is: its keys, its certificate, whom it trusts, and the connections made with them.

mod dial;
mod enrol;
mod files;
mod node;
mod token;

pub use dial::{ALPN_ENROL, ALPN_SYNC, DialError, connect, provider, spki_hash};
pub use enrol::{EnrolError, Enrolment, enrol, enrol_again, proof_message};
pub use files::{read_private, write_private};
pub use node::{IdentityError, NodeIdentity, Profile, cosigner_name, introduction_message};
pub use token::{Token, TokenSyntax};
