//! The hub's keys and its authority: made once, sealed at rest, and what they vouch for.

mod init;
mod issue;
mod registry;
mod sealed;
mod secrets;
mod tokens;

pub use init::{InitError, InitOptions, InitReport, init};
pub use issue::{IssueError, Issuer, PeerIdentity, peer_identity};
pub use registry::{Enrolled, Refusal, Registry, RegistryError, ReplicaState};
pub use sealed::{Seal, SealError, open_kit, seal_kit};
pub use secrets::{HubProfile, HubSecrets, SecretsError};
pub use tokens::{Role, TokenEntry, TokenError, Tokens};
