//! The index over all records, as the engine sees it, and what a change of one record means for others.

use std::collections::BTreeSet;

use super::{Judgement, Mark, RuleIndex};
use crate::ids::RecordId;

/// Who publishes which mark.
pub trait Index {
    /// What can go wrong in reading it.
    type Error;

    /// How many records publish the mark; at most `enough` need be counted.
    ///
    /// # Errors
    /// The keeper's own.
    fn count(&self, mark: &Mark, enough: u64) -> Result<u64, Self::Error>;

    /// The first `limit` records that publish the mark, by id.
    ///
    /// # Errors
    /// The keeper's own.
    fn members(&self, mark: &Mark, limit: usize) -> Result<Vec<RecordId>, Self::Error>;

    /// The records that publish the mark, and where each leads by a rule that follows chains.
    ///
    /// # Errors
    /// The keeper's own.
    fn leading(&self, mark: &Mark, rule: RuleIndex) -> Result<Vec<(RecordId, Mark)>, Self::Error>;
}

/// What a keeper must change when a record's judgement changes: which marks and probes of it to add and to
/// remove, and whose defects among the others to look at again.
///
/// Add and remove `published` and `probed` under the record's id; then reassess the record itself and every
/// other record that probes a mark of [`Upkeep::changed`], unless [`super::Expect::tells_apart`] says that the
/// mark's count makes no difference to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Upkeep {
    /// Marks it publishes now and did not.
    pub published: Vec<Mark>,
    /// Marks it published and does no more.
    pub withdrawn: Vec<Mark>,
    /// Marks it probes now and did not.
    pub probed: Vec<Mark>,
    /// Marks it probed and does no more.
    pub released: Vec<Mark>,
}

impl Upkeep {
    /// From the judgement before, if the record was there, to the one after, if it still is.
    #[must_use]
    pub fn between(before: Option<&Judgement>, after: Option<&Judgement>) -> Self {
        fn published(judgement: Option<&Judgement>) -> BTreeSet<Mark> {
            judgement.into_iter().flat_map(Judgement::published).copied().collect()
        }
        fn probed(judgement: Option<&Judgement>) -> BTreeSet<Mark> {
            judgement
                .into_iter()
                .flat_map(|judgement| &judgement.probes)
                .flat_map(|p| &p.marks)
                .copied()
                .collect()
        }
        let (old, new) = (published(before), published(after));
        let (old_probed, new_probed) = (probed(before), probed(after));
        Self {
            published: new.difference(&old).copied().collect(),
            withdrawn: old.difference(&new).copied().collect(),
            probed: new_probed.difference(&old_probed).copied().collect(),
            released: old_probed.difference(&new_probed).copied().collect(),
        }
    }

    /// The marks whose counts change: those who probe them must be assessed again.
    pub fn changed(&self) -> impl Iterator<Item = &Mark> {
        self.published.iter().chain(&self.withdrawn)
    }
}
