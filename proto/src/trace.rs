//! The id by which logs of both ends speak of one import, one put, or one batch.

use std::fmt;

use crate::hash::sha256;
use crate::ids::ReplicaId;

/// Sixteen bytes, worked out from a replica and a first sequence: both ends know them, so it needs no place on the
/// wire, and it says nothing of what was written. As long as a trace id of W3C Trace Context.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub [u8; 16]);

impl TraceId {
    /// That of what begins with the entry `first` of a replica's log.
    #[must_use]
    pub fn of(replica: ReplicaId, first: u64) -> Self {
        let digest = sha256(&[b"LT trace", &replica.0, &first.to_be_bytes()]);
        let mut id = [0; 16];
        id.copy_from_slice(digest.split_at(16).0);
        Self(id)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_apart_and_stay_what_they_are() {
        let id = TraceId::of(ReplicaId([1; 16]), 0);
        assert_eq!(id.to_string().len(), 32);
        assert_eq!(id, TraceId::of(ReplicaId([1; 16]), 0));
        assert_ne!(id, TraceId::of(ReplicaId([1; 16]), 1));
        assert_ne!(id, TraceId::of(ReplicaId([2; 16]), 0));
    }
}
