//! A token's secret: 256 random bits need no slow hash, so that its SHA-256 is all that is kept.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use lienthong_proto::hash::sha256;
use rand::RngCore as _;

/// Tokens good at once: somebody has a handful of programs.
pub const TOKENS_MAX: usize = 64;

/// A token just made.
#[derive(Clone)]
pub struct TokenSecret {
    /// What its program sends; kept nowhere.
    pub text: String,
    /// What is kept: hexadecimal.
    pub sha256: String,
}

impl std::fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenSecret").finish_non_exhaustive()
    }
}

impl TokenSecret {
    /// A new one; all begin with `prefix`, so that a search for leaked secrets finds them.
    #[must_use]
    pub fn random(prefix: &str) -> Self {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        let text = format!("{prefix}{}", hex::encode(secret));
        let sha256 = hash(&text);
        Self { text, sha256 }
    }

    /// Which of these hashes is that of the token presented. Takes as long for any text.
    #[must_use]
    pub fn find<'a, T>(presented: &str, kept: impl Iterator<Item = (&'a str, T)>) -> Option<T> {
        let hash = hash(presented);
        let mut found = None;
        for (known, token) in kept {
            if verify_slices_are_equal(known.as_bytes(), hash.as_bytes()).is_ok() {
                found = Some(token);
            }
        }
        found
    }
}

fn hash(text: &str) -> String {
    hex::encode(sha256(&[text.as_bytes()]))
}

/// Whether a token may be called that: nobody can take two such names for one.
#[must_use]
pub fn is_token_name(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    !name.is_empty() && name.len() <= 32 && name.chars().all(fine)
}
