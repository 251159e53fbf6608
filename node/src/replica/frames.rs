//! Staged entries become frames: their leaves are hashed and they are packed, several frames side by side.
//!
//! Sequence and bytes are settled by the journal before, the order in the log by it after.

use std::thread::{Builder, Scope, ScopedJoinHandle};

use lienthong_proto::batch;
use lienthong_proto::bytes::Malformed;
use lienthong_proto::change::Change;
use lienthong_proto::entry::Entry;
use lienthong_proto::hash::Digest;
use lienthong_proto::limits;

/// An entry that waits for its frame.
pub(super) struct Staged {
    /// What it says, if it is a change.
    pub(super) change: Option<Change>,
    /// The entry.
    pub(super) bytes: Vec<u8>,
}

/// What a frame of the log needs besides its entries.
pub(super) struct Frame {
    /// The leaf of each entry.
    pub(super) leaves: Vec<Digest>,
    /// The entries packed; a single one goes as it is.
    pub(super) packed: Option<Vec<u8>>,
}

/// Why a frame cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// An entry is not one.
    #[error("an entry that was staged is not understood")]
    Entry(#[from] Malformed),
    /// The entries cannot be packed.
    #[error(transparent)]
    Pack(#[from] batch::BatchError),
}

/// Cuts entries into the groups that share a frame.
pub(super) fn cut(mut rest: &[Staged]) -> Vec<&[Staged]> {
    let mut groups = Vec::new();
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest.iter().take(limits::BATCH_ENTRIES_AIM).take_while(|entry| {
            bytes += entry.bytes.len() + 4;
            bytes <= limits::BATCH_BYTES_AIM
        });
        let (group, tail) = rest.split_at(fitting.count().max(1));
        groups.push(group);
        rest = tail;
    }
    groups
}

/// The frames of these groups, in their order: one made here, each other in a thread of its own. A group
/// commit has a dozen at most.
///
/// # Errors
/// [`FrameError`] of the first that cannot be made.
pub(super) fn make(groups: &[&[Staged]]) -> Result<Vec<Frame>, FrameError> {
    let Some((first, others)) = groups.split_first() else { return Ok(Vec::new()) };
    std::thread::scope(|scope| {
        let others: Vec<Making<'_>> = others.iter().map(|group| Making::begin(scope, group)).collect();
        let mut frames = Vec::with_capacity(groups.len());
        frames.push(frame(first)?);
        for other in others {
            frames.push(other.end()?);
        }
        Ok(frames)
    })
}

/// A frame that is being made elsewhere, or was made here because there was no thread to be had.
enum Making<'scope> {
    Beside(ScopedJoinHandle<'scope, Result<Frame, FrameError>>),
    Here(Result<Frame, FrameError>),
}

impl<'scope> Making<'scope> {
    fn begin(scope: &'scope Scope<'scope, '_>, group: &'scope [Staged]) -> Self {
        let thread = Builder::new().name("frame".into()).spawn_scoped(scope, || frame(group));
        thread.map_or_else(|_| Self::Here(frame(group)), Self::Beside)
    }

    fn end(self) -> Result<Frame, FrameError> {
        match self {
            Self::Beside(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Self::Here(made) => made,
        }
    }
}

fn frame(group: &[Staged]) -> Result<Frame, FrameError> {
    let leaf = |entry: &Staged| Ok::<_, Malformed>(Entry::decode(&entry.bytes)?.leaf_hash());
    let leaves = group.iter().map(leaf).collect::<Result<_, _>>()?;
    let packed = match group {
        [] | [_] => None,
        several => Some(batch::pack(several.iter().map(|entry| entry.bytes.as_slice()))?),
    };
    Ok(Frame { leaves, packed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn staged(bytes: usize) -> Staged {
        Staged { change: None, bytes: vec![0; bytes] }
    }

    #[test]
    fn groups_keep_the_order_and_the_limits() {
        let entries: Vec<Staged> = (1..=1_500).map(|bytes| staged(bytes % 700)).collect();
        let groups = cut(&entries);
        let sizes = groups.iter().flat_map(|group| group.iter()).map(|entry| entry.bytes.len());
        assert!(sizes.eq((1..=1_500).map(|bytes| bytes % 700)));
        assert!(groups.len() >= 3);
        for group in groups {
            assert!(group.len() <= limits::BATCH_ENTRIES_AIM);
            assert!(
                group.iter().map(|entry| entry.bytes.len() + 4).sum::<usize>() <= limits::BATCH_BYTES_AIM
            );
        }
    }

    #[test]
    fn an_entry_beyond_the_aim_has_a_group_of_its_own() {
        let entries = [staged(10), staged(limits::BATCH_BYTES_AIM + 1), staged(10)];
        assert_eq!(cut(&entries).iter().map(|group| group.len()).collect::<Vec<_>>(), [1, 1, 1]);
    }

    #[test]
    fn a_frame_that_cannot_be_made_fails_them_all() {
        let entries: Vec<Staged> = (0..2 * limits::BATCH_ENTRIES_AIM).map(|_| staged(3)).collect();
        assert!(matches!(make(&cut(&entries)), Err(FrameError::Entry(_))));
    }
}
