//! Places that are bounded for each of many: connections of an address, of a replica, handshakes of an address.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many places for each key; who finds none goes away.
#[derive(Debug)]
pub(crate) struct Places<K> {
    of_each_max: usize,
    taken: Mutex<HashMap<K, usize>>,
}

impl<K: Copy + Eq + Hash> Places<K> {
    pub(crate) fn new(of_each_max: usize) -> Arc<Self> {
        Arc::new(Self { of_each_max, taken: Mutex::default() })
    }

    /// One more place, unless all of this key's are taken.
    pub(crate) fn take(self: &Arc<Self>, key: K) -> Option<Place<K>> {
        let mut taken = self.taken.lock();
        let count = taken.entry(key).or_default();
        if *count >= self.of_each_max {
            return None;
        }
        *count += 1;
        Some(Place { places: Arc::clone(self), key })
    }
}

/// Given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place<K: Copy + Eq + Hash> {
    places: Arc<Places<K>>,
    key: K,
}

impl<K: Copy + Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        if let Some(count) = taken.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

/// So many turns at once for each key; who finds none waits behind others of the same key only.
#[derive(Debug)]
pub(crate) struct Turns<K> {
    of_each: usize,
    each: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// Keys remembered before those nobody waits for or holds are forgotten.
const REMEMBERED: usize = 1_024;

impl<K: Copy + Eq + Hash> Turns<K> {
    pub(crate) fn new(of_each: usize) -> Self {
        Self { of_each, each: Mutex::default() }
    }

    /// A turn of this key, given back when it is dropped.
    pub(crate) async fn take(&self, key: K) -> Option<OwnedSemaphorePermit> {
        let own = {
            let mut each = self.each.lock();
            if each.len() >= REMEMBERED {
                each.retain(|_, turns| Arc::strong_count(turns) > 1);
            }
            Arc::clone(each.entry(key).or_insert_with(|| Arc::new(Semaphore::new(self.of_each))))
        };
        own.acquire_owned().await.ok()
    }
}

/// Where addresses are handed out by the network, the network is the one who calls.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6([a, b, c, d, 0, 0, 0, 0].into())
        }
        v4 => v4,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn each_key_has_its_own_places_and_they_come_back() {
        let places = Places::new(2);
        let (first, _second) = (places.take(1).unwrap(), places.take(1).unwrap());
        assert!(places.take(1).is_none());
        let other = places.take(2).unwrap();
        drop(first);
        assert!(places.take(1).is_some());
        drop(other);
        assert_eq!(places.taken.lock().len(), 1, "who has none is forgotten");
    }

    #[tokio::test]
    async fn who_waits_for_a_turn_waits_behind_its_own_only() {
        let turns = Turns::new(1);
        let held = turns.take(0).await.unwrap();
        assert!(turns.take(0).now_or_never().is_none());
        for key in 1..=2 * REMEMBERED {
            assert!(turns.take(key).await.is_some());
        }
        assert!(turns.each.lock().len() <= REMEMBERED);
        assert!(turns.take(0).now_or_never().is_none(), "one that is held is not forgotten");
        drop(held);
        assert!(turns.take(0).await.is_some());
    }

    #[test]
    fn a_network_that_hands_out_addresses_is_one_caller() {
        let v6 = |text: &str| network(text.parse().unwrap());
        assert_eq!(v6("2001:db8:1:2::1"), v6("2001:db8:1:2:ffff::9"));
        assert_ne!(v6("2001:db8:1:2::1"), v6("2001:db8:1:3::1"));
        assert_eq!(v6("::ffff:10.0.0.1"), v6("10.0.0.1"));
    }
}
