//! Finding exactly the records two sides hold differently, with traffic in proportion to the difference
//! (PROTOCOL.md, "Reconciliation").
//!
//! Records stand under their ids, ids fall into ranges by their first bytes, and a range has an order-free
//! [`Sum`] over the [`Mark`]s of its records. The [`Asker`] names ranges with its own sums; [`answer`] says
//! *equal*, or the sums of the range's 256 parts, or, of a small range, its records one by one. Only parts that
//! differ are asked about again, so that each answer leads strictly deeper and the conversation ends. Neither
//! side keeps anything of the other but what is in hand, and every message is bounded.
//!
//! ```
//! use lienthong_proto::ids::RecordId;
//! use lienthong_proto::reconcile::{Asker, Item, Listed, Mark, answer};
//!
//! let item = |id: u8, mark: u8| Item {
//!     record: RecordId([id; 16]),
//!     record_type: "dang_vien".to_owned(),
//!     mark: Mark([mark; 16]),
//! };
//! let (here, there) = (Listed::of([item(1, 1), item(2, 2)]), Listed::of([item(1, 1), item(2, 9)]));
//! let mut asker = Asker::new();
//! while let Some(question) = asker.question(&here).unwrap() {
//!     asker.take(answer(&there, &question).unwrap(), &here).unwrap();
//! }
//! let differing = asker.into_differing();
//! assert_eq!(differing.len(), 1);
//! assert_eq!(differing[0].record, RecordId([2; 16]));
//! ```

mod answer;
mod asker;
mod item;
mod listed;
mod named;
mod question;
mod range;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Part, answer};
pub use asker::{Asker, Difference, Fault};
pub use item::{Item, Mark, Sum};
pub use listed::{Listed, parts_of};
pub use named::Named;
pub use question::Question;
pub use range::Range;

/// What one side holds.
pub trait Holding {
    /// Why it cannot say.
    type Error;

    /// The sum over a range.
    ///
    /// # Errors
    /// If the records cannot be read.
    fn sum(&self, range: &Range) -> Result<Sum, Self::Error>;

    /// The sums of a range's parts that hold anything, by the byte that follows the range's own, ascending.
    ///
    /// # Errors
    /// If the records cannot be read.
    fn parts(&self, range: &Range) -> Result<Vec<(u8, Sum)>, Self::Error>;

    /// The records of a range, in their order.
    ///
    /// # Errors
    /// If the records cannot be read.
    fn items(&self, range: &Range) -> Result<Vec<Item>, Self::Error>;
}
