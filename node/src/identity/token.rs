//! The one-time enrolment token, as one line that survives copying.

use std::fmt;
use std::str::FromStr;

use lienthong_proto::hash::Digest;

/// What a token line holds. Unit and role stay at the hub.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Its number at the hub.
    pub id: [u8; 8],
    /// 128 random bits.
    pub secret: [u8; 16],
    /// SHA-256 of the hub's root public key (SPKI).
    pub root: Digest,
    /// SHA-256 of the ledger's public key.
    pub ledger: Digest,
}

/// A line that is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "mã ghi danh không đúng dạng; hãy chép lại nguyên dòng · this is no enrolment token; copy the whole line again"
)]
pub struct TokenSyntax;

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [id, secret] = [hex::encode(self.id), hex::encode(self.secret)];
        write!(f, "lt1.{id}.{secret}.{}.{}", hex::encode(self.root), hex::encode(self.ledger))
    }
}

/// The secret stays out of logs.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("id", &hex::encode(self.id)).finish_non_exhaustive()
    }
}

impl FromStr for Token {
    type Err = TokenSyntax;

    fn from_str(line: &str) -> Result<Self, TokenSyntax> {
        fn bytes<const N: usize>(text: &str) -> Result<[u8; N], TokenSyntax> {
            let mut out = [0; N];
            hex::decode_to_slice(text, &mut out).map_err(|_| TokenSyntax)?;
            Ok(out)
        }
        let mut parts = line.trim().split('.');
        match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("lt1"), Some(id), Some(secret), Some(root), Some(ledger), None) => Ok(Self {
                id: bytes(id)?,
                secret: bytes(secret)?,
                root: bytes(root)?,
                ledger: bytes(ledger)?,
            }),
            _ => Err(TokenSyntax),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_copying_and_nothing_else_is_one() {
        let token = Token { id: [1; 8], secret: [2; 16], root: [3; 32], ledger: [4; 32] };
        let line = token.to_string();
        assert_eq!(format!(" {line}\n").parse(), Ok(token.clone()));
        for cut in 0..line.len() {
            assert!(line[..cut].parse::<Token>().is_err());
        }
        assert!(!format!("{token:?}").contains(&hex::encode([2; 16])));
    }
}
