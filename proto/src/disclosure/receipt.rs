//! What an agency signs when a delivery has reached its disk (PROTOCOL.md, "Live views").

use crate::hash::{Digest, Signer, ed25519_verify};
use crate::ids::ReplicaId;

/// The kind of the ledger's event that keeps one: `grant`, `agency`, `access`, `replica`, `digest`, `signature`.
pub const RECEIPT: &str = "access_receipt";

/// A delivery that was received: which ledger's, by which access event of it, with which content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryReceipt {
    /// The ledger.
    pub ledger: ReplicaId,
    /// The grant's number in it.
    pub grant: u64,
    /// Its entry that logs the delivery.
    pub access: u64,
    /// The digest that entry has.
    pub digest: Digest,
}

impl DeliveryReceipt {
    /// The bytes that are signed: nothing else a log key signs begins like them.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        let Self { ledger, grant, access, digest } = self;
        [b"lienthong delivery v1\n", &ledger.0[..], &grant.to_be_bytes(), &access.to_be_bytes(), digest]
            .concat()
    }

    /// Signs it by the log key of the replica that received.
    #[must_use]
    pub fn sign(&self, key: &dyn Signer) -> Vec<u8> {
        key.sign(&self.message()).to_vec()
    }

    /// Whether a log key signed it.
    #[must_use]
    pub fn holds(&self, key: &[u8; 32], signature: &[u8]) -> bool {
        ed25519_verify(key, &self.message(), signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::SigningKey;

    #[test]
    fn a_receipt_is_for_just_one_delivery() {
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        let receipt = DeliveryReceipt { ledger: ReplicaId([1; 16]), grant: 2, access: 3, digest: [4; 32] };
        let signature = receipt.sign(&key);
        assert!(receipt.holds(&key.public_key(), &signature));
        for other in [
            DeliveryReceipt { ledger: ReplicaId([2; 16]), ..receipt },
            DeliveryReceipt { grant: 3, ..receipt },
            DeliveryReceipt { access: 2, ..receipt },
            DeliveryReceipt { digest: [5; 32], ..receipt },
        ] {
            assert!(!other.holds(&key.public_key(), &signature));
        }
    }
}
