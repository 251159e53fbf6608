//! How much two texts have in common, and marks that similar texts share.

use std::collections::BTreeSet;

use crate::text::fold;

/// Words in a shingle.
const WORDS: usize = 3;
/// Bands of a signature: one shared band proposes a pair.
pub(super) const BANDS: usize = 8;
/// Rows of a band: five rows and eight bands propose 96 of 100 pairs that share 4/5 of their shingles, and 2
/// of 100 that share 3/10.
const ROWS: usize = 5;
/// Shingles below which a text is too short to be told from others.
const SHINGLES_MIN: usize = 4;

/// The hashes of a text's word triples, without marks and case.
pub(super) fn shingles(text: &str) -> BTreeSet<u64> {
    let folded = fold(text);
    let words: Vec<&str> = folded.split(' ').filter(|word| !word.is_empty()).collect();
    words.windows(WORDS).map(|window| window.iter().fold(FNV_OFFSET, |hash, word| fnv(hash, word))).collect()
}

/// The shared share of two texts' shingles, in percent.
pub(super) fn resemblance_percent(one: &BTreeSet<u64>, other: &BTreeSet<u64>) -> u32 {
    let shared = one.intersection(other).count();
    let all = one.len() + other.len() - shared;
    (shared * 100).checked_div(all).and_then(|percent| u32::try_from(percent).ok()).unwrap_or_default()
}

/// The bands of a MinHash signature as texts; none for a text too short to compare.
pub(super) fn bands(shingles: &BTreeSet<u64>) -> Vec<String> {
    if shingles.len() < SHINGLES_MIN {
        return Vec::new();
    }
    let band = |band: usize| {
        let rows = (0..ROWS).map(|row| {
            let seed = mix((band * ROWS + row) as u64 + 1);
            shingles.iter().map(|shingle| mix(shingle ^ seed)).min().unwrap_or_default()
        });
        rows.fold(format!("{band}"), |text, row| format!("{text}.{row:x}"))
    };
    (0..BANDS).map(band).collect()
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(hash: u64, word: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    step(word.bytes().fold(hash, step), b' ')
}

/// Stafford's mix 13: every bit of the input moves half of the output's.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTER: &str = "Ông chủ tịch xã cấp đất sai thẩm quyền cho ba hộ tại thôn Đoài năm 2024, thu tiền không có \
                          biên lai, dân đã nhiều lần kiến nghị";

    #[test]
    fn a_letter_written_anew_shares_bands_and_another_does_not() {
        let again = LETTER.to_uppercase().replace("NHIỀU LẦN", "");
        let other =
            "Đề nghị xem xét việc bổ nhiệm cán bộ trường học không đúng quy trình và tiêu chuẩn trong năm";
        let (one, two, three) = (shingles(LETTER), shingles(&again), shingles(other));
        assert!(resemblance_percent(&one, &two) > 60);
        assert!(bands(&one).iter().any(|band| bands(&two).contains(band)));
        assert!(!bands(&one).iter().any(|band| bands(&three).contains(band)));
        assert_eq!(resemblance_percent(&one, &three), 0);
    }

    #[test]
    fn short_texts_are_not_compared() {
        assert!(bands(&shingles("đơn tố cáo cán bộ")).is_empty());
        assert_eq!(resemblance_percent(&BTreeSet::new(), &BTreeSet::new()), 0);
    }
}
