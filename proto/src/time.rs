//! Time as data: nothing here reads a clock. Instants are milliseconds since 1970-01-01 UTC.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far Vietnam's clocks are ahead of UTC.
pub const ZONE_SECONDS: u64 = 7 * 3_600;

/// An instant in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Whole seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / 1_000
    }

    /// The day, since 1970-01-01, as it is written where the province is: at UTC+7, summer and winter.
    #[must_use]
    pub fn day(self) -> i32 {
        i32::try_from(self.seconds().saturating_add(ZONE_SECONDS) / 86_400).unwrap_or(i32::MAX)
    }

    /// Milliseconds from `earlier` to `self`; 0 if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// RFC 3339 in UTC with milliseconds, as the command line prints it.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX).min(253_402_207_200_000);
        jiff::Timestamp::from_millisecond(millis).map_or_else(|_| String::from("?"), |at| at.to_string())
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// A hybrid logical clock stamp: 48 bits of milliseconds, 16 bits of counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Hlc(pub u64);

impl Hlc {
    /// A stamp at `at` with the given counter.
    #[must_use]
    pub fn new(at: UnixMillis, counter: u16) -> Self {
        Self((at.0.min((1 << 48) - 1) << 16) | u64::from(counter))
    }

    /// The wall-clock part.
    #[must_use]
    pub fn at(self) -> UnixMillis {
        UnixMillis(self.0 >> 16)
    }

    /// The stamp that counts in a merge: a wrong clock gains nothing over the hub's receipt (DESIGN 6).
    #[must_use]
    pub fn effective(self, received: UnixMillis) -> Self {
        self.min(Self::new(received, u16::MAX))
    }
}

/// How far ahead of the own clock a foreign stamp may be and still be adopted.
pub const ADOPT_AHEAD_MILLIS_MAX: u64 = 10 * 60 * 1_000;

/// Issues stamps for one replica; the caller brings the time.
#[derive(Debug, Clone, Copy, Default)]
pub struct HlcClock {
    last: Hlc,
}

impl HlcClock {
    /// A clock that continues after `last`.
    #[must_use]
    pub fn after(last: Hlc) -> Self {
        Self { last }
    }

    /// The next stamp. It grows while the clock stands or steps back by less than the limit of
    /// [`ADOPT_AHEAD_MILLIS_MAX`]; a clock that was far ahead and was mended is followed back.
    pub fn tick(&mut self, now: UnixMillis) -> Hlc {
        let wall = Hlc::new(now, 0);
        let far_ahead = self.last.at().since(now) > ADOPT_AHEAD_MILLIS_MAX;
        self.last = if wall > self.last || far_ahead { wall } else { Hlc(self.last.0 + 1) };
        self.last
    }

    /// Takes a stamp seen elsewhere into account, unless it is too far ahead of `now`.
    pub fn observe(&mut self, seen: Hlc, now: UnixMillis) {
        if seen.at().since(now) <= ADOPT_AHEAD_MILLIS_MAX {
            self.last = self.last.max(seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_vietnam() {
        // 31 December 2026, 16:59:59.999 and 17:00 UTC.
        let midnight = UnixMillis(1_798_736_400_000);
        let day = |at: UnixMillis| crate::value::date_text(at.day());
        assert_eq!(day(UnixMillis(midnight.0 - 1)), "2026-12-31");
        assert_eq!(day(midnight), "2027-01-01");
    }

    #[test]
    fn stamps_grow_while_the_clock_stands() {
        let mut clock = HlcClock::default();
        let now = UnixMillis(1_000);
        let first = clock.tick(now);
        let second = clock.tick(now);
        assert!(second > first);
    }

    #[test]
    fn p11_a_clock_far_ahead_is_followed_back_and_never_wins_over_receipt() {
        let mut clock = HlcClock::default();
        let wrong = clock.tick(UnixMillis(2_900_000_000_000));
        let mended = clock.tick(UnixMillis(1_800_000_000_000));
        assert!(mended < wrong);
        let received = UnixMillis(1_800_000_000_000);
        assert!(wrong.effective(received).at() <= received);
    }

    #[test]
    fn a_foreign_stamp_from_the_far_future_is_not_adopted() {
        let mut clock = HlcClock::default();
        let now = UnixMillis(1_800_000_000_000);
        clock.observe(Hlc::new(UnixMillis(now.0 + ADOPT_AHEAD_MILLIS_MAX + 1), 0), now);
        assert_eq!(clock.tick(now).at(), now);
    }
}
