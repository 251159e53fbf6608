//! Batches: consecutive entries of one replica, compressed once, where they are made.

use std::cell::RefCell;

use crate::bytes::Malformed;
use crate::limits;

/// The zstd level of batches: past it a record costs more time than bytes.
const LEVEL: i32 = 3;

thread_local! {
    /// Making one costs more than unpacking a batch of one record.
    static UNPACKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Why a batch cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// Not zstd, cut, a window or size beyond the limit.
    #[error("the batch does not decompress within its limits")]
    Compression(#[source] std::io::Error),
    /// The entries inside are not framed as they must be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Packs entries: u32 length and bytes of each, compressed together.
///
/// # Errors
/// [`BatchError::Compression`] if the library fails.
pub fn pack<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, BatchError> {
    let mut plain = Vec::with_capacity(limits::BATCH_BYTES_AIM);
    for entry in entries {
        plain.extend_from_slice(&u32::try_from(entry.len()).unwrap_or(u32::MAX).to_be_bytes());
        plain.extend_from_slice(entry);
    }
    pack_plain(&plain)
}

/// Compresses entries that are framed already (u32 length, bytes).
///
/// # Errors
/// [`BatchError::Compression`] if the library fails.
pub fn pack_plain(plain: &[u8]) -> Result<Vec<u8>, BatchError> {
    zstd::bulk::compress(plain, LEVEL).map_err(BatchError::Compression)
}

/// Opens a batch: its plain bytes, at most [`limits::BATCH_BYTES_MAX`].
///
/// # Errors
/// [`BatchError::Compression`] for a bomb, a window beyond 1 MiB, or bytes that are not zstd.
pub fn unpack(packed: &[u8]) -> Result<Vec<u8>, BatchError> {
    let declared = zstd::bulk::Decompressor::upper_bound(packed).unwrap_or(limits::BATCH_BYTES_MAX);
    let capacity = declared.min(limits::BATCH_BYTES_MAX);
    let unpacked = UNPACKER.with_borrow_mut(|kept| {
        let inner = match kept {
            Some(inner) => inner,
            None => {
                let mut inner = zstd::bulk::Decompressor::new()?;
                inner.window_log_max(limits::ZSTD_WINDOW_LOG_MAX)?;
                kept.insert(inner)
            }
        };
        inner.decompress(packed, capacity)
    });
    unpacked.map_err(BatchError::Compression)
}

/// The entries of a batch's plain bytes, in order.
///
/// # Errors
/// [`Malformed`] if the frames do not fill the bytes exactly or are more than
/// [`limits::BATCH_ENTRIES_MAX`].
pub fn entries(plain: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let mut input = crate::bytes::Reader::new(plain);
    let mut found = Vec::new();
    while !input.is_empty() {
        if found.len() == limits::BATCH_ENTRIES_MAX {
            return Err(Malformed("too many entries in a batch"));
        }
        let length = usize::try_from(input.u32()?).map_err(|_| Malformed("entry length"))?;
        if length > limits::REDACTED_BYTES_MAX {
            return Err(Malformed("entry is too large"));
        }
        found.push(input.take(length)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_in_order() {
        let packed = pack([&b"one"[..], b"", b"three"]).unwrap();
        let plain = unpack(&packed).unwrap();
        assert_eq!(entries(&plain).unwrap(), [&b"one"[..], b"", b"three"]);
    }

    #[test]
    fn p10_a_bomb_is_refused_without_being_held() {
        let bomb = zstd::bulk::compress(&vec![0; 64 * 1024 * 1024], 3).unwrap();
        assert!(unpack(&bomb).is_err());
    }

    #[test]
    fn a_cut_batch_is_refused() {
        let packed = pack([&b"some entry"[..]]).unwrap();
        assert!(unpack(&packed[..packed.len() - 1]).is_err());
        assert!(unpack(&packed).is_ok(), "and the next is as before");
        assert!(entries(&[0, 0, 0, 9, 1]).is_err());
    }
}
