//! The quality engine: what is wrong with a record, alone and among the others, and how good a unit's data is.
//!
//! Pure like everything here: the day is an argument, and the records other than the judged one are seen only
//! through an [`Index`]. A record's way: its shown values and claims make a [`Subject`]; [`RuleBook::judge`]
//! makes a [`Judgement`] of it that is small enough to be stored; the judgement's *marks* are published in an
//! index and its *probes* say what must stand there; [`Judgement::assess`] holds them against the index. All
//! rules across records (uniqueness, references, expected records, similar letters) go this one way, so that
//! a keeper only has to know which records probe a mark that came or went ([`Upkeep`]).
//!
//! What depends on the day alone costs no upkeep: [`Deadline`]s are compared with the day asked for when read,
//! and [`Judgement::judge_again`] names the day from which a judgement must be made anew. [`MemoryQuality`] does
//! all of it in memory, and is what other keepers are tested against.
//!
//! A type with a course (`[course]` in its file) is judged by its history as well: [`Subject::history`].
//!
//! ```
//! use lienthong_proto::{catalogue::Catalogue, ids::RecordId, quality::*, value::Value};
//!
//! let book = RuleBook::compile(Catalogue::embedded()?)?;
//! let mut subject = Subject::new("dang_vien", RecordId([1; 16]), "11953".parse()?, 20_780);
//! subject.values.insert("ho_ten".into(), Value::Text("Hòa".into()));
//! let judgement = book.judge(&subject, 20_780);
//! let rules: Vec<&str> = judgement.defects.iter().map(|defect| book.rule(defect.rule).id.as_str()).collect();
//! assert!(rules.contains(&"NAME_INVALID"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod book;
mod builtin;
mod compile;
mod course;
mod duplicates;
mod expression;
mod fields;
mod index;
mod judge;
mod judgement;
mod look;
mod mark;
mod memory;
mod periods;
mod plain;
mod plan;
mod score;
mod shingles;
mod steps;
mod subject;
#[cfg(test)]
mod tests;
mod told;
mod waiver;
mod written;

pub use book::{Contradiction, Gap, Meeting, RuleBook, RuleIndex, RuleInfo, RuleKind};
pub use duplicates::{Agreement, Likeness, Pair, Reason, note_duplicate};
pub use index::{Index, Upkeep};
pub use judgement::{Deadline, Defect, Judgement, Standing};
pub use mark::{Expect, Mark, Probe};
pub use memory::{Held, MemoryQuality};
pub use score::{Count, Score, Seen, Silence, Tally, Totals, formula};
pub use subject::Subject;
pub use told::Told;
pub use waiver::{Sorted, Waiver, sort_by_waivers};
pub use written::Written;
