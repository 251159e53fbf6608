//! What a power cut leaves of a folder: made from its former state and from what a program did to it.
//!
//! By the rule that POSIX guarantees and nothing beyond it: bytes and length of a file are there once a sync of the file that
//! began after they were written has ended; a name, once a sync of its folder has. What was not synced is lost, or, as
//! disks do, kept in part: any of its pages, and names up to any point. What a sync should have kept of a file and failed
//! is gone, for a later one does not try it again.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rand::Rng as _;
use rand::rngs::StdRng;

use super::journal::{Call, Did};

const PAGE: usize = 4_096;

/// A folder as a disk has it.
#[derive(Debug)]
pub struct Image {
    folder: PathBuf,
    things: Vec<Thing>,
    by_inode: HashMap<u64, usize>,
    /// Which call each sync that has not ended began as.
    syncs: HashMap<u64, u64>,
    /// Calls taken in.
    calls: u64,
}

#[derive(Debug)]
enum Thing {
    File { durable: Vec<u8>, pending: Vec<(u64, Edit)> },
    Folder { now: Names, durable: Names, pending: Vec<(u64, String, Option<usize>)> },
}

type Names = BTreeMap<String, usize>;

#[derive(Debug)]
enum Edit {
    Write { at: usize, bytes: Vec<u8> },
    Resize(usize),
}

impl Edit {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => write_at(content, *at, bytes),
            Self::Resize(length) => content.resize(*length, 0),
        }
    }

    /// As [`Edit::apply`], each page of it with that chance.
    fn apply_torn(&self, content: &mut Vec<u8>, chance: f64, random: &mut StdRng) {
        match self {
            Self::Write { at, bytes } => {
                let mut from = 0;
                while from < bytes.len() {
                    let to = (((at + from) / PAGE + 1) * PAGE - at).min(bytes.len());
                    if random.random_bool(chance) {
                        write_at(content, at + from, bytes.get(from..to).unwrap_or_default());
                    }
                    from = to;
                }
            }
            Self::Resize(_) if !random.random_bool(chance) => {}
            Self::Resize(_) => self.apply(content),
        }
    }
}

fn write_at(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(at..end) {
        place.copy_from_slice(bytes);
    }
}

impl Image {
    /// A folder as it stands, all of it durable.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(folder: &Path) -> anyhow::Result<Self> {
        let (things, by_inode, syncs) = (Vec::new(), HashMap::new(), HashMap::new());
        let mut image = Self { folder: folder.to_owned(), things, by_inode, syncs, calls: 0 };
        image.load(folder)?;
        Ok(image)
    }

    fn load(&mut self, path: &Path) -> anyhow::Result<usize> {
        let id = self.things.len();
        self.by_inode.insert(std::fs::metadata(path)?.ino(), id);
        self.things.push(folder_of(Names::new()));
        let mut names = Names::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let child = if kind.is_dir() {
                self.load(&entry.path())?
            } else if kind.is_file() {
                self.by_inode.insert(entry.metadata()?.ino(), self.things.len());
                self.things.push(Thing::File { durable: std::fs::read(entry.path())?, pending: Vec::new() });
                self.things.len() - 1
            } else {
                continue;
            };
            names.insert(entry.file_name().to_string_lossy().into_owned(), child);
        }
        if let Some(thing) = self.things.get_mut(id) {
            *thing = folder_of(names);
        }
        Ok(id)
    }

    /// Takes in what the program did next.
    ///
    /// # Errors
    /// If that does not fit what it did before, or cannot be known.
    pub fn take(&mut self, call: &Call) -> anyhow::Result<()> {
        self.calls += 1;
        self.taken(call).with_context(|| format!("{:?} of {}", call.did, call.path.display()))
    }

    fn taken(&mut self, call: &Call) -> anyhow::Result<()> {
        let number = usize::try_from(call.number)?;
        match call.did {
            Did::Create => {
                let file = Thing::File { durable: Vec::new(), pending: Vec::new() };
                self.add(call, file)?;
            }
            Did::MakeFolder => self.add(call, folder_of(Names::new()))?,
            Did::Write => self.edit(call, Edit::Write { at: number, bytes: call.data.clone() })?,
            Did::Resize => self.edit(call, Edit::Resize(number))?,
            Did::Remove => {
                let (folder, name) = self.place(&call.path)?;
                // Sockets are nobody's.
                if self.named(folder, &name).is_some() {
                    self.name(folder, &name, None);
                }
            }
            Did::Rename | Did::Link => {
                let to = PathBuf::from(std::str::from_utf8(&call.data)?);
                let ((from, old), (to, new)) = (self.place(&call.path)?, self.place(&to)?);
                let thing = self.named(from, &old).context("it is not there")?;
                if call.did == Did::Rename {
                    self.name(from, &old, None);
                }
                self.name(to, &new, Some(thing));
            }
            Did::SyncBegan => {
                self.syncs.insert(call.number, self.calls);
            }
            Did::SyncEnded => {
                let began = self.syncs.remove(&call.number).context("it never began")?;
                // What was made before the recording and is not in the folder any more.
                if let Some(id) = self.by_inode.get(&call.inode)
                    && let Some(thing) = self.things.get_mut(*id)
                {
                    thing.sync(began);
                }
            }
            Did::SyncFailed => {
                let began = self.syncs.remove(&call.number).context("it never began")?;
                if let Some(id) = self.by_inode.get(&call.inode)
                    && let Some(Thing::File { pending, .. }) = self.things.get_mut(*id)
                {
                    pending.retain(|(call, _)| *call >= began);
                }
            }
            Did::Failed | Did::Sent => {}
            Did::Mapped => bail!("what is written through memory cannot be recorded"),
        }
        Ok(())
    }

    fn add(&mut self, call: &Call, thing: Thing) -> anyhow::Result<()> {
        // The data folder itself is made by its program.
        if call.path == self.folder {
            return Ok(());
        }
        let (folder, name) = self.place(&call.path)?;
        self.by_inode.insert(call.inode, self.things.len());
        self.things.push(thing);
        self.name(folder, &name, Some(self.things.len() - 1));
        Ok(())
    }

    fn edit(&mut self, call: &Call, edit: Edit) -> anyhow::Result<()> {
        let id = self.by_inode.get(&call.inode).context("it is not known")?;
        match self.things.get_mut(*id) {
            Some(Thing::File { pending, .. }) => pending.push((self.calls, edit)),
            _ => bail!("it is no file"),
        }
        Ok(())
    }

    /// The folder of a path, and its name in it.
    fn place(&self, path: &Path) -> anyhow::Result<(usize, String)> {
        let within = path.strip_prefix(&self.folder)?;
        let name = within.file_name().context("it has no name")?.to_string_lossy().into_owned();
        let mut folder = 0;
        for part in within.parent().into_iter().flatten() {
            folder = self.named(folder, &part.to_string_lossy()).context("its folder is not there")?;
        }
        Ok((folder, name))
    }

    fn named(&self, folder: usize, name: &str) -> Option<usize> {
        match self.things.get(folder)? {
            Thing::Folder { now, .. } => now.get(name).copied(),
            Thing::File { .. } => None,
        }
    }

    fn name(&mut self, folder: usize, name: &str, thing: Option<usize>) {
        let calls = self.calls;
        if let Some(Thing::Folder { now, pending, .. }) = self.things.get_mut(folder) {
            set(now, name, thing);
            pending.push((calls, name.to_owned(), thing));
        }
    }

    /// Writes down what a power cut now would leave; with randomness, also some of what was not synced.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn cut(&self, to: &Path, torn: Option<&mut StdRng>) -> anyhow::Result<()> {
        let mut torn = torn.map(|random| {
            let oldest = self.things.iter().filter_map(Thing::oldest_name).min().unwrap_or(self.calls);
            let names = random.random_range(oldest..=self.calls);
            let chance = [0.1, 0.5, 0.9, 1.0].get(random.random_range(0..4)).copied().unwrap_or(0.5);
            Torn { names, chance, random }
        });
        self.put(0, to, &mut torn)
    }

    fn put(&self, id: usize, to: &Path, torn: &mut Option<Torn<'_>>) -> anyhow::Result<()> {
        match self.things.get(id).context("a thing")? {
            Thing::File { durable, pending } => {
                let mut content = durable.clone();
                if let Some(torn) = torn {
                    for (_, edit) in pending {
                        edit.apply_torn(&mut content, torn.chance, torn.random);
                    }
                }
                let mut options = std::fs::OpenOptions::new();
                options.create_new(true).write(true).mode(0o600).open(to)?.write_all(&content)?;
            }
            Thing::Folder { durable, pending, .. } => {
                let mut names = durable.clone();
                let kept = torn.as_ref().map_or(0, |torn| torn.names);
                for (_, name, thing) in pending.iter().filter(|(call, ..)| *call <= kept) {
                    set(&mut names, name, *thing);
                }
                std::fs::DirBuilder::new().mode(0o700).create(to)?;
                for (name, thing) in names {
                    self.put(thing, &to.join(name), torn)?;
                }
            }
        }
        Ok(())
    }
}

/// How much of what was not synced is kept.
struct Torn<'a> {
    /// Names up to this call.
    names: u64,
    /// Pages, each with this chance.
    chance: f64,
    random: &'a mut StdRng,
}

fn folder_of(names: Names) -> Thing {
    Thing::Folder { durable: names.clone(), now: names, pending: Vec::new() }
}

fn set(names: &mut Names, name: &str, thing: Option<usize>) {
    match thing {
        Some(thing) => names.insert(name.to_owned(), thing),
        None => names.remove(name),
    };
}

impl Thing {
    /// What was done before a call is durable.
    fn sync(&mut self, began: u64) {
        match self {
            Self::File { durable, pending } => {
                let kept = pending.iter().take_while(|(call, _)| *call < began).count();
                pending.drain(..kept).for_each(|(_, edit)| edit.apply(durable));
            }
            Self::Folder { durable, pending, .. } => {
                let kept = pending.iter().take_while(|(call, ..)| *call < began).count();
                pending.drain(..kept).for_each(|(_, name, thing)| set(durable, &name, thing));
            }
        }
    }

    fn oldest_name(&self) -> Option<u64> {
        match self {
            Self::Folder { pending, .. } => pending.first().map(|(call, ..)| *call),
            Self::File { .. } => None,
        }
    }
}
