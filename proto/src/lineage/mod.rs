//! The course of units: which merged, split, were renamed or dissolved, and on which day.
//!
//! Each [`Step`] is an event of the ledger; one that was wrong is undone by another. The [`Tree`] of a day is the
//! catalogue's list and the steps until then. A record moves by ordinary changes of `_unit`; beside it the register
//! `_lineage` keeps by which step it came from where ([`Passage`]), so that it still counts for its former unit in
//! the tree of a day before. Everything here is a function of events and registers.
//!
//! A record's way: its unit is merged; [`Lineage::settle`] says where it belongs today; the hub writes that.

mod course;
mod fault;
mod passage;
mod settle;
mod step;
mod tree;

#[cfg(test)]
mod tests;

pub use course::{Lineage, Undo, Work};
pub use fault::LineageFault;
pub use passage::Passage;
pub use settle::{Asked, Settled};
pub use step::{Named, Share, Step, StepKind, assigned_event, done_event, kind_word, undo_event};
pub use tree::{Ending, Tree, TreeUnit};
