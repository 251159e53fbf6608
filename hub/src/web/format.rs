//! Numbers and times as people here read them.

use lienthong_node::cli::Tongue;
use lienthong_proto::time::{UnixMillis, ZONE_SECONDS};
use lienthong_proto::value::civil;
use maud::{Markup, html};

/// A number with its thousands apart: 12.345 in Vietnamese, 12,345 in English.
#[must_use]
pub(super) fn number(value: u64, tongue: Tongue) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push_str(tongue.pick(".", ","));
        }
        text.push(digit);
    }
    text
}

/// An instant: 07:05 24/11/2026, Vietnam's time.
#[must_use]
pub(super) fn instant(at: UnixMillis) -> String {
    let seconds = at.seconds().saturating_add(ZONE_SECONDS);
    let (hour, minute) = (seconds / 3_600 % 24, seconds / 60 % 60);
    match civil(at.day()) {
        Some(date) => {
            let (day, month, year) = (date.day(), date.month(), date.year());
            format!("{hour:02}:{minute:02} {day:02}/{month:02}/{year}")
        }
        None => at.rfc3339(),
    }
}

/// An instant with a machine's form beside it, and how long ago it was.
#[must_use]
pub(super) fn time(at: UnixMillis, now: UnixMillis, tongue: Tongue) -> Markup {
    let span = span(now.since(at) / 1_000, tongue);
    html! {
        time datetime=(at.rfc3339()) { (instant(at)) }
        " "
        span.quiet { @match tongue { Tongue::Vi => { (span) " trước" }, Tongue::En => { (span) " ago" } } }
    }
}

/// How long: in the largest unit that tells it.
#[must_use]
pub(super) fn span(seconds: u64, tongue: Tongue) -> String {
    let (count, vi, en) = match seconds {
        0..60 => (seconds, "giây", "s"),
        60..3_600 => (seconds / 60, "phút", "min"),
        3_600..172_800 => (seconds / 3_600, "giờ", "h"),
        _ => (seconds / 86_400, "ngày", "days"),
    };
    format!("{} {}", number(count, tongue), tongue.pick(vi, en))
}

/// Tenths of a point: 97,5 in Vietnamese, 97.5 in English.
#[must_use]
pub(super) fn tenths(value: u64, tongue: Tongue) -> String {
    format!("{}{}{}", value / 10, tongue.pick(",", "."), value % 10)
}

/// Bytes in the largest unit that tells them, to a tenth: 1,5 GB.
#[must_use]
pub(super) fn bytes(bytes: u64, tongue: Tongue) -> String {
    let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB")];
    let found = units.into_iter().find(|(size, _)| bytes >= *size);
    let (size, unit) = found.unwrap_or((1_000, "kB"));
    format!("{} {unit}", tenths(bytes / (size / 10), tongue))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_read_as_written_here() {
        let vi = |value| number(value, Tongue::Vi);
        assert_eq!(
            (vi(0), vi(999), vi(1_000), vi(1_234_567)),
            ("0".into(), "999".into(), "1.000".into(), "1.234.567".into())
        );
        assert_eq!(number(1_234_567, Tongue::En), "1,234,567");
        assert_eq!(instant(UnixMillis(1_795_564_800_000)), "07:00 25/11/2026");
        assert_eq!(span(59, Tongue::Vi), "59 giây");
        assert_eq!(span(7_200, Tongue::En), "2 h");
        assert_eq!(span(86_400 * 3, Tongue::Vi), "3 ngày");
        assert_eq!(bytes(1_550_000_000, Tongue::Vi), "1,5 GB");
        assert_eq!((bytes(0, Tongue::En), bytes(999_999, Tongue::En)), ("0.0 kB".into(), "999.9 kB".into()));
        assert_eq!(tenths(975, Tongue::Vi), "97,5");
    }
}
