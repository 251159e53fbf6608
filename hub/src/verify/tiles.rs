//! The hash tiles beside the log, held against the leaves derived.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::Path;

use lienthong_proto::hash::Digest;
use lienthong_proto::merkle::Frontier;

use super::Differs;

const FAN: u64 = 256;

/// One level's file, read along with the leaves.
struct Level {
    name: String,
    file: Option<BufReader<File>>,
    next: u64,
    /// Hashes since the last that makes one above.
    group: Frontier,
}

/// All levels.
pub(super) struct Tiles(Vec<Level>);

impl Level {
    /// Holds the next hash against the file; one that is not there yet is written at the next start.
    fn take(&mut self, hash: &Digest) -> Result<Option<Digest>, Differs> {
        let mut stored = [0; 32];
        let read = self.file.as_mut().map(|file| file.read_exact(&mut stored));
        let object = || format!("{} hash {}", self.name, self.next);
        match read {
            Some(Ok(())) if stored != *hash => {
                return Err(Differs::at(object(), "another hash than its entries have"));
            }
            Some(Err(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(Differs::at(object(), error));
            }
            Some(Err(_)) => self.file = None,
            _ => {}
        }
        self.next += 1;
        self.group.push(*hash);
        Ok((self.group.size() == FAN).then(|| std::mem::take(&mut self.group).root()))
    }
}

impl Tiles {
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let level = |level: usize| {
            let name = format!("log/hashes.{level}");
            let file = match File::open(dir.join(format!("hashes.{level}"))) {
                Ok(file) => Some(BufReader::new(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            Ok(Level { name, file, next: 0, group: Frontier::new() })
        };
        (0..3).map(level).collect::<io::Result<_>>().map(Self)
    }

    pub(super) fn leaf(&mut self, leaf: Digest) -> Result<(), Differs> {
        let mut hash = Some(leaf);
        for level in &mut self.0 {
            let Some(below) = hash else { break };
            hash = level.take(&below)?;
        }
        Ok(())
    }
}
