//! Periods as blocks of days, by which those that have a day in common find each other in an index.
//!
//! Days are the leaves of a binary tree; a period is the fewest of its blocks that hold just its days. Two periods have a day
//! in common just when a block of one lies in a block of the other.

use std::collections::BTreeSet;

/// Days of the tree as a power of two: 179 years.
const LEVELS: u8 = 16;
/// The tree's first day, 1 January 1900; what is before or behind the tree lies at its ends.
const FIRST: i64 = -25_567;
const LAST: i64 = (1 << LEVELS) - 1;

/// So many days as 2 to the level, from the place-th on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Block {
    level: u8,
    place: i64,
}

/// From a day to another, both of them in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    first: i64,
    last: i64,
}

impl Block {
    /// Its name in marks.
    pub(super) fn name(self) -> String {
        format!("{}/{}", self.level, self.place)
    }

    fn parent(self) -> Option<Self> {
        (self.level < LEVELS).then(|| Self { level: self.level + 1, place: self.place >> 1 })
    }
}

impl Period {
    /// The period from a day until another on which it is over, without end if there is none; one that is over at once has
    /// its first day. Nothing if it is over before it begins.
    pub(super) fn of(from: i32, over: Option<i32>) -> Option<Self> {
        let place = |day: i64| (day - FIRST).clamp(0, LAST);
        let from = i64::from(from);
        let last = over.map_or(Some(i64::MAX / 2), |over| {
            let over = i64::from(over);
            (over >= from).then(|| (over - 1).max(from))
        })?;
        Some(Self { first: place(from), last: place(last) })
    }

    /// Its blocks.
    pub(super) fn blocks(self) -> BTreeSet<Block> {
        let (mut blocks, mut next) = (BTreeSet::new(), self.first);
        while next <= self.last {
            let fits = |level: &u8| {
                let days = 1_i64 << level;
                next % days == 0 && next + days - 1 <= self.last
            };
            let level = (0..=LEVELS).rev().find(fits).unwrap_or_default();
            blocks.insert(Block { level, place: next >> level });
            next += 1_i64 << level;
        }
        blocks
    }

    /// The blocks that its blocks lie in.
    pub(super) fn around(self) -> BTreeSet<Block> {
        let mut around = BTreeSet::new();
        for block in self.blocks() {
            let mut next = block.parent();
            while let Some(block) = next.filter(|block| around.insert(*block)) {
                next = block.parent();
            }
        }
        around
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn period() -> impl Strategy<Value = (i32, Option<i32>)> {
        let far = prop_oneof![Just(-90_000), -30_000..60_000_i32, 20_000..20_040_i32];
        (far.clone(), proptest::option::of(prop_oneof![far, 20_000..20_040_i32]))
    }

    proptest! {
        /// Goal: two periods are told to have a day in common just when they have. Method: the blocks beside the days.
        #[test]
        fn periods_meet_in_a_block_just_when_they_have_a_day_in_common(one in period(), other in period()) {
            let (Some(one), Some(other)) = (Period::of(one.0, one.1), Period::of(other.0, other.1)) else {
                return Ok(());
            };
            let meets = |one: Period, other: Period| {
                let within: BTreeSet<Block> = other.blocks().union(&other.around()).copied().collect();
                !one.blocks().is_disjoint(&within) || !one.around().is_disjoint(&other.blocks())
            };
            let has = one.first.max(other.first) <= one.last.min(other.last);
            prop_assert_eq!(meets(one, other), has);
            prop_assert!(one.blocks().len() <= 32 && one.around().len() <= 32);
        }
    }

    #[test]
    fn a_post_that_begins_on_the_day_another_is_over_has_no_day_of_it() {
        let period = |from, over| Period::of(from, over).unwrap();
        let (before, after) = (period(20_000, Some(20_100)), period(20_100, None));
        assert_eq!((before.last + 1, after.last), (after.first, LAST));
        assert_eq!(period(20_000, Some(20_000)).blocks().len(), 1);
        assert_eq!(Period::of(20_000, Some(19_999)), None);
    }
}
