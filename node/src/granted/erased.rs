//! What an order took, at an agency: gone from every view of it.
//!
//! A view under a grant in force is handed anew by the hub, and what it was before goes with its generation. Under one that
//! is over nothing is handed over any more, and while too few witnesses sign nothing is for now; a delivery is evidence as a
//! whole: the view goes, and the notice that says why stays in its place, until there is one again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lienthong_proto::disclosure::ErasureNotice;
use lienthong_proto::hash::sha256;
use lienthong_proto::ids::ReplicaId;

use super::view::View;
use super::{TakeError, Views};

/// How the file of a notice ends.
const NOTICE: &str = "notice";

impl Views {
    /// Takes a notice: when this returns, nothing of what it names is on this disk.
    ///
    /// # Errors
    /// [`TakeError`] if the ledger has not signed it, if it is another's, or if the disk fails.
    pub fn erased(&self, grant: u64, notice: &[u8]) -> Result<(), TakeError> {
        let mut inner = self.inner.lock();
        let key = |origin: &str| inner.trust.log(origin).map(|log| *log.key());
        let said = ErasureNotice::verify(notice, key)?;
        if said.grant != grant || said.agency != *self.identity.unit() {
            return Err(TakeError::Other);
        }
        let all = self.data.join("granted");
        // Nobody can say what is in them, and nobody reads them.
        remove_aside(&all, inner.ledger).map_err(at(&all))?;
        let (folder, trust) = (super::views::folder(&self.data, inner.ledger, grant), inner.trust.clone());
        let known = inner.grants.entry(grant).or_default();
        let is_not_handed_anew = ["expired", "revoked", "unwitnessed"].contains(&known.state.as_str());
        if is_not_handed_anew && known.view.tables.has(&said.record_type, said.record) {
            tracing::warn!(
                grant,
                order = said.order,
                state = known.state,
                "a view that is not handed anew is removed: an order took part of it"
            );
            fs::create_dir_all(&folder).map_err(at(&folder))?;
            let path = folder.join(format!("{}.{NOTICE}", hex::encode(sha256(&[notice]).split_at(8).0)));
            crate::identity::write_private(&path, notice).map_err(at(&path))?;
            known.view.remove(&trust, &self.keys)?;
        }
        known.erased = orders(&folder);
        Ok(())
    }
}

/// The orders whose notices stand in place of a view.
pub(super) fn orders(folder: &Path) -> Vec<String> {
    let order = |path: PathBuf| {
        let text = fs::read_to_string(path).ok()?;
        let notice: ErasureNotice = serde_json::from_str(text.lines().nth(1)?).ok()?;
        Some(notice.order)
    };
    let mut orders: Vec<String> = notices(folder).filter_map(order).collect();
    orders.sort();
    orders
}

/// Removes the notices of a view that is there again.
pub(super) fn forget_orders(folder: &Path) -> io::Result<()> {
    for path in notices(folder) {
        fs::remove_file(path)?;
    }
    Ok(())
}

fn notices(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let listed = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    listed.filter(|path| path.extension().is_some_and(|end| end == NOTICE))
}

/// Removes what was set aside as damaged, what is of a former ledger, and what has come in part.
fn remove_aside(all: &Path, ledger: ReplicaId) -> io::Result<()> {
    let listed = match fs::read_dir(all) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        listed => listed?,
    };
    let own = format!("{ledger}-");
    for entry in listed {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_live = name.strip_prefix(&own).is_some_and(|number| number.parse::<u64>().is_ok());
        if !is_live {
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }?;
        }
    }
    Ok(())
}

fn at(path: &Path) -> impl Fn(io::Error) -> TakeError + '_ {
    move |source| TakeError::Io { path: path.display().to_string(), source }
}

impl View {
    /// Removes every delivery of it.
    ///
    /// # Errors
    /// [`TakeError`] if the disk fails.
    pub(super) fn remove(
        &mut self,
        trust: &lienthong_proto::disclosure::Trust,
        keys: &crate::at_rest::KeyRing,
    ) -> Result<(), TakeError> {
        let folder = self.folder().to_owned();
        for file in fs::read_dir(&folder).map_err(at(&folder))? {
            let path = file.map_err(at(&folder))?.path();
            if path.extension().is_some_and(|end| ["lines", "part"].iter().any(|known| end == *known)) {
                fs::remove_file(&path).map_err(at(&path))?;
            }
        }
        fs::File::open(&folder).and_then(|folder| folder.sync_all()).map_err(at(&folder))?;
        *self = Self::open(&folder, trust, keys)?;
        Ok(())
    }
}
