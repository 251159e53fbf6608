//! Who this node is: its keys, its certificate, whom it trusts, and the connections made with them.

mod certified;
mod dial;
mod enrol;
mod files;
mod list;
mod node;
mod proxy;
mod renew;
mod token;
mod trusted;
mod way;

pub use dial::{ALPN_ENROL, ALPN_SYNC, DialError, connect, provider, spki_hash};
pub(crate) use dial::{hub_config, hub_name, own_pair};
pub use enrol::{EnrolError, Enrolment, enrol, enrol_again, enrol_through, proof_message};
pub use files::{read_private, read_secret, write_private};
pub(crate) use list::PrivateList;
pub use list::PrivateListError;
pub use node::{IdentityError, NodeIdentity, Profile, cosigner_name, introduction_message};
pub use proxy::{Proxy, ProxyFault, ProxySetting};
pub use renew::{
    RenewError, ask_authority, is_ended, is_untrusted, renew, renew_by_log_key, renewal_message,
};
pub use token::{Token, TokenSyntax};
pub use way::{Line, Opener, Opening, Way};
