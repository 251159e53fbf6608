//! Working days: Monday to Friday, less the days off, and the Saturdays and Sundays worked in their stead.

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday};
use serde::Deserialize;

use super::check::month_and_day;
use crate::value::{civil, days_of};

/// The years for which the days off of every year are reckoned.
const YEARS: std::ops::RangeInclusive<i16> = 1_970..=2_150;
/// Days that a calendar may name, each list of its own.
const NAMED_MAX: usize = 5_000;
/// The day from which working days are numbered: a Monday long before any date that is judged.
const MONDAY: i32 = -25_567;

/// The working days of the catalogue. Of a year that it does not name, the days off of every year alone are known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Calendar {
    /// Days off that would be worked, in order, since 1970.
    off: Vec<i32>,
    /// Days worked that would be off, in order.
    worked: Vec<i32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    /// `MM-DD`.
    #[serde(default)]
    every_year: Vec<String>,
    /// `YYYY-MM-DD`.
    #[serde(default)]
    off: Vec<String>,
    /// `YYYY-MM-DD`.
    #[serde(default)]
    worked: Vec<String>,
}

impl Calendar {
    /// Reads `calendar.toml`.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let declared: Declared = toml::from_str(text).map_err(|error| error.to_string())?;
        if declared.off.len().max(declared.worked.len()).max(declared.every_year.len()) > NAMED_MAX {
            return Err(format!("quá {NAMED_MAX} ngày · more than {NAMED_MAX} days"));
        }
        let mut off = days(&declared.off)?;
        for text in &declared.every_year {
            let (month, day) =
                month_and_day(text).ok_or_else(|| format!("{text} không phải MM-DD · {text} is no MM-DD"))?;
            off.extend(YEARS.filter_map(|year| Date::new(year, month, day).ok()).map(days_of));
        }
        let worked = days(&declared.worked)?;
        if let Some(both) = off.intersection(&worked).next().and_then(|day| civil(*day)) {
            return Err(format!("{both} vừa nghỉ vừa làm · {both} is both off and worked"));
        }
        if let Some(weekday) = worked.iter().find(|day| !is_weekend(**day)).and_then(|day| civil(*day)) {
            return Err(format!(
                "{weekday} không phải thứ bảy, chủ nhật · {weekday} is no Saturday or Sunday"
            ));
        }
        let off = off.into_iter().filter(|day| !is_weekend(*day)).collect();
        Ok(Self { off, worked: worked.into_iter().collect() })
    }

    /// The number of the last working day that is not after a day: between two days lie as many working days, the later
    /// one among them and the earlier one not, as their numbers differ.
    #[must_use]
    pub fn number(&self, day: i32) -> i32 {
        let since = i64::from(day) - i64::from(MONDAY);
        let usual = since.div_euclid(7) * 5 + (since.rem_euclid(7) + 1).min(5);
        let until = |days: &[i32]| days.partition_point(|known| *known <= day) as i64;
        i32::try_from(usual - until(&self.off) + until(&self.worked)).unwrap_or(i32::MAX)
    }

    /// The day that is so many working days after a day; the day itself if none.
    #[must_use]
    pub fn after(&self, day: i32, working_days: u32) -> i32 {
        let wanted = i64::from(self.number(day)) + i64::from(working_days);
        let mut reached = day;
        while i64::from(self.number(reached)) < wanted && reached < i32::MAX {
            // No faster than the days go by: each step leads to the day at most.
            let left = wanted - i64::from(self.number(reached));
            reached = reached.saturating_add(i32::try_from(left).unwrap_or(i32::MAX));
        }
        reached
    }
}

fn days(texts: &[String]) -> Result<BTreeSet<i32>, String> {
    let day = |text: &String| {
        let date: Date = text.parse().map_err(|error| format!("{text}: {error}"))?;
        Ok(days_of(date))
    };
    texts.iter().map(day).collect()
}

fn is_weekend(day: i32) -> bool {
    civil(day).is_some_and(|date| matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Catalogue;
    use super::*;

    fn day(text: &str) -> i32 {
        days_of(text.parse().unwrap())
    }

    #[test]
    fn working_days_know_weekends_holidays_and_what_is_worked_instead() {
        let calendar = Calendar::read(
            "every_year = [\"01-01\"]
off = [\"2026-02-16\", \"2026-08-31\"]
worked = [\"2026-08-22\"]
",
        )
        .unwrap();
        for (from, days, to) in [
            ("2026-03-02", 5, "2026-03-09"),
            ("2026-03-06", 1, "2026-03-09"),
            ("2026-03-07", 1, "2026-03-09"),
            ("2026-03-07", 0, "2026-03-07"),
            ("2025-12-31", 1, "2026-01-02"),
            ("2026-02-13", 1, "2026-02-17"),
            ("2026-08-21", 1, "2026-08-22"),
            ("2026-08-21", 6, "2026-08-28"),
            ("2026-08-28", 1, "2026-09-01"),
        ] {
            assert_eq!(civil(calendar.after(day(from), days)), civil(day(to)), "{from} + {days}");
        }
        assert_eq!(calendar.number(day("2026-08-28")) - calendar.number(day("2026-08-21")), 6);
    }

    #[test]
    fn a_calendar_that_contradicts_itself_is_refused() {
        for text in [
            "every_year = [\"13-01\"]",
            "off = [\"2026-02-30\"]",
            "off = [\"2026-08-22\"]\nworked = [\"2026-08-22\"]",
            "worked = [\"2026-08-21\"]",
            "holidays = []",
        ] {
            assert!(Calendar::read(text).is_err(), "{text}");
        }
    }

    proptest! {
        /// Goal: a deadline is the first day by which so many working days have passed. Method: day by day.
        #[test]
        fn a_deadline_is_the_first_day_with_so_many_working_days(from in 19_000_i32..22_000, days in 0_u32..60) {
            let calendar = Catalogue::embedded().unwrap().calendar();
            let works = |day: i32| calendar.number(day) - calendar.number(day - 1);
            let (mut reached, mut passed) = (from, 0);
            while passed < days {
                reached += 1;
                passed += u32::try_from(works(reached)).unwrap();
            }
            prop_assert_eq!(calendar.after(from, days), reached);
        }
    }
}
