//! A record's state, encoded.

use lienthong_proto::bytes::Malformed;
use lienthong_proto::ids::UnitCode;

use super::{Dictionary, RecordState};

/// A record's state as it stands in memory until the view has it: encoded, and its owner for the counts.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) bytes: Vec<u8>,
    pub(super) owner: Option<UnitCode>,
    pub(super) withdrawn: bool,
}

impl Stored {
    pub(super) fn of(state: &RecordState, words: &Dictionary) -> Self {
        Self::with(state.encode(words), state)
    }

    pub(super) fn with(bytes: Vec<u8>, state: &RecordState) -> Self {
        // One whose every change was kept out does not count either.
        let withdrawn = state.is_empty() || state.standing().withdrawn;
        Self { bytes, owner: state.owner().cloned(), withdrawn }
    }

    pub(super) fn decode(&self, words: &Dictionary) -> Result<RecordState, Malformed> {
        RecordState::decode(&self.bytes, words)
    }
}
