//! What a cell may hold: DOMAIN's reason classes, alike at node and hub.
//!
//! A row comes as cells by field name, and leaves as values with everything that is wrong about it. Pure:
//! the day it is judged on is an argument.

mod cell;
mod citizen;
mod dates;
mod entering;
mod field;
mod forms;
mod messages;
mod numbers;
mod row;
mod secrecy;
mod sender;
#[cfg(test)]
mod tests;
mod units;

pub use cell::{Finding, RawCell, RowJudgement};
pub use citizen::{CitizenFault, CitizenNumber};
pub use dates::{DateFault, day_of_serial, parse_date};
pub(crate) use dates::{adult_on, months_on};
pub use entering::may_not_enter;
pub use forms::{is_party_card, is_person_name, is_sha256, phone_digits, text_chars_max};
pub use numbers::{parse_integer, parse_money};
pub use row::{JudgeContext, UnitScope, judge_row};
pub use secrecy::{MARK_BYTES_MAX, SECRECY, is_marked_classified, is_secrecy_mark, tells_secrecy};
pub use sender::names_a_sender;
pub use units::{UNIT_NAME, names_unit, unit_fault};
