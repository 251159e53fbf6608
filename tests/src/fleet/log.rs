//! One unit's log, made ahead: batches in a file, signed and packed as a node signs and packs them.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use lienthong_node::app::system_clock;
use lienthong_node::capture::{self, RawCell};
use lienthong_node::identity::NodeIdentity;
use lienthong_node::replica::Head;
use lienthong_node::sync::Roots;
use lienthong_proto::batch;
use lienthong_proto::catalogue::{Catalogue, KeyScope, RecordType};
use lienthong_proto::change::{Change, Context, Meta, Write, path, record_id};
use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{Dot, RecordId, Sequence, UnitCode};
use lienthong_proto::limits::{BATCH_BYTES_AIM, BATCH_ENTRIES_AIM};
use lienthong_proto::merkle::Frontier;
use lienthong_proto::rules::{JudgeContext, UnitScope, judge_row};
use lienthong_proto::time::HlcClock;
use lienthong_proto::value::Value;
use lienthong_proto::wire::sync as wire;
use parking_lot::Mutex;
use prost::Message as _;
use serde_json::Value as Json;

/// Makes a unit's records into changes, as its node would: judged, with their ids, what is new stated for the first time.
pub struct Author<'a> {
    catalogue: &'a Catalogue,
    declared: &'a RecordType,
}

impl<'a> Author<'a> {
    /// Of records of a type.
    ///
    /// # Errors
    /// If the catalogue has no such type.
    pub fn of(catalogue: &'a Catalogue, record_type: &str) -> anyhow::Result<Self> {
        let declared = catalogue.record_type(record_type).context("no such type")?;
        Ok(Self { catalogue, declared })
    }

    /// Record and writes of each of these.
    ///
    /// # Errors
    /// If a record is not a good one.
    pub fn composed(
        &self,
        (unit, provincial_key): (&UnitCode, &[u8]),
        records: Vec<Json>,
    ) -> anyhow::Result<Vec<(RecordId, Vec<Write>)>> {
        let (declared, count) = (self.declared, records.len());
        let today = system_clock().day();
        let context = JudgeContext { catalogue: self.catalogue, today, scope: UnitScope::Own(unit.clone()) };
        let mut judge = |t: &RecordType, cells: &[(String, RawCell)]| judge_row(t, cells, &context);
        let (mut composed, mut faults) = (Vec::with_capacity(count), Vec::new());
        capture::read_json_values(records, declared, &mut judge, &mut |row| {
            faults.extend(row.judgement.errors);
            let mut values = row.judgement.values;
            if let Some(field) = &declared.unit_field {
                values.entry(field.clone()).or_insert_with(|| Value::Unit(unit.clone()));
            }
            let key: Vec<String> = declared
                .key
                .fields
                .iter()
                .filter_map(|field| values.get(field).map(Value::to_text))
                .collect();
            let scope = (declared.key.scope == KeyScope::Unit).then_some(unit);
            let record = record_id(provincial_key, &declared.name, scope, &key);
            values.insert(path::UNIT.to_owned(), Value::Unit(unit.clone()));
            let write = |(path, value)| Write { path, value, context: Context::default() };
            composed.push((record, values.into_iter().map(write).collect()));
        });
        ensure!(faults.is_empty() && composed.len() == count, "{faults:?}");
        Ok(composed)
    }
}

/// Where a batch stands in the file.
#[derive(Debug, Clone, Copy)]
struct Place {
    first: u64,
    offset: u64,
    length: usize,
}

/// A unit's log: what was made of it and not acknowledged lies in a file, of the rest only the tree's edge is known.
pub struct StoredLog {
    identity: Arc<NodeIdentity>,
    path: PathBuf,
    frontier: Frontier,
    clock: HlcClock,
    places: VecDeque<Place>,
    /// Of the log at each batch's end.
    roots: BTreeMap<u64, Digest>,
}

impl std::fmt::Debug for StoredLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredLog").field("size", &self.frontier.size()).finish_non_exhaustive()
    }
}

/// Entries as they are gathered for a batch.
#[derive(Default)]
struct Gathered {
    plain: Vec<u8>,
    count: u32,
}

impl StoredLog {
    /// An empty one; what is made of it will lie in `folder`.
    #[must_use]
    pub fn new(identity: Arc<NodeIdentity>, folder: &Path) -> Self {
        let frontier = Frontier::new();
        let roots = BTreeMap::from([(0, frontier.root())]);
        let (clock, places) = (HlcClock::default(), VecDeque::new());
        Self { identity, path: folder.join("batches"), frontier, clock, places, roots }
    }

    /// Size and root.
    #[must_use]
    pub fn head(&self) -> Head {
        Head { size: self.frontier.size(), root: self.frontier.root() }
    }

    /// The signed checkpoint of a head it has or had.
    ///
    /// # Errors
    /// If the log's name is none.
    pub fn checkpoint(&self, Head { size, root }: Head) -> anyhow::Result<String> {
        let checkpoint = Checkpoint { origin: self.identity.origin(), size, root, roll: None };
        Ok(checkpoint.sign(self.identity.log_key().as_ref())?.note().to_string())
    }

    /// Makes `count` records of an endless source the log's next entries, in batches; the ones before must be
    /// acknowledged.
    ///
    /// # Errors
    /// If a record is not a good one, or the file cannot be written.
    pub fn write(
        &mut self,
        author: &Author<'_>,
        source: &mut (dyn Iterator<Item = Json> + Send),
        count: usize,
    ) -> anyhow::Result<()> {
        self.places.clear();
        let first = self.frontier.size();
        self.roots.retain(|size, _| *size == first);
        let mut file = BufWriter::new(File::create(&self.path).context("the file of batches")?);
        let (mut offset, mut gathered, mut left) = (0, Gathered::default(), count);
        while left > 0 {
            let some = left.min(BATCH_ENTRIES_AIM);
            left -= some;
            let records = source.take(some).collect();
            let whose = (self.identity.unit(), self.identity.provincial_key().as_ref());
            for (record, writes) in author.composed(whose, records)? {
                self.push(author.declared, record, writes, author.catalogue, &mut gathered)?;
                if gathered.count as usize >= BATCH_ENTRIES_AIM || gathered.plain.len() >= BATCH_BYTES_AIM {
                    self.end_batch(std::mem::take(&mut gathered), &mut file, &mut offset)?;
                }
            }
        }
        if gathered.count > 0 {
            self.end_batch(gathered, &mut file, &mut offset)?;
        }
        file.flush()?;
        Ok(())
    }

    fn push(
        &mut self,
        declared: &RecordType,
        record: RecordId,
        writes: Vec<Write>,
        catalogue: &Catalogue,
        gathered: &mut Gathered,
    ) -> anyhow::Result<()> {
        let number = self.frontier.size();
        let hlc = self.clock.tick(system_clock());
        let digest = catalogue.digest().first_chunk().copied().unwrap_or_default();
        let change = Change {
            dot: Dot { replica: self.identity.replica(), sequence: Sequence(number) },
            record,
            record_type: declared.name.clone(),
            year: 2026,
            number,
            meta: Meta { hlc, author: "load".to_owned(), catalogue: digest },
            origin: None,
            writes,
        };
        let (bytes, leaf) = change.build(&rand::random())?;
        self.frontier.push(leaf);
        gathered.plain.extend_from_slice(&u32::try_from(bytes.len())?.to_be_bytes());
        gathered.plain.extend_from_slice(&bytes);
        gathered.count += 1;
        Ok(())
    }

    fn end_batch(
        &mut self,
        gathered: Gathered,
        file: &mut impl std::io::Write,
        offset: &mut u64,
    ) -> anyhow::Result<()> {
        let Gathered { plain, count } = gathered;
        let first = self.frontier.size() - u64::from(count);
        let (packed, checkpoint) = (batch::pack_plain(&plain)?.into(), self.checkpoint(self.head())?);
        let bytes = wire::Batch { first, count, packed, checkpoint }.encode_to_vec();
        file.write_all(&bytes)?;
        self.places.push_back(Place { first, offset: *offset, length: bytes.len() });
        *offset += bytes.len() as u64;
        self.roots.insert(self.frontier.size(), self.frontier.root());
        Ok(())
    }

    /// The batch that begins at a place.
    ///
    /// # Errors
    /// If none does, or the file cannot be read.
    pub fn batch(&self, from: u64) -> anyhow::Result<wire::Batch> {
        let at = self.places.binary_search_by_key(&from, |place| place.first);
        let place = at.ok().and_then(|at| self.places.get(at)).context("no batch begins there")?;
        let mut bytes = vec![0; place.length];
        File::open(&self.path)?.read_exact_at(&mut bytes, place.offset)?;
        Ok(wire::Batch::decode(&bytes[..])?)
    }
}

/// The log as the client's decisions look at it.
#[derive(Debug, Clone)]
pub(super) struct Shared(pub(super) Arc<Mutex<StoredLog>>);

impl Roots for Shared {
    fn root_at(&self, size: u64) -> Option<Digest> {
        self.0.lock().roots.get(&size).copied()
    }
}
