//! Dates in every form of DOMAIN 2.4; nothing ambiguous is guessed.

use super::RawCell;
use crate::time::{UnixMillis, ZONE_SECONDS};
use crate::value::{civil as day, days_of};

/// Why text is no date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateFault {
    /// No known form, or no such day.
    Invalid,
    /// Only two digits of the year.
    TwoDigitYear {
        /// The day.
        day: i8,
        /// The month.
        month: i8,
        /// The two digits.
        year: i16,
    },
    /// Day and month can only be meant the other way round.
    MonthFirst,
}

/// The day somebody born that day is 18: who was born on 29 February is so on the 28th of a year without it.
pub(crate) fn adult_on(born: i32) -> Option<i32> {
    months_on(born, 18 * 12)
}

/// The day so many months on: of a month that is shorter, its last.
pub(crate) fn months_on(from: i32, months: u32) -> Option<i32> {
    let span = jiff::Span::new().try_months(months).ok()?;
    day(from)?.checked_add(span).ok().map(days_of)
}

fn civil(year: i16, month: i8, day: i8) -> Option<i32> {
    let date = jiff::civil::Date::new(year, month, day).ok()?;
    YEARS.contains(&year).then(|| days_of(date))
}

/// The day a spreadsheet's serial number means; the day 60 that never was is refused.
#[must_use]
pub fn day_of_serial(days: f64, epoch_1904: bool) -> Option<i32> {
    if !days.is_finite() || !(0.0..150_000.0).contains(&days) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked above")]
    let whole = days.floor() as i32;
    if epoch_1904 {
        return Some(whole - 24_107);
    }
    match whole {
        0 | 60 => None,
        // Before the leap day of 1900 that never was, serials are one behind.
        1..60 => Some(whole - 25_568),
        _ => Some(whole - 25_569),
    }
}

/// Years that a date may be of; a number of these in place of a date is only a year.
const YEARS: std::ops::RangeInclusive<i16> = 1_800..=2_200;

/// Whether it is a year and nothing more.
pub(super) fn is_year(text: &str) -> bool {
    text.len() == 4 && text.parse().is_ok_and(|year| YEARS.contains(&year))
}

impl RawCell {
    /// What a number of a workbook means in a column of dates though nothing gives it the form of one: a day,
    /// counted as the workbook counts them. A number that can be a year, or is less, stays a number.
    #[must_use]
    pub fn counted_in_days(self, epoch_1904: bool) -> Self {
        match self {
            Self::Number(days) if days > f64::from(*YEARS.end()) => Self::Serial { days, epoch_1904 },
            other => other,
        }
    }
}

/// A day, and the time of it that stands behind: 2026-11-23T08:00:00, or 23/11/2026 8:00.
fn with_time(text: &str) -> (&str, Option<&str>) {
    let is_time = |rest: &str| {
        rest.contains(':')
            && rest.starts_with(|c: char| c.is_ascii_digit())
            && rest.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | '.' | '+' | '-' | 'Z'))
    };
    let iso = text.bytes().take(4).filter(u8::is_ascii_digit).count() == 4;
    let parts = if iso { text.split_once(['T', ' ']) } else { text.rsplit_once(' ') };
    match parts {
        Some((day, time)) if is_time(time) => (day, Some(time)),
        _ => (text, None),
    }
}

/// The instant that a cell means, in milliseconds since 1970: RFC 3339, or a day with a time of day as Vietnam's clocks show it.
pub(super) fn parse_instant(cell: &RawCell, text: &str) -> Option<UnixMillis> {
    let here = |day: i32, seconds: i64| {
        let utc = i64::from(day) * 86_400 + seconds - i64::try_from(ZONE_SECONDS).ok()?;
        Some(UnixMillis(u64::try_from(utc).ok()? * 1_000))
    };
    if let RawCell::Serial { days, epoch_1904 } = cell {
        let day = day_of_serial(*days, *epoch_1904)?;
        #[expect(clippy::cast_possible_truncation, reason = "less than a day")]
        let seconds = (days.fract() * 86_400.0).round() as i64;
        return here(day, seconds);
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return u64::try_from(at.as_millisecond()).ok().map(UnixMillis);
    }
    let (day, time) = with_time(text);
    let time = match time {
        None => jiff::civil::Time::midnight(),
        // 8:00 is how people write it.
        Some(time) if time.find(':') == Some(1) => format!("0{time}").parse().ok()?,
        Some(time) => time.parse().ok()?,
    };
    let seconds = i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    here(parse_date(day).ok()?, seconds)
}

fn of_parts(day: i16, month: i16, year: i16) -> Result<i32, DateFault> {
    let (Ok(day), Ok(month)) = (i8::try_from(day), i8::try_from(month)) else {
        return Err(DateFault::Invalid);
    };
    civil(year, month, day).ok_or_else(|| {
        if civil(year, day, month).is_some() { DateFault::MonthFirst } else { DateFault::Invalid }
    })
}

/// Reads `dd/mm/yyyy` (also with `-`, `.`, blanks), ISO, or `ngày d tháng m năm yyyy`, a time of day behind it aside; days
/// since 1970.
///
/// # Errors
/// [`DateFault`].
pub fn parse_date(text: &str) -> Result<i32, DateFault> {
    if let [d1, d2, b'/' | b'-' | b'.', m1, m2, b'/' | b'-' | b'.', year @ ..] = text.as_bytes()
        && [d1, d2, m1, m2].into_iter().chain(year).all(u8::is_ascii_digit)
        && year.len() == 4
    {
        // The usual form, told without folding.
        let two = |tens: &u8, ones: &u8| i16::from(tens - b'0') * 10 + i16::from(ones - b'0');
        let year = year.iter().fold(0, |year, digit| year * 10 + i16::from(digit - b'0'));
        return of_parts(two(d1, d2), two(m1, m2), year);
    }
    let text = with_time(text).0.trim().trim_start_matches('\'').trim_end_matches(['.', ',']);
    // A sign that sets nothing apart means something else: -5/1/1980, 5+1=1980.
    let apart = |c: char| {
        !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, ' ' | '/' | '-' | '.' | ',' | '\\')
    };
    if text.starts_with(['-', '/', '.', ',', '\\']) || !text.chars().all(apart) {
        return Err(DateFault::Invalid);
    }
    let folded = crate::text::fold(text);
    let folded = folded.strip_prefix("ngay ").unwrap_or(&folded);
    let plain = folded.replace(" thang ", " ").replace(" nam ", " ");
    let parts: Vec<&str> = plain.split(' ').collect();
    let number = |text: &str| text.parse::<i16>().ok().filter(|n| *n >= 0);
    if let [year, month, day] = parts.as_slice()
        && year.len() == 4
    {
        let small = |text: &str| number(text).and_then(|n| i8::try_from(n).ok());
        let (Some(year), Some(month), Some(day)) = (number(year), small(month), small(day)) else {
            return Err(DateFault::Invalid);
        };
        return civil(year, month, day).ok_or(DateFault::Invalid);
    }
    let [day, month, year_text] = parts.as_slice() else { return Err(DateFault::Invalid) };
    let (Some(day), Some(month), Some(year)) = (number(day), number(month), number(year_text)) else {
        return Err(DateFault::Invalid);
    };
    let (Ok(day), Ok(month)) = (i8::try_from(day), i8::try_from(month)) else {
        return Err(DateFault::Invalid);
    };
    match year_text.len() {
        4 => of_parts(i16::from(day), i16::from(month), year),
        2 if (1..=12).contains(&month) && (1..=31).contains(&day) => {
            Err(DateFault::TwoDigitYear { day, month, year })
        }
        _ => Err(DateFault::Invalid),
    }
}
