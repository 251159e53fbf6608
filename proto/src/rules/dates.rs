//! Dates in every form of DOMAIN 2.4; nothing ambiguous is guessed.

use crate::value::days_of;

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

fn civil(year: i16, month: i8, day: i8) -> Option<i32> {
    let date = jiff::civil::Date::new(year, month, day).ok()?;
    (1_800..=2_200).contains(&year).then(|| days_of(date))
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

fn of_parts(day: i16, month: i16, year: i16) -> Result<i32, DateFault> {
    let (Ok(day), Ok(month)) = (i8::try_from(day), i8::try_from(month)) else {
        return Err(DateFault::Invalid);
    };
    civil(year, month, day).ok_or_else(|| {
        if civil(year, day, month).is_some() { DateFault::MonthFirst } else { DateFault::Invalid }
    })
}

/// Reads `dd/mm/yyyy` (also with `-`, `.`, blanks), ISO, or `ngày d tháng m năm yyyy`; days since 1970.
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
    let folded = crate::text::fold(text);
    let folded = folded.strip_prefix("ngay ").unwrap_or(&folded);
    let plain = folded.replace(" thang ", " ").replace(" nam ", " ");
    let parts: Vec<&str> = plain.split(' ').collect();
    let number = |text: &str| text.parse::<i16>().ok().filter(|n| *n >= 0);
    // An ISO instant keeps its day: 2026-11-23T00:00:00.
    if let [year, month, rest, ..] = parts.as_slice()
        && year.len() == 4
        && (parts.len() == 3 || text.contains('T') || text.contains(':'))
    {
        let day = rest.get(..2).filter(|_| rest.len() > 2).unwrap_or(rest);
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
