//! What an agency signs when a delivery has reached its disk (PROTOCOL.md, "Live views").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Hash;
use crate::checkpoint::Origin;
use crate::hash::{Digest, Signer, ed25519_verify};
use crate::ids::ReplicaId;

/// The kind of the ledger's event that keeps one: `grant`, `agency`, `access`, `digest`, `signature`, and whose that is: the
/// `replica` of a live view, or the `signer` of a bundle.
pub const RECEIPT: &str = "access_receipt";
/// What a receipt's file says it is.
pub const RECEIPT_FORM: &str = "lienthong delivery receipt 1";

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

const SIGNER: &str = "ed25519:";

/// Whom receipts for bundles are signed by: the public half, `ed25519:` and 64 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReceiptSigner(pub [u8; 32]);

/// It is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("khóa ký biên nhận có dạng ed25519:<64 chữ số> · a signer of receipts is ed25519:<64 digits>")]
pub struct BadSigner;

impl fmt::Display for ReceiptSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SIGNER}{}", hex::encode(self.0))
    }
}

impl FromStr for ReceiptSigner {
    type Err = BadSigner;

    fn from_str(text: &str) -> Result<Self, BadSigner> {
        let mut key = [0; 32];
        let digits = text.trim().strip_prefix(SIGNER).ok_or(BadSigner)?;
        hex::decode_to_slice(digits, &mut key).map_err(|_| BadSigner)?;
        Ok(Self(key))
    }
}

impl TryFrom<String> for ReceiptSigner {
    type Error = BadSigner;

    fn try_from(text: String) -> Result<Self, BadSigner> {
        text.parse()
    }
}

impl From<ReceiptSigner> for String {
    fn from(signer: ReceiptSigner) -> Self {
        signer.to_string()
    }
}

/// The receipt for a bundle, as the agency sends it back: a file of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptFile {
    /// [`RECEIPT_FORM`].
    pub form: String,
    /// The ledger's name.
    pub ledger: String,
    /// The grant's number.
    pub grant: u64,
    /// The ledger's entry that logs the delivery.
    pub access: u64,
    /// The digest of what was received.
    pub digest: Hash,
    /// Whose signature it is.
    pub signer: ReceiptSigner,
    /// The signature, hexadecimal.
    pub signature: String,
}

impl ReceiptFile {
    /// Signs for a bundle.
    #[must_use]
    pub fn sign(ledger: &Origin, (grant, access, digest): (u64, u64, Digest), key: &dyn Signer) -> Self {
        let receipt = DeliveryReceipt { ledger: ledger.replica(), grant, access, digest };
        Self {
            form: RECEIPT_FORM.to_owned(),
            ledger: ledger.to_string(),
            grant,
            access,
            digest: Hash(digest),
            signer: ReceiptSigner(key.public_key()),
            signature: hex::encode(receipt.sign(key)),
        }
    }

    /// What it says, if it is a receipt whose signer signed it.
    #[must_use]
    pub fn holds(&self) -> Option<DeliveryReceipt> {
        let ledger: Origin = self.ledger.parse().ok()?;
        let (grant, access, digest) = (self.grant, self.access, self.digest.0);
        let receipt = DeliveryReceipt { ledger: ledger.replica(), grant, access, digest };
        let signature = hex::decode(&self.signature).ok()?;
        (self.form == RECEIPT_FORM && receipt.holds(&self.signer.0, &signature)).then_some(receipt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::SigningKey;

    /// Goal: a receipt's file is believed only as it was signed. Method: each part of it another.
    #[test]
    fn every_part_of_a_receipt_counts() {
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        let ledger: Origin = format!("kiemtra.vn/33/33/{}", ReplicaId([1; 16])).parse().unwrap();
        let file = ReceiptFile::sign(&ledger, (2, 3, [4; 32]), &key);
        assert_eq!(file.holds().map(|receipt| receipt.access), Some(3));
        let text = serde_json::to_string(&file).unwrap();
        assert_eq!(serde_json::from_str::<ReceiptFile>(&text).unwrap(), file);
        let other = SigningKey::from_seed(&[8; 32]).unwrap();
        let elsewhere = ledger.to_string().replace("01010101", "02020202");
        for altered in [
            ReceiptFile { form: "another".into(), ..file.clone() },
            ReceiptFile { ledger: elsewhere, ..file.clone() },
            ReceiptFile { grant: 3, ..file.clone() },
            ReceiptFile { access: 4, ..file.clone() },
            ReceiptFile { digest: Hash([5; 32]), ..file.clone() },
            ReceiptFile { signer: ReceiptSigner(other.public_key()), ..file.clone() },
            ReceiptFile { signature: "00".repeat(64), ..file.clone() },
        ] {
            assert_eq!(altered.holds(), None, "{altered:?}");
        }
        assert!("ed25519:00".parse::<ReceiptSigner>().is_err());
    }

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
