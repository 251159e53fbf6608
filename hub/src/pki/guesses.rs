//! Wrong enrolment tokens of late: who sends them, and when somebody must hear of it.
//!
//! Pure but for its lock: time is an argument. A source that is held is not heard any more for tokens nobody made; one
//! that is known goes on being good from there too, so that a stranger beside an office cannot keep it from enrolling.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use lienthong_proto::time::UnixMillis;
use lru::LruCache;
use parking_lot::Mutex;

use crate::places::network;

/// So many wrong ones within an hour want a person.
pub const GUESSES_ALARM: u32 = 5;
/// From so many on a source is held: an office shares an address, and a line may be copied wrong more than once.
const HELD_FROM: u32 = 20;
/// For so long after its last one.
const HELD_MILLIS: u64 = 15 * 60_000;
/// They are forgotten after so long without another.
const FORGOTTEN_MILLIS: u64 = 60 * 60_000;
/// Sources remembered at once; the longest unseen goes.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
/// Sources an hour that are written to the ledger: it is kept for ever, and strangers must not fill it.
const TOLD_AN_HOUR: u32 = 60;

#[derive(Debug, Clone, Copy, Default)]
struct Wrong {
    count: u32,
    last: UnixMillis,
}

#[derive(Debug)]
struct Known {
    sources: LruCache<IpAddr, Wrong>,
    /// The hour, and what was told in it.
    told: (u64, u32),
}

/// Wrong tokens of late, by source.
#[derive(Debug)]
pub struct Guesses(Mutex<Known>);

impl Default for Guesses {
    fn default() -> Self {
        Self(Mutex::new(Known { sources: LruCache::new(REMEMBERED), told: (0, 0) }))
    }
}

impl Guesses {
    /// For how many seconds a source is not heard; 0 if it is.
    #[must_use]
    pub fn wait_seconds(&self, source: IpAddr, now: UnixMillis) -> u64 {
        let known = self.0.lock();
        let wrong = known.sources.peek(&network(source)).filter(|wrong| wrong.count >= HELD_FROM);
        wrong.map_or(0, |wrong| HELD_MILLIS.saturating_sub(now.since(wrong.last)).div_ceil(1_000))
    }

    /// A wrong one came of a source; how many it has sent of late, if that is to be written down now.
    pub fn wrong(&self, source: IpAddr, now: UnixMillis) -> Option<u32> {
        let mut known = self.0.lock();
        let wrong = known.sources.get_or_insert_mut(network(source), Wrong::default);
        let before = if now.since(wrong.last) >= FORGOTTEN_MILLIS { 0 } else { wrong.count };
        *wrong = Wrong { count: before.saturating_add(1), last: now };
        let count = wrong.count;
        if count != GUESSES_ALARM && count != HELD_FROM {
            return None;
        }
        let hour = now.0 / FORGOTTEN_MILLIS;
        let told = if known.told.0 == hour { known.told.1 } else { 0 };
        known.told = (hour, told.saturating_add(1));
        (told < TOLD_AN_HOUR).then_some(count)
    }

    /// How many came of late, and from how many sources.
    #[must_use]
    pub fn of_late(&self, now: UnixMillis) -> (u32, usize) {
        let known = self.0.lock();
        let late = known.sources.iter().filter(|(_, wrong)| now.since(wrong.last) < FORGOTTEN_MILLIS);
        late.fold((0, 0), |(all, sources), (_, wrong)| (wrong.count.saturating_add(all), sources + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn later(seconds: u64) -> UnixMillis {
        UnixMillis(NOW.0 + seconds * 1_000)
    }

    #[test]
    fn a_source_is_held_after_twenty_and_told_of_twice() {
        let guesses = Guesses::default();
        let told: Vec<u32> = (0..HELD_FROM).filter_map(|_| guesses.wrong(HERE, NOW)).collect();
        assert_eq!(told, [GUESSES_ALARM, HELD_FROM]);
        assert_eq!((guesses.wait_seconds(HERE, NOW), guesses.wait_seconds(THERE, NOW)), (900, 0));
        assert_eq!(guesses.wait_seconds(HERE, later(899)), 1);
        assert_eq!(guesses.wait_seconds(HERE, later(900)), 0);
        guesses.wrong(HERE, later(900));
        assert_eq!(guesses.wait_seconds(HERE, later(900)), 900, "the next one holds it again");
        assert_eq!(guesses.of_late(later(900)), (HELD_FROM + 1, 1));
        guesses.wrong(HERE, later(900 + 3_600));
        assert_eq!(guesses.wait_seconds(HERE, later(900 + 3_600)), 0, "an hour later it is forgotten");
        assert_eq!(guesses.of_late(later(900 + 3_600)), (1, 1));
    }

    #[test]
    fn many_sources_are_counted_together_and_the_ledger_hears_of_so_many() {
        let guesses = Guesses::default();
        let mut told = 0;
        for n in 0..1_000_u32 {
            let source = IpAddr::V4((0x0a00_0000 + n).into());
            told += (0..GUESSES_ALARM).filter(|_| guesses.wrong(source, NOW).is_some()).count();
        }
        assert_eq!(told, TOLD_AN_HOUR as usize);
        assert_eq!(guesses.of_late(NOW), (5_000, 1_000));
        assert_eq!(guesses.of_late(later(3_600)), (0, 0));
    }
}
