//! Reading what is still whole of a damaged log.

use std::io;
use std::path::Path;

use bytes::Bytes;
use lienthong_proto::ids::Sequence;

use super::Frame;
use super::frame::{FRAME_HEADER, FrameHeader, SEGMENT_HEADER};

/// Visits every frame of a log whose checksum holds, in file order, and skips what is damaged; returns how
/// many damaged stretches were skipped. Nothing on disk changes.
///
/// # Errors
/// The operating system's, if a file cannot be read.
pub fn salvage(dir: &Path, visit: &mut dyn FnMut(Frame)) -> io::Result<u64> {
    let mut segments: Vec<_> = std::fs::read_dir(dir)?
        .flatten()
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    segments.sort();
    let mut skipped = 0;
    for path in segments {
        let bytes = Bytes::from(std::fs::read(path)?);
        let mut at = SEGMENT_HEADER.min(bytes.len());
        let mut whole = true;
        while at < bytes.len() {
            let tail = bytes.slice(at..);
            match FrameHeader::decode(&tail) {
                Some(header)
                    if tail
                        .get(FRAME_HEADER..FRAME_HEADER + header.length)
                        .is_some_and(|payload| header.holds(payload)) =>
                {
                    let payload = tail.slice(FRAME_HEADER..FRAME_HEADER + header.length);
                    visit(Frame { first: Sequence(header.first), count: header.count, payload });
                    at += FRAME_HEADER + header.length;
                    whole = true;
                }
                _ => {
                    skipped += u64::from(whole);
                    whole = false;
                    at += 1;
                }
            }
        }
    }
    Ok(skipped)
}
