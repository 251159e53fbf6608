//! Reads the log and makes the batches that travel.

use std::sync::Arc;

use bytes::Bytes;
use lienthong_proto::batch::{self, BatchError};
use lienthong_proto::bytes::Malformed;
use lienthong_proto::checkpoint::{Checkpoint, CheckpointError};
use lienthong_proto::hash::{Digest, SigningKey};
use lienthong_proto::ids::Sequence;
use lienthong_proto::limits;
use lienthong_proto::merkle::root_at;

use super::Roots;
use crate::dataset::Payload;
use crate::log::{HashFile, LogReader, ReadError};

/// A batch ready to travel.
#[derive(Debug, Clone)]
pub struct OutBatch {
    /// Its first sequence.
    pub first: u64,
    /// Its entries.
    pub count: u32,
    /// They, packed.
    pub packed: Bytes,
    /// The signed checkpoint at its end.
    pub checkpoint: String,
}

/// Why a batch cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BatchFault {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A frame does not open.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A frame is not what it should be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// No checkpoint can be signed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There is nothing to send from there, or a leaf hash is missing.
    #[error("the log has no entries from {0} on, or their hashes are missing")]
    Missing(u64),
}

/// Makes batches and checkpoints of one log.
#[derive(Clone)]
pub struct BatchBuilder {
    reader: LogReader,
    hashes: Arc<HashFile>,
    origin: String,
    key: Arc<SigningKey>,
}

impl BatchBuilder {
    /// A builder over a log, signing as `origin`.
    #[must_use]
    pub fn new(reader: LogReader, hashes: Arc<HashFile>, origin: String, key: Arc<SigningKey>) -> Self {
        Self { reader, hashes, origin, key }
    }

    /// The signed checkpoint at `size`.
    ///
    /// # Errors
    /// [`BatchFault`] if the log is shorter.
    pub fn checkpoint(&self, size: u64) -> Result<String, BatchFault> {
        let root = self.root_at(size).ok_or(BatchFault::Missing(size))?;
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root, roll: None };
        Ok(checkpoint.sign(self.key.as_ref())?.note().to_string())
    }

    /// The next batch from `from`: a frame that is a batch already goes as it is, single entries are
    /// gathered up to the aim.
    ///
    /// # Errors
    /// [`BatchFault`] if the log cannot be read there.
    pub fn batch(&self, from: u64) -> Result<OutBatch, BatchFault> {
        let mut plain = Vec::new();
        let mut count = 0u32;
        let mut ready = None;
        for frame in self.reader.clone().scan(Sequence(from)) {
            let (_, frame) = frame?;
            match Payload::parse(&frame.payload)? {
                Payload::Batch(packed) if count == 0 && frame.first.0 == from => {
                    ready = Some((frame.count, frame.payload.slice_ref(packed)));
                    break;
                }
                Payload::Batch(packed) => {
                    // Reached from inside, or behind single entries: only its part from `from` on counts.
                    if count > 0 {
                        break;
                    }
                    let opened = batch::unpack(packed)?;
                    let skip = usize::try_from(from - frame.first.0).unwrap_or(usize::MAX);
                    for entry in batch::entries(&opened)?.into_iter().skip(skip) {
                        gather(&mut plain, &mut count, entry);
                    }
                    break;
                }
                Payload::Entry(entry) | Payload::Accepted { entry, .. } => {
                    gather(&mut plain, &mut count, entry);
                }
            }
            if count as usize >= limits::BATCH_ENTRIES_AIM || plain.len() >= limits::BATCH_BYTES_AIM {
                break;
            }
        }
        let (count, packed) = match ready {
            Some(ready) => ready,
            None if count == 0 => return Err(BatchFault::Missing(from)),
            None => (count, Bytes::from(batch::pack_plain(&plain)?)),
        };
        let checkpoint = self.checkpoint(from + u64::from(count))?;
        Ok(OutBatch { first: from, count, packed, checkpoint })
    }
}

fn gather(plain: &mut Vec<u8>, count: &mut u32, entry: &[u8]) {
    plain.extend_from_slice(&u32::try_from(entry.len()).unwrap_or(u32::MAX).to_be_bytes());
    plain.extend_from_slice(entry);
    *count += 1;
}

impl Roots for BatchBuilder {
    fn root_at(&self, size: u64) -> Option<Digest> {
        root_at(self.hashes.as_ref(), size)
    }
}
