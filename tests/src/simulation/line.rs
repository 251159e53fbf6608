//! A line between a node and the hub: two directions, each in order, each of which may stop; what was on its way when
//! one end left may still come.

use std::collections::VecDeque;

use lienthong_proto::wire::sync as wire;
use prost::Message as _;

use super::faults::Faults;
use super::random::Random;

/// What comes out of a line.
#[derive(Debug, Clone)]
pub(super) enum Parcel {
    /// The handshake: to the hub that somebody calls, to the node that it was let in.
    Open,
    /// A message's bytes.
    Bytes(Vec<u8>),
    /// The other end is gone; whether it said that the replica is fenced.
    End(bool),
}

/// What a message met with on its way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Met {
    /// It is lost.
    pub(super) lost: u64,
    /// It comes again so often.
    pub(super) again: u64,
    /// It overtakes others so often.
    pub(super) overtaken: u64,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    parcels: VecDeque<Parcel>,
    /// Nothing comes out.
    pub(super) clogged: bool,
}

/// Copies of a message in a storm.
const COPIES_MAX: u64 = 50;
/// What may be on its way: beyond that a sender would be held back.
const PARCELS_MAX: usize = 4_096;

impl Pipe {
    /// Puts something in.
    pub(super) fn push(&mut self, parcel: Parcel) {
        if self.parcels.len() < PARCELS_MAX {
            self.parcels.push_back(parcel);
        }
    }

    /// Puts a node's word in, as the network treats it, and says how that was.
    pub(super) fn push_up(&mut self, up: &wire::Up, faults: &Faults, random: &mut Random) -> Met {
        let bytes = Parcel::Bytes(up.encode_to_vec());
        let ordered =
            !matches!(&up.message, Some(wire::up::Message::Batch(_) | wire::up::Message::Heartbeat(_)));
        if ordered {
            self.push(bytes);
            return Met::default();
        }
        if random.chance(faults.loss) {
            return Met { lost: 1, ..Met::default() };
        }
        let many = if faults.duplicate >= 1_000 { COPIES_MAX } else { 2 };
        let copies = if random.chance(faults.duplicate) { 1 + random.below(many) } else { 1 };
        let mut met = Met { again: copies - 1, ..Met::default() };
        for _ in 0..copies {
            self.push(bytes.clone());
            met.overtaken += u64::from(self.shuffle(faults, random));
        }
        met
    }

    /// Puts the hub's word in: what is told in order stays in order, receipts may come twice.
    pub(super) fn push_down(&mut self, down: &wire::Down, faults: &Faults, random: &mut Random) {
        let bytes = Parcel::Bytes(down.encode_to_vec());
        self.push(bytes.clone());
        let receipt = matches!(&down.message, Some(wire::down::Message::Receipt(_)));
        if receipt && random.chance(faults.duplicate) {
            self.push(bytes);
        }
    }

    fn shuffle(&mut self, faults: &Faults, random: &mut Random) -> bool {
        let length = self.parcels.len();
        let bytes = |at: usize| matches!(self.parcels.get(at), Some(Parcel::Bytes(_)));
        // The greeting, and what opens a line, is overtaken by nothing.
        if length > 3 && random.chance(faults.reorder) {
            let (a, b) = (2 + random.place(length - 2), length - 1);
            if a != b && bytes(a) && bytes(b) {
                self.parcels.swap(a, b);
                return true;
            }
        }
        false
    }

    /// The sender is gone: some of the end may never have left it.
    pub(super) fn end(&mut self, fenced: bool, random: &mut Random) {
        let kept = random.place(self.parcels.len() + 1);
        if !fenced {
            self.parcels.truncate(kept);
        }
        self.parcels.push_back(Parcel::End(fenced));
    }

    /// Nobody takes anything out any more.
    pub(super) fn clear(&mut self) {
        self.parcels.clear();
    }

    /// Takes the next out.
    pub(super) fn pop(&mut self) -> Option<Parcel> {
        if self.clogged { None } else { self.parcels.pop_front() }
    }

    /// Whether something would come out.
    #[must_use]
    pub(super) fn is_ready(&self) -> bool {
        !self.clogged && !self.parcels.is_empty()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }
}

/// A line.
#[derive(Debug)]
pub(super) struct Line {
    /// Whose.
    pub(super) node: usize,
    /// The node is on it.
    pub(super) node_on: bool,
    /// To the hub.
    pub(super) up: Pipe,
    /// To the node.
    pub(super) down: Pipe,
}

impl Line {
    /// A node dials.
    #[must_use]
    pub(super) fn dialled(node: usize) -> Self {
        let mut line = Self { node, node_on: true, up: Pipe::default(), down: Pipe::default() };
        line.up.push(Parcel::Open);
        line
    }
}
