//! How much goes wrong under a seed: each kind is there or not, and how often is drawn too (as TigerBeetle's VOPR does).

use super::random::Random;

/// So many of a thousand steps, or of a thousand messages.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// A message is lost: only what the stream's order does not carry.
    pub loss: u64,
    /// A message comes again.
    pub duplicate: u64,
    /// A message overtakes the one before.
    pub reorder: u64,
    /// One direction of a line stops.
    pub clog: u64,
    /// A line breaks.
    pub cut: u64,
    /// A node's power is cut.
    pub node_crash: u64,
    /// The hub's power is cut.
    pub hub_crash: u64,
    /// A node's disk is full.
    pub full: u64,
    /// A clock is set wrong, by years too.
    pub clock: u64,
    /// A bit of a stopped node turns.
    pub flip: u64,
    /// A node gets an old image of its disk.
    pub regress: u64,
    /// A node's disk is put in a second machine.
    pub double: u64,
    /// A certificate is revoked.
    pub revoke: u64,
    /// Somebody at the province decides something.
    pub steward: u64,
    /// A machine whose log is of no use goes on as a new replica, where it might.
    pub recover: u64,
    /// An image of the hub's disk is kept; in the end it is put back.
    pub rewind: u64,
}

impl Faults {
    /// Those of a seed.
    #[must_use]
    pub(super) fn draw(random: &mut Random) -> Self {
        let mut up_to = |most: u64| if random.chance(500) { 1 + random.below(most) } else { 0 };
        Self {
            loss: up_to(300),
            duplicate: up_to(500),
            reorder: up_to(300),
            clog: up_to(20),
            cut: up_to(20),
            node_crash: up_to(30),
            hub_crash: up_to(15),
            full: up_to(8),
            clock: up_to(10),
            flip: up_to(8),
            regress: up_to(6),
            double: up_to(5),
            revoke: up_to(3),
            steward: up_to(60),
            recover: up_to(60),
            rewind: up_to(10),
        }
    }

    /// Nothing goes wrong with messages.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Every message comes up to fifty times, in any order.
    #[must_use]
    pub fn storm() -> Self {
        Self { duplicate: 1_000, reorder: 500, steward: 30, ..Self::default() }
    }
}
