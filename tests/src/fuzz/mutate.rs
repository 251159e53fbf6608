//! Bytes from bytes: flips, cuts, splices, repeats and other lengths, from a seed.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

/// No mutation is longer.
const BYTES_MAX: usize = 256 << 10;
/// Bytes and numbers that decide: the ends of ranges, signs, lengths.
const BYTES: [u8; 10] = [0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF, b'\n', b'"', b'0'];
const NUMBERS: [u64; 12] = [0, 1, 2, 127, 128, 255, 256, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 40, u64::MAX];
/// Pieces that mean something to some reader.
const WORDS: [&str; 24] = [
    "\n\n",
    "\r\n",
    "— ",
    "../",
    "%00",
    "%C3%28",
    "\u{0}",
    "\u{301}\u{323}",
    "Đ",
    "ự",
    "\u{FEFF}",
    "\u{1F600}",
    "&lol;",
    "<!ENTITY",
    "]]>",
    "999999999999999999999",
    "-1",
    "1e999",
    "[[[[[[[[",
    "{\"a\":",
    "'=1+1",
    "null",
    "\\u0000",
    ";",
];

/// Makes mutations; the same seed makes the same ones.
pub struct Mutator(StdRng);

impl Mutator {
    /// Of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// One of the inputs, changed in one to six ways.
    pub fn mutated(&mut self, inputs: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = inputs.choose(&mut self.0).cloned().unwrap_or_default();
        // Few changes leave most of a form whole, and so reach what lies deep in it.
        for _ in 0..1 + self.0.random_range(0..6u32).min(self.0.random_range(0..6)) {
            self.change(&mut bytes, inputs);
        }
        bytes.truncate(BYTES_MAX);
        bytes
    }

    fn place(&mut self, bytes: &[u8]) -> usize {
        self.0.random_range(0..=bytes.len())
    }

    fn range(&mut self, bytes: &[u8], most: usize) -> std::ops::Range<usize> {
        let from = self.place(bytes);
        let length = self.0.random_range(0..=most.min(bytes.len() - from));
        from..from + length
    }

    fn change(&mut self, bytes: &mut Vec<u8>, inputs: &[Vec<u8>]) {
        match self.0.random_range(0..13) {
            0 | 1 => {
                let at = self.place(bytes);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.0.random_range(0..8);
                }
            }
            2 => {
                let at = self.place(bytes);
                let other = *BYTES.choose(&mut self.0).unwrap_or(&0);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = other;
                }
            }
            3 => {
                let at = self.place(bytes);
                bytes.truncate(at);
            }
            4 => {
                let range = self.range(bytes, 64);
                bytes.drain(range);
            }
            5 => {
                let at = self.place(bytes);
                let fresh: Vec<u8> = (0..self.0.random_range(1..16)).map(|_| self.0.random()).collect();
                bytes.splice(at..at, fresh);
            }
            6 => {
                let at = self.place(bytes);
                let word = *WORDS.choose(&mut self.0).unwrap_or(&"");
                bytes.splice(at..at, word.bytes());
            }
            7 => self.repeat(bytes),
            8 => {
                let other = inputs.choose(&mut self.0).cloned().unwrap_or_default();
                let (from, at) = (self.range(&other, other.len()), self.range(bytes, 256));
                bytes.splice(at, other.get(from).unwrap_or_default().iter().copied());
            }
            9 | 10 => self.number(bytes),
            11 => self.varint(bytes),
            _ => {
                // The end of one input behind the beginning of another.
                let other = inputs.choose(&mut self.0).cloned().unwrap_or_default();
                let (cut, from) = (self.place(bytes), self.place(&other));
                bytes.truncate(cut);
                bytes.extend_from_slice(other.get(from..).unwrap_or_default());
            }
        }
    }

    /// A piece again and again.
    fn repeat(&mut self, bytes: &mut Vec<u8>) {
        let range = self.range(bytes, 128);
        let times = if self.0.random_ratio(1, 16) { 1_000 } else { self.0.random_range(1..8) };
        let piece = bytes.get(range.clone()).unwrap_or_default().repeat(times);
        bytes.splice(range.end..range.end, piece);
    }

    /// Another number in one, two, four or eight bytes, either end first: what lengths, counts and places are.
    fn number(&mut self, bytes: &mut Vec<u8>) {
        let width = *[1, 2, 4, 8].choose(&mut self.0).unwrap_or(&4);
        let range = self.range(bytes, 0);
        let near = (bytes.len() as u64).wrapping_add(self.0.random_range(0..5)).wrapping_sub(2);
        let number = if self.0.random() { near } else { *NUMBERS.choose(&mut self.0).unwrap_or(&0) };
        let (big, little) = (number.to_be_bytes(), number.to_le_bytes());
        let made = if self.0.random() { &big[8 - width..] } else { &little[..width] };
        let end = bytes.len().min(range.start + width);
        bytes.splice(range.start..end, made.iter().copied());
    }

    /// A varint in place of a byte.
    fn varint(&mut self, bytes: &mut Vec<u8>) {
        let at = self.place(bytes);
        let mut number = *NUMBERS.choose(&mut self.0).unwrap_or(&0);
        let mut made = Vec::new();
        while number > 0x7F {
            made.push(0x80 | (number & 0x7F) as u8);
            number >>= 7;
        }
        made.push(number as u8);
        let end = bytes.len().min(at + 1);
        bytes.splice(at..end, made);
    }
}
