//! One-time codes of the second factor: RFC 6238 with HMAC-SHA-1, six digits, thirty seconds.
//!
//! Pure: time and randomness are arguments. SHA-1 because every authenticator program knows it; as an HMAC it is
//! sound. Source: RFC 4226 section 5.3, RFC 6238 section 4.

use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY};
use lienthong_proto::time::UnixMillis;

/// Seconds of a step.
const STEP_SECONDS: u64 = 30;
/// Steps before and after the present one that count: clocks and fingers are slow.
const SLACK_STEPS: u64 = 1;
/// Codes are below.
const MODULUS: u32 = 1_000_000;
/// The letters of base32.
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Bytes of a seed, as RFC 4226 advises.
pub const SEED_BYTES: usize = 20;

/// What an authenticator program shares with the hub.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed(pub [u8; SEED_BYTES]);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed")
    }
}

/// The step a time is in.
#[must_use]
pub fn step_at(now: UnixMillis) -> u64 {
    now.seconds() / STEP_SECONDS
}

impl Seed {
    /// A fresh one.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The code of a step.
    #[must_use]
    pub fn code(&self, step: u64) -> u32 {
        let key = hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let bytes = tag.as_ref();
        let offset = usize::from(bytes.last().copied().unwrap_or(0) & 0x0f);
        let word = bytes.get(offset..offset + 4).and_then(|word| word.try_into().ok()).unwrap_or([0; 4]);
        (u32::from_be_bytes(word) & 0x7fff_ffff) % MODULUS
    }

    /// The step a typed code belongs to, if it is right now and later than the last one that was used.
    #[must_use]
    pub fn step_of(&self, typed: &str, now: UnixMillis, used: u64) -> Option<u64> {
        let digits: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let present = step_at(now);
        let same = |step: &u64| {
            let code = format!("{:06}", self.code(*step));
            aws_lc_rs::constant_time::verify_slices_are_equal(code.as_bytes(), digits.as_bytes()).is_ok()
        };
        (present.saturating_sub(SLACK_STEPS)..=present + SLACK_STEPS).filter(|step| *step > used).find(same)
    }

    /// As people type it: base32 of RFC 4648 without padding.
    #[must_use]
    pub fn base32(&self) -> String {
        let (mut text, mut held, mut bits) = (String::new(), 0u32, 0u32);
        for byte in self.0 {
            held = (held << 8) | u32::from(byte);
            bits += 8;
            while bits >= 5 {
                bits -= 5;
                let place = (held >> bits & 0x1f) as usize;
                text.push(LETTERS.get(place).map_or('A', |letter| char::from(*letter)));
            }
        }
        text
    }

    /// The seed that people type so, spaces aside.
    #[must_use]
    pub fn of_base32(text: &str) -> Option<Self> {
        let (mut bytes, mut held, mut bits) = (Vec::new(), 0u32, 0u32);
        for letter in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
            let place = LETTERS.iter().position(|known| *known == letter.to_ascii_uppercase())?;
            held = held << 5 | u32::try_from(place).ok()?;
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                bytes.push(u8::try_from(held >> bits & 0xff).ok()?);
            }
        }
        bytes.try_into().ok().map(Self)
    }

    /// What a QR code says to an authenticator program.
    #[must_use]
    pub fn address(&self, account: &str, province: &str) -> String {
        format!(
            "otpauth://totp/Lien%20Thong%20{province}:{account}?secret={}&issuer=Lien%20Thong%20{province}",
            self.base32()
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The test vectors of RFC 6238, appendix B, to six digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let seed = Seed(*b"12345678901234567890");
        for (seconds, code) in
            [(59, 287_082), (1_111_111_109, 81_804), (1_234_567_890, 5_924), (20_000_000_000u64, 353_130)]
        {
            assert_eq!(seed.code(step_at(UnixMillis(seconds * 1_000))), code);
        }
        assert_eq!(seed.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(Seed::of_base32("gezd gnbv gy3t qojq GEZD GNBV GY3T QOJQ"), Some(seed));
        assert_eq!(Seed::of_base32("gezd"), None);
    }

    #[test]
    fn a_code_counts_one_step_around_and_only_once() {
        let seed = Seed(*b"12345678901234567890");
        let now = UnixMillis(1_111_111_109_000);
        let step = step_at(now);
        let typed = |step: u64| format!("{:06}", seed.code(step));
        for near in [step - 1, step, step + 1] {
            assert_eq!(seed.step_of(&typed(near), now, 0), Some(near));
            assert_eq!(seed.step_of(&typed(near), now, near), None, "used");
        }
        assert_eq!(seed.step_of(&typed(step - 2), now, 0), None);
        assert_eq!(seed.step_of(&typed(step + 2), now, 0), None);
        assert_eq!(seed.step_of("08 18 04", now, 0), Some(step));
        for wrong in ["", "81804", "081805", "0818040", "08180a"] {
            assert_eq!(seed.step_of(wrong, now, 0), None, "{wrong}");
        }
    }
}
