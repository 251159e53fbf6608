//! Failed sign-ins are counted by name and place, and by place: guessing is stopped, and nobody can lock out an
//! officer from another machine.

use std::collections::BTreeMap;
use std::net::IpAddr;

use lienthong_proto::time::UnixMillis;

/// Failures of one name from one place.
const NAME_FAILURES_MAX: u32 = 5;
/// Failures of any names from one place.
const PLACE_FAILURES_MAX: u32 = 20;
/// How long nothing is tried any more, and after which failures are forgotten.
pub(super) const LOCKED_MILLIS: u64 = 15 * 60 * 1_000;
/// Counts kept; the oldest gives way.
const COUNTS_MAX: usize = 4_096;
/// Bytes of a name that tell it apart.
const NAME_BYTES_MAX: usize = 32;

type Place = (String, Option<String>);

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    last: UnixMillis,
}

/// The failures of late; the time is an argument.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    counts: BTreeMap<Place, Count>,
}

impl Attempts {
    /// Counts one more try as a failure, until it is known better; whether it may not be made at all.
    pub(super) fn begin(&mut self, name: &str, from: IpAddr, now: UnixMillis) -> bool {
        if self.is_locked(name, from, now) {
            return true;
        }
        for place in places(name, from) {
            let before = self.counts.get(&place).filter(|count| is_fresh(count, now));
            let failures = before.map_or(0, |count| count.failures) + 1;
            self.counts.insert(place, Count { failures, last: now });
        }
        while self.counts.len() > COUNTS_MAX {
            let oldest =
                self.counts.iter().min_by_key(|(_, count)| count.last).map(|(place, _)| place.clone());
            oldest.map(|place| self.counts.remove(&place));
        }
        false
    }

    fn is_locked(&self, name: &str, from: IpAddr, now: UnixMillis) -> bool {
        let [named, any] = places(name, from);
        let reached = |place: &Place, most: u32| {
            let count = self.counts.get(place).filter(|count| is_fresh(count, now));
            count.is_some_and(|count| count.failures >= most)
        };
        reached(&named, NAME_FAILURES_MAX) || reached(&any, PLACE_FAILURES_MAX)
    }

    /// The try succeeded: that name's failures there are forgotten, and this was none.
    pub(super) fn succeeded(&mut self, name: &str, from: IpAddr) {
        let [named, any] = places(name, from);
        self.counts.remove(&named);
        if let Some(count) = self.counts.get_mut(&any) {
            count.failures = count.failures.saturating_sub(1);
        }
    }
}

fn is_fresh(count: &Count, now: UnixMillis) -> bool {
    // A clock set back forgets rather than locking for ever.
    now.0.checked_sub(count.last.0).is_some_and(|ago| ago < LOCKED_MILLIS)
}

fn places(name: &str, from: IpAddr) -> [Place; 2] {
    let place = match from {
        IpAddr::V4(address) => address.to_string(),
        // Half of a version 6 address is the machine's own choice.
        IpAddr::V6(address) => hex::encode(address.octets().split_at(8).0),
    };
    let name: String = name.chars().take(NAME_BYTES_MAX).collect();
    [(place.clone(), Some(name)), (place, None)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000_000);

    #[test]
    fn a_name_is_locked_where_it_failed_and_only_there() {
        let (here, there) = ("10.0.0.5".parse().unwrap(), "10.0.0.6".parse().unwrap());
        let mut attempts = Attempts::default();
        for _ in 0..NAME_FAILURES_MAX {
            assert!(!attempts.begin("lan", here, NOW));
        }
        assert!(attempts.begin("lan", here, NOW));
        assert!(!attempts.is_locked("lan", there, NOW) && !attempts.is_locked("minh", here, NOW));
        assert!(!attempts.is_locked("lan", here, UnixMillis(NOW.0 + LOCKED_MILLIS)));
        attempts.succeeded("lan", here);
        assert!(!attempts.is_locked("lan", here, NOW));
    }

    #[test]
    fn a_place_that_tries_many_names_is_locked_and_counts_are_bounded() {
        let here = "fe80::1:2:3:4".parse().unwrap();
        let beside = "fe80::9:2:3:4".parse().unwrap();
        let mut attempts = Attempts::default();
        for number in 0..PLACE_FAILURES_MAX {
            attempts.begin(&format!("name{number}"), here, NOW);
        }
        assert!(attempts.is_locked("another", here, NOW) && attempts.is_locked("another", beside, NOW));
        for number in 0..2 * COUNTS_MAX {
            attempts.begin(&format!("x{number}"), "10.0.0.5".parse().unwrap(), UnixMillis(NOW.0 + 1));
        }
        assert!(attempts.counts.len() <= COUNTS_MAX);
    }
}
