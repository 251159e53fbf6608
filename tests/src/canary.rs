//! Looking for a value in every byte of a data folder, also in the packed frames of logs.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot look has failed"
)]

use std::path::{Path, PathBuf};

use lienthong_node::at_rest::KeyRing;
use lienthong_node::dataset::Payload;
use lienthong_node::log::open_read_only;
use lienthong_proto::batch;
use lienthong_proto::ids::{ReplicaId, Sequence};

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

fn in_log(dir: &Path, value: &str) -> Vec<String> {
    let header = std::fs::read(dir.join("00000000.seg")).unwrap();
    let replica = ReplicaId::from_slice(&header[8..24]).unwrap();
    let reader = open_read_only(dir, replica, &KeyRing::default()).unwrap();
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
