//! A key's hash as eight words to read aloud on the telephone.
//!
//! A word is two syllables made by rule, 64 × 32 = 2,048 of them, so eight carry the first 88 bits. No
//! tones and no diacritics; of sounds that are confused in the north (l/n, ch/tr, s/x, d/gi/r) one is used.

use crate::hash::Digest;

const ONSETS: [&str; 16] =
    ["b", "c", "h", "m", "n", "t", "v", "x", "ch", "d", "g", "kh", "ng", "nh", "ph", "th"];
const VOWELS: [&str; 4] = ["a", "e", "i", "o"];

/// Eight words, separated by spaces, of a key's hash.
#[must_use]
pub fn words(hash: &Digest) -> String {
    let mut bits = hash.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1));
    let words: Vec<String> = (0..8)
        .map(|_| word(bits.by_ref().take(11).fold(0, |number, bit| number << 1 | usize::from(bit))))
        .collect();
    words.join(" ")
}

/// The word of an 11-bit number: onset (4 bits), vowel (2), onset (3, of the first eight), vowel (2).
fn word(number: usize) -> String {
    [syllable(number >> 7, number >> 5), syllable(number >> 2 & 7, number)].concat()
}

fn syllable(onset: usize, vowel: usize) -> String {
    let vowel = VOWELS.get(vowel & 3).copied().unwrap_or_default();
    let onset = ONSETS.get(onset & 15).copied().unwrap_or_default();
    // Vietnamese spelling: these sounds are written otherwise before e and i.
    let front = vowel == "e" || vowel == "i";
    let onset = match onset {
        "c" if front => "k",
        "g" if front => "gh",
        "ng" if front => "ngh",
        other => other,
    };
    [onset, vowel].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_distinct_and_follow_the_bits() {
        let all: std::collections::BTreeSet<String> = (0..2048).map(word).collect();
        assert_eq!(all.len(), 2048);
        assert_eq!(words(&[0; 32]), ["baba"; 8].join(" "));
        assert_eq!(words(&[0xff; 32]), ["thoxo"; 8].join(" "));
        let mut hash = [0; 32];
        hash[10] = 1;
        assert_eq!(words(&hash), "baba baba baba baba baba baba baba babe");
    }
}
