//! Scores of 0 to 100, with the counts they come from (DOMAIN 2.5).

use std::collections::BTreeMap;
use std::ops::{AddAssign, Index, IndexMut, SubAssign};

use super::Standing;
use crate::bytes::{Malformed, Reader, Writer};
use crate::catalogue::{Dimension, Label};
use crate::time::UnixMillis;

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Those that passed.
    pub good: u64,
    /// All.
    pub all: u64,
}

impl Count {
    /// The share that passed in whole percent, rounded down so that only all of them make 100; `None` if there
    /// was nothing to judge.
    #[must_use]
    pub fn percent(self) -> Option<u8> {
        self.tenths().and_then(|tenths| u8::try_from(tenths / 10).ok())
    }

    /// The same in tenths of a percent, 0–1000.
    #[must_use]
    pub fn tenths(self) -> Option<u16> {
        let share = (u128::from(self.good) * 1_000).checked_div(u128::from(self.all))?;
        u16::try_from(share).ok()
    }

    /// Whether its share is the smaller one; nothing to judge is never smaller.
    #[must_use]
    pub fn is_below(self, other: Self) -> bool {
        let product = |good: u64, all: u64| u128::from(good) * u128::from(all);
        self.all > 0 && (other.all == 0 || product(self.good, other.all) < product(other.good, self.all))
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.good = self.good.saturating_add(other.good);
        self.all = self.all.saturating_add(other.all);
    }
}

impl SubAssign for Count {
    fn sub_assign(&mut self, other: Self) {
        self.good = self.good.saturating_sub(other.good);
        self.all = self.all.saturating_sub(other.all);
    }
}

/// A count for each of the six words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally([Count; 6]);

impl Tally {
    /// The counts in the order of [`Dimension::ALL`].
    #[must_use]
    pub fn counts(&self) -> [Count; 6] {
        self.0
    }
}

impl Index<Dimension> for Tally {
    type Output = Count;

    fn index(&self, dimension: Dimension) -> &Count {
        let [dung, du, sach, song, thong_nhat, dung_chung] = &self.0;
        match dimension {
            Dimension::Dung => dung,
            Dimension::Du => du,
            Dimension::Sach => sach,
            Dimension::Song => song,
            Dimension::ThongNhat => thong_nhat,
            Dimension::DungChung => dung_chung,
        }
    }
}

impl IndexMut<Dimension> for Tally {
    fn index_mut(&mut self, dimension: Dimension) -> &mut Count {
        let [dung, du, sach, song, thong_nhat, dung_chung] = &mut self.0;
        match dimension {
            Dimension::Dung => dung,
            Dimension::Du => du,
            Dimension::Sach => sach,
            Dimension::Song => song,
            Dimension::ThongNhat => thong_nhat,
            Dimension::DungChung => dung_chung,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        for dimension in Dimension::ALL {
            self[dimension] += other[dimension];
        }
    }
}

impl SubAssign for Tally {
    fn sub_assign(&mut self, other: Self) {
        for dimension in Dimension::ALL {
            self[dimension] -= other[dimension];
        }
    }
}

/// The sums over the records of one unit and type. Additive: records come and go in any order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// How many records.
    pub records: u64,
    /// All but `song`.
    pub tally: Tally,
    /// The last live day → how many records have it.
    pub alive_until: BTreeMap<i32, u64>,
    /// The rules broken whatever the day.
    pub defects: u64,
    /// The last good day → how many rules are broken from the next day on.
    pub late_after: BTreeMap<i32, u64>,
}

impl Totals {
    /// Counts a record in.
    pub fn add(&mut self, standing: Standing) {
        self.records += 1;
        self.defects = self.defects.saturating_add(standing.defects);
        for day in standing.late_after {
            *self.late_after.entry(day).or_default() += 1;
        }
        self.tally += standing.tally;
        if let Some(day) = standing.alive_until {
            *self.alive_until.entry(day).or_default() += 1;
        }
    }

    /// Counts a record out again.
    pub fn remove(&mut self, standing: Standing) {
        self.records = self.records.saturating_sub(1);
        self.defects = self.defects.saturating_sub(standing.defects);
        for day in standing.late_after {
            less(&mut self.late_after, day);
        }
        self.tally -= standing.tally;
        if let Some(day) = standing.alive_until {
            less(&mut self.alive_until, day);
        }
    }

    /// The rules broken on a day.
    #[must_use]
    pub fn defects_on(&self, as_of: i32) -> u64 {
        self.late_after.range(..as_of).fold(self.defects, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.varint(self.records);
        for count in self.tally.counts() {
            out.varint(count.good);
            out.varint(count.all);
        }
        out.varint(self.defects);
        for days in [&self.alive_until, &self.late_after] {
            out.varint(days.len() as u64);
            for (day, count) in days {
                out.zigzag(i64::from(*day));
                out.varint(*count);
            }
        }
        out.into_bytes()
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    /// [`Malformed`] if they are cut, too long or name a day beyond all days.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let mut totals = Self { records: input.varint()?, ..Self::default() };
        for dimension in Dimension::ALL {
            totals.tally[dimension] = Count { good: input.varint()?, all: input.varint()? };
        }
        totals.defects = input.varint()?;
        for days in [&mut totals.alive_until, &mut totals.late_after] {
            for _ in 0..input.varint()? {
                let day = i32::try_from(input.zigzag()?).map_err(|_| Malformed("day"))?;
                days.insert(day, input.varint()?);
            }
        }
        input.end()?;
        Ok(totals)
    }

    /// Whether nothing is counted in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The six counts on a day, while the unit has been silent so long.
    #[must_use]
    pub fn on(&self, as_of: i32, silence: Silence) -> Tally {
        let sum = |counts: &mut dyn Iterator<Item = (&i32, &u64)>| counts.map(|(_, count)| count).sum();
        let live: u64 = sum(&mut self.alive_until.range(as_of..));
        let good = if silence == Silence::Silent { 0 } else { live };
        let mut tally = self.tally;
        tally[Dimension::Song] = Count { good, all: sum(&mut self.alive_until.iter()) };
        tally
    }
}

/// One record less of a day.
fn less(days: &mut BTreeMap<i32, u64>, day: i32) {
    if let Some(count) = days.get_mut(&day) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            days.remove(&day);
        }
    }
}

/// How long a unit has not been heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Silence {
    /// At most 24 hours, or it need not be heard of (the province itself): records count by their own limits.
    #[default]
    Heard,
    /// At most 72 hours: they still count so, and the figure is shown in amber.
    Amber,
    /// Longer, or never: none of its records counts as live.
    Silent,
}

impl Silence {
    /// The silence of a unit last heard of at `last`.
    #[must_use]
    pub fn of(last: Option<UnixMillis>, now: UnixMillis) -> Self {
        const HOUR_MILLIS: u64 = 60 * 60 * 1_000;
        match last.map(|last| now.since(last)) {
            Some(gap) if gap <= 24 * HOUR_MILLIS => Self::Heard,
            Some(gap) if gap <= 72 * HOUR_MILLIS => Self::Amber,
            _ => Self::Silent,
        }
    }
}

/// What is known of a unit beside its records, on which its score depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// How long it has not been heard of.
    pub silence: Silence,
    /// Whether hub and node were found to hold the same; nothing while that is not known.
    pub alike: Option<bool>,
}

impl From<Silence> for Seen {
    fn from(silence: Silence) -> Self {
        Self { silence, alike: None }
    }
}

/// A score: six figures and the whole, which is the least of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Score {
    /// The counts behind the figures.
    pub tally: Tally,
}

impl Score {
    /// The count of one word; its [`Count::percent`] is the figure.
    #[must_use]
    pub fn figure(&self, dimension: Dimension) -> Count {
        self.tally[dimension]
    }

    /// Counts the one check that is of no record: whether hub and node hold the same digest (DOMAIN 2.5).
    pub fn see(&mut self, seen: Seen) {
        if let Some(alike) = seen.alike {
            self.tally[Dimension::ThongNhat] += Count { good: u64::from(alike), all: 1 };
        }
    }

    /// The whole: the word with the least share, and its count. `None` if there is nothing to judge.
    #[must_use]
    pub fn total(&self) -> Option<(Dimension, Count)> {
        let mut least: Option<(Dimension, Count)> = None;
        for dimension in Dimension::ALL {
            let count = self.tally[dimension];
            if count.all > 0 && least.is_none_or(|(_, least)| count.is_below(least)) {
                least = Some((dimension, count));
            }
        }
        least
    }
}

/// How a figure is made, to be printed beside it; `None` for the whole.
#[must_use]
pub fn formula(dimension: Option<Dimension>) -> Label {
    let (vi, en) = match dimension {
        None => ("số thấp nhất trong sáu số, không lấy trung bình", "the least of the six, not their mean"),
        Some(Dimension::Dung) => (
            "đúng = số giá trị không vi phạm quy tắc ÷ số giá trị đã có × 100",
            "right = values that break no rule ÷ values present × 100",
        ),
        Some(Dimension::Du) => (
            "đủ = (giá trị bắt buộc đã có + bản ghi phải có đã có) ÷ (giá trị bắt buộc + bản ghi phải có) × 100",
            "complete = (required values + expected records that are there) ÷ (all that should be) × 100",
        ),
        Some(Dimension::Sach) => (
            "sạch = số bản ghi không trùng lặp, không có giá trị giữ chỗ ÷ số bản ghi × 100",
            "clean = records neither duplicate nor holding placeholders ÷ records × 100",
        ),
        Some(Dimension::Song) => (
            "sống = số bản ghi còn trong hạn cập nhật ÷ số bản ghi có hạn × 100; đơn vị im lặng quá 72 giờ thì bằng 0, \
             quá 24 giờ thì báo vàng",
            "live = records within their update cycle ÷ records that have one × 100; 0 once the unit was silent \
             for over 72 hours, amber over 24 hours",
        ),
        Some(Dimension::ThongNhat) => (
            "thống nhất = số phép đối chiếu đạt ÷ số phép đối chiếu đã làm × 100; tỉnh và máy của đơn vị giữ như nhau là một phép",
            "unified = cross-checks passed ÷ cross-checks run × 100; that hub and node hold the same is one",
        ),
        Some(Dimension::DungChung) => (
            "dùng chung = số bản ghi đưa được vào dữ liệu dùng chung, mã theo danh mục chung ÷ số bản ghi × 100",
            "shared = records that enter the shared dataset, with codes of the shared lists ÷ records × 100",
        ),
    };
    Label { vi: vi.to_owned(), en: en.to_owned() }
}
