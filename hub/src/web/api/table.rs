//! All endpoints, and what several of them share.

use lienthong_node::records::Page;

use super::actions::ACTIONS;
use super::endpoint::{Endpoint, Form, Member};
use super::reads::READS;

/// Every endpoint: the router and the description are both made of these.
pub fn endpoints() -> impl Iterator<Item = &'static Endpoint> {
    READS.iter().chain(ACTIONS)
}

/// A list as a whole, to be selected from here.
pub(super) fn whole() -> Page {
    Page { limit: Some(usize::MAX), after: None }
}

/// Characters of an id, a key or a number.
pub(super) const NAME: Form = Form::Text(1_000);

pub(super) const UNIT: Member = Member::new("unit", Form::Unit, "mã đơn vị · a unit’s code");
pub(super) const TYPE: Member = Member::new("type", Form::Type, "loại bản ghi · record type");
pub(super) const ID: Member = Member::new(
    "id",
    NAME,
    "id, hoặc khóa: các phần cách nhau bởi |, mã hóa phần trăm · id, or the natural key, its parts set apart by |, percent-encoded",
);
pub(super) const RECORD: Member = Member::new("id", Form::Record, "id bản ghi · a record’s id");
pub(super) const NUMBER: Member = Member::new("number", Form::Place, "số, như 12.0 · its number, like 12.0");
pub(super) const GRANT: Member =
    Member::new("number", Form::Whole(0, i64::MAX as u64), "số giấy cấp quyền · the grant’s number")
        .required();
pub(super) const OF_UNIT: Member =
    Member::new("unit", Form::Unit, "đơn vị mà số thuộc về · the unit whose numbers are meant");
pub(super) const WHY: Member = Member::new("reason", Form::Reason, "lý do · why").required();
pub(super) const SEARCH: Member = Member::new(
    super::selection::SEARCH,
    Form::Text(200),
    "các từ, không kể dấu · words, marks and case aside",
);
