//! Looking for values in every byte of a data folder, also in the packed frames of logs, and behind the usual wrappings.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot look has failed"
)]

use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use lienthong_node::at_rest::KeyRing;
use lienthong_node::dataset::Payload;
use lienthong_node::log::{LogReader, open_read_only};
use lienthong_proto::batch;
use lienthong_proto::bytes::Reader;
use lienthong_proto::entry::Entry;
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::value::Value;

/// The files below a folder in which a value stands, and the logs' frames that hold it.
#[must_use]
pub fn found(folder: &Path, value: &str) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let mut is_log = false;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                is_log |= path.extension().is_some_and(|end| end == "seg");
                let bytes = std::fs::read(&path).unwrap();
                found.extend(holds(&bytes, value).then(|| path.display().to_string()));
            }
        }
        if is_log {
            found.extend(in_log(&folder, value));
        }
    }
    found
}

fn holds(bytes: &[u8], value: &str) -> bool {
    bytes.windows(value.len()).any(|window| window == value.as_bytes())
}

/// What stands in a folder: every file's bytes, what is wrapped in them, and every entry of the logs that are not sealed.
pub fn walk(folder: &Path, look: &mut dyn FnMut(&Path, &[u8])) {
    let mut is_log = false;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, look);
        } else if path.is_file() {
            is_log |= path.extension().is_some_and(|end| end == "seg");
            let bytes = std::fs::read(&path).unwrap();
            unwrapped(&bytes).iter().for_each(|bytes| look(&path, bytes));
        }
    }
    if is_log {
        look(folder, &log_of(folder).map(|reader| in_clear(&reader)).unwrap_or_default());
    }
}

/// These bytes, and what stands in them in base64, in hexadecimal, or deflated in an archive.
#[must_use]
pub fn unwrapped(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![bytes.to_vec()];
    let wrapped = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte);
    for run in bytes.split(|byte| !wrapped(byte)).filter(|run| run.len() >= 16) {
        let bare: Vec<u8> = run.iter().copied().filter(|byte| *byte != b'=').collect();
        // A run may begin anywhere in what was encoded.
        for from in 0..4.min(bare.len()) {
            let whole = &bare[from..bare.len() - (bare.len() - from) % 4];
            all.extend(STANDARD.decode(whole).ok());
            all.extend(URL_SAFE_NO_PAD.decode(whole).ok());
        }
        all.extend(hex::decode(run).ok());
    }
    if let Ok(mut archive) = zip::ZipArchive::new(std::io::Cursor::new(bytes)) {
        for number in 0..archive.len() {
            let mut inflated = Vec::new();
            archive.by_index(number).unwrap().read_to_end(&mut inflated).unwrap();
            all.push(inflated);
        }
    }
    all
}

/// Every entry of a log, its batches unpacked: as it is written, and its values as people write them.
#[must_use]
pub fn in_clear(reader: &LogReader) -> Vec<u8> {
    let mut all = Vec::new();
    let mut take = |bytes: &[u8]| all.extend(legible(bytes));
    for frame in reader.clone().scan(Sequence(0)) {
        let (_, frame) = frame.unwrap();
        let (entry, packed) = match Payload::parse(&frame.payload).unwrap() {
            Payload::Entry(entry) => (Some(entry), None),
            Payload::Batch(packed) => (None, Some(packed)),
            Payload::Accepted { entry, packed } => (Some(entry), Some(packed)),
        };
        entry.into_iter().for_each(&mut take);
        let plain = packed.map(|packed| batch::unpack(packed).unwrap()).unwrap_or_default();
        batch::entries(&plain).unwrap().into_iter().for_each(&mut take);
    }
    all
}

/// An entry as it is written, and its values as people write them.
#[must_use]
pub fn legible(entry: &[u8]) -> Vec<u8> {
    let mut all = entry.to_vec();
    let Ok(entry) = Entry::decode(entry) else { return all };
    for (_, content) in entry.opened() {
        if let Ok(value) = Value::decode(&mut Reader::new(content)) {
            all.extend_from_slice(b"\n");
            all.extend_from_slice(value.to_text().as_bytes());
        }
    }
    all
}

fn log_of(dir: &Path) -> Option<LogReader> {
    let header = std::fs::read(dir.join("00000000.seg")).ok()?;
    let replica = ReplicaId::from_slice(&header[8..24])?;
    open_read_only(dir, replica, &KeyRing::default()).ok()
}

fn in_log(dir: &Path, value: &str) -> Vec<String> {
    let reader = log_of(dir).unwrap();
    let mut found = Vec::new();
    for frame in reader.scan(Sequence(0)) {
        let (_, frame) = frame.unwrap();
        let packed = match Payload::parse(&frame.payload).unwrap() {
            Payload::Entry(_) => continue,
            Payload::Batch(packed) | Payload::Accepted { packed, .. } => packed,
        };
        if holds(&batch::unpack(packed).unwrap(), value) {
            found.push(format!("{}: entry {}", dir.display(), frame.first));
        }
    }
    found
}

/// Writes a file that must be there afterwards.
#[must_use]
pub fn written(path: PathBuf, text: &str) -> String {
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
