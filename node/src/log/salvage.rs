//! Reading what is still whole of a damaged log.

use std::io;
use std::path::Path;

use bytes::Bytes;
use lienthong_proto::ids::Sequence;

use super::Frame;
use super::frame::{FRAME_HEADER, FrameHeader, SEGMENT_HEADER, SegmentHeader};
use super::seal::SegmentSeal;
use crate::at_rest::KeyRing;

/// Visits every frame of a log whose checksum holds and which opens if it is sealed, in file order, and skips what is
/// damaged; returns how many damaged stretches were skipped. A sealed segment whose header is damaged is one. Nothing on
/// disk changes.
///
/// # Errors
/// The operating system's, if a file cannot be read, or [`io::ErrorKind::PermissionDenied`] if a key is missing.
pub fn salvage(dir: &Path, keys: &KeyRing, visit: &mut dyn FnMut(Frame)) -> io::Result<u64> {
    let mut segments: Vec<_> = std::fs::read_dir(dir)?
        .flatten()
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    segments.sort();
    let mut skipped = 0;
    for path in segments {
        let bytes = Bytes::from(std::fs::read(path)?);
        let header = SegmentHeader::decode(&bytes);
        let seal = header.map_or(Ok(None), |header| SegmentSeal::of(&header, keys));
        let seal = seal.map_err(|key| io::Error::new(io::ErrorKind::PermissionDenied, key))?;
        let (start, tag) = header.map_or((SEGMENT_HEADER, 0), |it| (it.length(), it.tag_length()));
        let mut at = start.min(bytes.len());
        let mut whole = true;
        while at < bytes.len() {
            match whole_frame(&bytes, at, tag, seal.as_ref()) {
                Some(frame) => {
                    at += FRAME_HEADER + frame.payload.len() + tag;
                    visit(frame);
                    whole = true;
                }
                None => {
                    skipped += u64::from(whole);
                    whole = false;
                    at += 1;
                }
            }
        }
    }
    Ok(skipped)
}

/// The frame that begins at a byte, if one does.
fn whole_frame(bytes: &Bytes, at: usize, tag: usize, seal: Option<&SegmentSeal>) -> Option<Frame> {
    let header = FrameHeader::decode(bytes.get(at..)?)?;
    let start = at + FRAME_HEADER;
    let stored = start..start + header.length + tag;
    if !header.holds(bytes.get(stored.clone())?) {
        return None;
    }
    let payload = match seal {
        None => bytes.slice(stored),
        Some(seal) => {
            let mut payload = bytes.get(stored)?.to_vec();
            if !seal.open(at as u64, header, &mut payload) {
                return None;
            }
            payload.truncate(header.length);
            Bytes::from(payload)
        }
    };
    Some(Frame { first: Sequence(header.first), count: header.count, payload })
}
