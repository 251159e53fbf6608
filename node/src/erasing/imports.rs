//! The sheets that had brought what was erased: the officer's own files, which only the officer may throw away.

use std::io;
use std::path::{Path, PathBuf};

use lienthong_proto::batch;
use lienthong_proto::entry::{Entry, EntryKind, header_of};
use lienthong_proto::erasure::Erasure;
use lienthong_proto::event::Event;
use lienthong_proto::ids::{Dot, ReplicaId, Sequence};
use lienthong_proto::value::Value;

use super::Erasures;
use crate::capture;
use crate::dataset::Payload;
use crate::log::LogReader;

/// The ending of the report the inbox writes beside a sheet.
const REPORT: &str = ".bao-cao.xlsx";

/// SHA-256 of the files whose import wrote what an erasure takes: the first import of its type behind each change.
pub(super) fn imports(reader: &LogReader, replica: ReplicaId, erasure: &Erasure) -> Vec<String> {
    let own = erasure.entries.iter().map(|erased| erased.dot).filter(|dot| dot.replica == replica);
    let mut dots: Vec<Dot> = own.collect();
    dots.sort_unstable();
    let Some(first) = dots.first() else { return Vec::new() };
    let (mut found, mut open) = (Vec::new(), false);
    for frame in reader.clone().scan(first.sequence) {
        let Ok((_, frame)) = frame else { break };
        let plain;
        let entries = match Payload::parse(&frame.payload) {
            Ok(Payload::Entry(entry)) => vec![entry],
            Ok(Payload::Batch(packed)) => {
                let Ok(opened) = batch::unpack(packed) else { continue };
                plain = opened;
                batch::entries(&plain).unwrap_or_default()
            }
            _ => continue,
        };
        for bytes in entries {
            match header_of(bytes) {
                Ok(header) if header.kind == EntryKind::Change => {
                    open |= dots.binary_search(&header.dot).is_ok();
                }
                Ok(header) if open && header.kind == EntryKind::Event => {
                    let Ok(event) = Entry::decode(bytes).and_then(|entry| Event::of(&entry)) else {
                        continue;
                    };
                    let of_type =
                        event.fields.get("type") == Some(&Value::Text(erasure.order.record_type.clone()));
                    if let (true, "import", Some(Value::Text(sha256))) =
                        (of_type, event.kind.as_str(), event.fields.get("sha256"))
                    {
                        found.push(sha256.clone());
                        open = false;
                    }
                }
                _ => {}
            }
        }
        let behind = Sequence(frame.first.0 + u64::from(frame.count));
        if !open && dots.last().is_some_and(|last| last.sequence < behind) {
            break;
        }
    }
    found
}

/// The files below a folder that had brought what was erased. The reports this program laid beside them are removed:
/// they copy the sheet.
///
/// # Errors
/// The operating system's.
pub fn sheets_in(folder: &Path, erasures: &Erasures) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if !erasures.iter().any(|(kept, _)| !kept.imports.is_empty()) {
        return Ok(found);
    }
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(hash) = capture::hash(&path).map(hex::encode) else { continue };
            if !erasures.iter().any(|(kept, _)| kept.imports.contains(&hash)) {
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            match std::fs::remove_file(path.with_file_name(format!("{name}{REPORT}"))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => found.push(path),
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
