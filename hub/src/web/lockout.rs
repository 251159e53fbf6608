//! Who has guessed too often waits, twice as long each time: per account, and per address.
//!
//! Pure but for its lock: time is an argument. An account is held for a quarter of an hour at most, so that a stranger
//! who guesses cannot keep its owner out; the command line on the hub's own machine is not held up at all.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use lienthong_proto::time::UnixMillis;
use lru::LruCache;
use parking_lot::Mutex;

use crate::places::network;

/// Failures that are forgiven: fingers slip. An office shares an address, so it may slip more often.
const FREE_OF_ACCOUNT: u32 = 5;
const FREE_OF_ADDRESS: u32 = 20;
/// The first wait, and the longest.
const WAIT_MILLIS: u64 = 30_000;
const WAIT_MILLIS_MAX: u64 = 15 * 60_000;
/// Failures are forgotten after so long without another.
const FORGOTTEN_MILLIS: u64 = 60 * 60_000;
/// Names and addresses remembered at once; the longest unseen goes.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
/// Refusals a minute that are written to the ledger: it is kept for ever, and strangers must not fill it.
const TOLD_A_MINUTE: u32 = 60;

#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    count: u32,
    last: UnixMillis,
}

impl Failures {
    fn wait_millis(self, free: u32, now: UnixMillis) -> u64 {
        let Some(over) = self.count.checked_sub(free) else { return 0 };
        let wait = WAIT_MILLIS.saturating_mul(1 << over.min(16)).min(WAIT_MILLIS_MAX);
        wait.saturating_sub(now.since(self.last))
    }

    fn add(&mut self, now: UnixMillis) {
        if now.since(self.last) >= FORGOTTEN_MILLIS {
            self.count = 0;
        }
        *self = Self { count: self.count.saturating_add(1), last: now };
    }
}

#[derive(Debug)]
struct Known {
    accounts: LruCache<String, Failures>,
    addresses: LruCache<IpAddr, Failures>,
    /// The minute, and what was told in it.
    told: (u64, u32),
}

/// The failures of late.
#[derive(Debug)]
pub(super) struct Lockout {
    known: Mutex<Known>,
}

impl Default for Lockout {
    fn default() -> Self {
        let known =
            Known { accounts: LruCache::new(REMEMBERED), addresses: LruCache::new(REMEMBERED), told: (0, 0) };
        Self { known: Mutex::new(known) }
    }
}

impl Lockout {
    /// For how many seconds a sign-in must wait; 0 if it may be tried now.
    #[must_use]
    pub(super) fn wait_seconds(&self, account: &str, address: IpAddr, now: UnixMillis) -> u64 {
        let known = self.known.lock();
        let account =
            known.accounts.peek(account).map_or(0, |failures| failures.wait_millis(FREE_OF_ACCOUNT, now));
        let address = known
            .addresses
            .peek(&network(address))
            .map_or(0, |failures| failures.wait_millis(FREE_OF_ADDRESS, now));
        account.max(address).div_ceil(1_000)
    }

    /// A sign-in failed; whether there is room in the ledger to say so.
    pub(super) fn failed(&self, account: &str, address: IpAddr, now: UnixMillis) -> bool {
        let mut known = self.known.lock();
        known.accounts.get_or_insert_mut(account.to_owned(), Failures::default).add(now);
        known.addresses.get_or_insert_mut(network(address), Failures::default).add(now);
        let minute = now.0 / 60_000;
        let told = if known.told.0 == minute { known.told.1 } else { 0 };
        known.told = (minute, told + 1);
        told < TOLD_A_MINUTE
    }

    /// A sign-in was finished: the account's failures are forgotten; the address's are not, it may be a guesser's too.
    pub(super) fn succeeded(&self, account: &str) {
        self.known.lock().accounts.pop(account);
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
    fn an_account_waits_twice_as_long_each_time_but_never_for_ever() {
        let lockout = Lockout::default();
        for _ in 1..FREE_OF_ACCOUNT {
            lockout.failed("lan", HERE, NOW);
            assert_eq!(lockout.wait_seconds("lan", HERE, NOW), 0);
        }
        for wait in [30, 60, 120, 240, 480, 900, 900] {
            lockout.failed("lan", HERE, NOW);
            assert_eq!(lockout.wait_seconds("lan", THERE, NOW), wait, "wherever from");
            assert_eq!(lockout.wait_seconds("lan", THERE, later(wait - 1)), 1);
            assert_eq!(lockout.wait_seconds("lan", THERE, later(wait)), 0);
        }
        assert_eq!(lockout.wait_seconds("minh", HERE, NOW), 0, "others are not held up");
        lockout.succeeded("lan");
        assert_eq!(lockout.wait_seconds("lan", HERE, NOW), 0);
    }

    #[test]
    fn an_address_that_goes_through_names_waits_too() {
        let lockout = Lockout::default();
        for n in 0..FREE_OF_ADDRESS {
            lockout.failed(&format!("name{n}"), HERE, NOW);
        }
        assert_eq!(lockout.wait_seconds("never-tried", HERE, NOW), 30);
        assert_eq!(lockout.wait_seconds("never-tried", THERE, NOW), 0);
        lockout.failed("x", HERE, later(3_600 + 30));
        assert_eq!(
            lockout.wait_seconds("never-tried", HERE, later(3_630)),
            0,
            "an hour later it is forgotten"
        );
    }

    #[test]
    fn the_ledger_hears_of_so_many_a_minute() {
        let lockout = Lockout::default();
        let told = (0..1_000).filter(|n| lockout.failed(&format!("name{n}"), HERE, NOW)).count();
        assert_eq!(told, TOLD_A_MINUTE as usize);
        assert!(lockout.failed("x", HERE, later(60)));
    }
}
