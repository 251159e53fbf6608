//! The hub's keys and its authority: made once, sealed at rest, and what they vouch for.

mod approvals;
mod authorities;
mod contacts;
mod enrolments;
mod guesses;
mod init;
mod issue;
mod kit;
mod receipt_seeds;
mod registry;
mod sealed;
mod secrets;
mod server;
mod successor;
mod tokens;

pub use approvals::{APPROVAL_MILLIS, Approval, Approvals, Approved};
pub use authorities::{Authorities, AuthoritiesError, Root, TrustedClients};
pub(crate) use authorities::{FILE as AUTHORITIES, issuer_of};
pub use contacts::{Contact, ContactError, Contacts};
pub use guesses::{GUESSES_ALARM, Guesses};
pub use init::{InitError, InitOptions, InitReport, ensure_administrator, init};
pub use issue::{IssueError, Issuer, PeerIdentity, peer_identity};
pub use kit::{Kit, KitError};
pub(crate) use receipt_seeds::FILE as RECEIPTS;
pub use receipt_seeds::{NextReceiptKey, ReceiptSeeds, ReceiptSeedsError};
pub use registry::{Enrolled, NextKey, Refusal, Registry, RegistryError, ReplicaState};
pub use sealed::{Seal, SealError, open_kit, seal_kit};
pub use secrets::{HubProfile, HubSecrets, SecretsError, WRAPPED, recovery_public, unwrap_seal};
pub use server::{ServerCertificate, ServerCertificateError};
pub use successor::{Former, SuccessorError, make_successor};
pub use tokens::{Role, TokenEntry, TokenError, Tokens};
