//! Checks a bundle offline, and makes its records again from what it discloses: nothing is taken over as sent.

mod notice;
mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::change::Change;
use lienthong_proto::disclosure::{
    Disclosed, LINE_BYTES_MAX, Refused, Report, Trust, TrustError, Verification,
};
use lienthong_proto::ids::{Dot, RecordId};
use serde_json::{Value as Json, json};

pub use notice::notice;
pub use words::said;

use crate::backup::Identity;
use crate::dataset::{EntryAt, Record, RecordState, Source};
use crate::log::FramePosition;
use crate::sealed::{SealedError, SealedReader};

/// Bytes of a policy file.
const POLICY_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Why a bundle is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Something in it does not hold.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It does not open.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// It is sealed, and no key was given.
    #[error(
        "gói đã niêm phong: cần --key TỆP_KHÓA của cơ quan · the bundle is sealed: give --key with the agency's key file"
    )]
    KeyNeeded,
    /// The policy is refused.
    #[error("{}", lienthong_proto::text::in_both("chính sách tin cậy", "the trust policy", &.0.to_string()))]
    Trust(#[from] TrustError),
    /// A notice is not signed by a ledger to be believed.
    #[error("{}", lienthong_proto::text::in_both("thông báo không đáng tin", "the notice is not to be believed", &.0.to_string()))]
    Notice(lienthong_proto::note::NoteError),
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// A bundle that holds.
#[derive(Debug)]
pub struct Verified {
    /// What it proves.
    pub report: Report,
    /// The records, as they are made again from what is disclosed, by type.
    pub records: BTreeMap<String, Vec<Json>>,
}

/// Reads a policy.
///
/// # Errors
/// [`VerifyError`] if it cannot be read or is none.
pub fn policy(path: &Path) -> Result<Trust, VerifyError> {
    let io = |source| VerifyError::Io { path: path.display().to_string(), source };
    let mut text = String::new();
    File::open(path).map_err(io)?.take(POLICY_BYTES_MAX).read_to_string(&mut text).map_err(io)?;
    Ok(Trust::parse(&text)?)
}

/// Checks the bundle in a file, sealed to `identity` or opened already.
///
/// # Errors
/// [`VerifyError`], naming what fails.
pub fn verify(
    path: &Path,
    identity: Option<&Identity>,
    trust: &Trust,
    catalogue: &Catalogue,
) -> Result<Verified, VerifyError> {
    let io = |source| VerifyError::Io { path: path.display().to_string(), source };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let plain = file.fill_buf().map_err(io)?.first() == Some(&b'{');
    if plain {
        return checked(file, trust, catalogue).map_err(|error| unsealed(error, path));
    }
    let identity = identity.ok_or(VerifyError::KeyNeeded)?;
    let opened = BufReader::new(SealedReader::new(file, identity)?);
    checked(opened, trust, catalogue).map_err(|error| unsealed(error, path))
}

/// What stopped the reading: the seal, the disk, or the bundle itself.
enum Stopped {
    Io(io::Error),
    Refused(Refused),
}

fn unsealed(stopped: Stopped, path: &Path) -> VerifyError {
    match stopped {
        Stopped::Refused(refused) => refused.into(),
        Stopped::Io(error) => match error.downcast::<SealedError>() {
            Ok(sealed) => sealed.into(),
            Err(source) => VerifyError::Io { path: path.display().to_string(), source },
        },
    }
}

fn checked(mut input: impl BufRead, trust: &Trust, catalogue: &Catalogue) -> Result<Verified, Stopped> {
    let (mut verification, mut tables) = (Verification::new(trust), Tables::default());
    let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut line = Vec::new();
    loop {
        line.clear();
        (&mut input).take(limit).read_until(b'\n', &mut line).map_err(Stopped::Io)?;
        if line.is_empty() {
            break;
        }
        // Without its newline the line is cut off, and refused as such by its own form or by what is missing behind it.
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = String::from_utf8_lossy(text);
        if let Some(disclosed) = verification.line(&text).map_err(Stopped::Refused)? {
            tables.take(disclosed);
        }
    }
    let report = verification.finish().map_err(Stopped::Refused)?;
    Ok(Verified { report, records: tables.records(catalogue) })
}

/// What is known of a record.
#[derive(Debug, Default)]
struct Rederived {
    state: RecordState,
    changes: HashMap<Dot, Change>,
    sources: BTreeMap<Dot, Json>,
    withheld: BTreeSet<String>,
    refers: BTreeMap<String, BTreeSet<RecordId>>,
}

/// The records, as they grow out of what is disclosed.
#[derive(Debug, Default)]
struct Tables(BTreeMap<(String, RecordId), Rederived>);

impl Tables {
    fn take(&mut self, disclosed: Disclosed) {
        let Disclosed { change, unit, effective, accepted, proposal, withheld, refers } = disclosed;
        let key = (change.record_type.clone(), change.record);
        let record = self.0.entry(key).or_default();
        // Nothing is read back from a log: the values stand beside.
        let place = EntryAt { frame: FramePosition { segment: 0, offset: 0 }, index: 0 };
        let source = Source { effective, ..Source::accepted(&change, &unit, accepted, proposal, place) };
        record.state.apply(&change, source);
        let said = json!({
            "replica": change.dot.replica, "sequence": change.dot.sequence, "unit": unit,
            "author": change.meta.author, "written": change.meta.hlc.at().rfc3339(),
            "accepted": accepted.rfc3339(), "proposal": proposal,
        });
        record.sources.insert(change.dot, said);
        record.withheld.extend(withheld);
        for (field, id) in refers {
            record.refers.entry(field).or_default().insert(id);
        }
        record.changes.insert(change.dot, change);
    }

    fn records(self, catalogue: &Catalogue) -> BTreeMap<String, Vec<Json>> {
        let mut tables: BTreeMap<String, Vec<Json>> = BTreeMap::new();
        for ((record_type, id), record) in self.0 {
            let Rederived { state, mut changes, sources, withheld, refers } = record;
            changes.retain(|dot, _| state.sources.contains_key(dot));
            let mut line = Record::of(catalogue, &record_type, id, &state, changes).to_json();
            if let Some(fields) = line.as_object_mut() {
                fields.remove("defects");
                fields.insert("sources".to_owned(), sources.into_values().collect());
                fields.insert("withheld".to_owned(), json!(withheld));
                fields.insert("refers".to_owned(), json!(refers));
            }
            tables.entry(record_type).or_default().push(line);
        }
        tables
    }
}
