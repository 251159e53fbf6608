//! Marks and probes in the view.

use lienthong_proto::ids::RecordId;
use lienthong_proto::quality::{Index, Mark};

use crate::dataset::Key;
use crate::store::{Keyspace, View, ViewError};

/// Who publishes which mark, as the view has it but for one record, of which it is known better.
pub(super) struct ViewIndex<'a> {
    pub(super) view: &'a dyn View,
    /// The record being written, and the marks it will publish.
    pub(super) own: Option<(Key, Vec<Mark>)>,
}

impl ViewIndex<'_> {
    fn visit(&self, mark: &Mark, visit: &mut dyn FnMut(&Key) -> bool) -> Result<(), ViewError> {
        if let Some((key, marks)) = &self.own
            && marks.contains(mark)
            && !visit(key)
        {
            return Ok(());
        }
        let own = self.own.as_ref().map(|(key, _)| key);
        keys_of(self.view, Keyspace::Mark, mark, &mut |key| Some(key) == own || visit(key))
    }
}

impl Index for ViewIndex<'_> {
    type Error = ViewError;

    fn count(&self, mark: &Mark, enough: u64) -> Result<u64, ViewError> {
        let mut count = 0;
        self.visit(mark, &mut |_| {
            count += 1;
            count < enough
        })?;
        Ok(count)
    }

    fn members(&self, mark: &Mark, limit: usize) -> Result<Vec<RecordId>, ViewError> {
        let mut members = Vec::new();
        self.visit(mark, &mut |key| {
            members.extend(key.get(4..).and_then(RecordId::from_slice));
            members.len() < limit
        })?;
        members.sort_unstable();
        Ok(members)
    }
}

/// The place of those among a mark's records that only ask whether it has any, or more than one: where that does not
/// change, they need not be gone through, however many they are.
pub(super) fn plain(mark: &Mark) -> Mark {
    let mut plain = *mark;
    if let Some(last) = plain.0.last_mut() {
        *last ^= 1;
    }
    plain
}

/// Visits the records under a mark.
pub(super) fn keys_of(
    view: &dyn View,
    keyspace: Keyspace,
    mark: &Mark,
    visit: &mut dyn FnMut(&Key) -> bool,
) -> Result<(), ViewError> {
    view.scan_prefix(keyspace, &mark.0, &mut |found, _| {
        found.get(16..).and_then(|key| Key::try_from(key).ok()).is_none_or(|key| visit(&key))
    })
}

/// The place of a record under a mark.
pub(super) fn marked(mark: &Mark, key: &Key) -> Vec<u8> {
    [&mark.0[..], &key[..]].concat()
}
