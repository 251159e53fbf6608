//! What can be read.

use lienthong_node::api::Problem;
use lienthong_node::records::{Listing, Page};
use lienthong_node::service::RecordsRequest;
use lienthong_proto::ids::RecordId;

use super::endpoint::{Does, Endpoint, Form, List, Member};
use super::given::{AFTER_MEMBER, Given, LIMIT_MEMBER, bad};
use super::table::{GRANT, ID, NUMBER, OF_UNIT, RECORD, SEARCH, TYPE, UNIT, whole};
use crate::service::{Request, SharingRequest};

const STATES: &[&str] = &["online", "silent", "offline", "never", "stopped", "revoked"];

const GRANT_STATES: &[&str] = &["proposed", "coming", "active", "expired", "revoked"];

const fn filter(name: &'static str, form: Form) -> Member {
    Member::new(name, form, "chỉ những mục như vậy · only those")
}

const fn list(
    key: &'static [&'static str],
    sorts: &'static [&'static str],
    filters: &'static [Member],
) -> List {
    List { items: "items", key, sorts, filters }
}

fn page(given: &Given) -> Page {
    Page { limit: Some(given.limit()), after: given.text_if("after") }
}

/// A place in a list of records: `type/id`.
fn place_of_record(after: Option<&str>) -> Result<(), Problem> {
    let is_place = |after: &str| after.split_once('/').is_some_and(|(_, id)| id.parse::<RecordId>().is_ok());
    after.is_none_or(is_place).then_some(()).ok_or_else(|| bad("after"))
}

/// All of them.
pub(super) static READS: &[Endpoint] = &[
    Endpoint::get("/openapi.json", "openapi", "Tài liệu này · this document"),
    Endpoint::get("/status", "status", "Tình trạng toàn tỉnh, đơn vị cần gọi trước ở đầu · where everything stands, worst first")
        .answer("Status")
        .asks("status", |_| Ok(Request::Status)),
    Endpoint::get("/types", "types", "Các loại bản ghi, danh mục mã, đơn vị · record types, code lists, units")
        .answer("Types")
        .does("catalogue_show", Does::Types),
    Endpoint::get("/units", "units", "Các đơn vị · units")
        .list(List {
            items: "units",
            key: &["unit"],
            sorts: &[
                "unit", "name", "state", "lag", "lag_seconds", "last_seen", "records", "quarantined", "defects",
                "acknowledged", "quality.total",
            ],
            filters: &[UNIT, filter("state", Form::Word(STATES)), SEARCH],
        })
        .answer("UnitStatus")
        .asks("status", |_| Ok(Request::Status)),
    Endpoint::get("/units/{unit}", "unit", "Một đơn vị và các máy của nó · one unit and its replicas")
        .with(&[UNIT.required()])
        .answer("Unit")
        .asks("unit_show", |given| Ok(Request::UnitShow { unit: given.unit("unit")? })),
    Endpoint::get("/replicas", "replicas", "Các máy đã ghi danh · enrolled replicas")
        .list(list(&["replica"], &["unit", "enrolled_at", "replica"], &[
            UNIT,
            filter("role", Form::Word(&["commune", "province", "auditor"])),
            filter("state.state", Form::Word(&["active", "revoked", "fenced"])),
        ]))
        .answer("Replica")
        .asks("unit_list", |_| Ok(Request::UnitList)),
    Endpoint::get("/records/{type}", "records", "Bản ghi, theo id · records, by id")
        .with(&[TYPE.required()])
        .query(&[
            SEARCH,
            UNIT,
            Member::new("all", Form::Flag, "cả bản ghi đã thu hồi · withdrawn ones too"),
            Member::new("shared", Form::Flag, "chỉ dữ liệu dùng chung, không kể bản ghi còn lỗi · only the shared dataset, without those an error keeps out"),
            LIMIT_MEMBER,
            Member::new("after", Form::Record, "`next` của trang trước · `next` of the page before"),
        ])
        .answer("RecordPage")
        .asks("records", |given| {
            let listing = Listing {
                search: given.text_if("search"),
                unit: given.unit_if("unit"),
                limit: Some(given.limit()),
                after: given.record_if("after"),
                all: given.flag("all"),
                shared: given.flag("shared"),
                tree: None,
            };
            Ok(Request::Records(RecordsRequest::List { record_type: given.text("type")?, listing }))
        }),
    Endpoint::get("/records/{type}/{id}", "record", "Một bản ghi · one record")
        .with(&[TYPE.required(), ID.required()])
        .query(&[OF_UNIT])
        .answer("Record")
        .asks("records", |given| {
            let (record_type, id, unit) = (given.text("type")?, given.text("id")?, given.unit_if("unit"));
            Ok(Request::Records(RecordsRequest::Get { record_type, id, unit }))
        }),
    Endpoint::get("/records/{type}/{id}/history", "history", "Mọi lần ghi một bản ghi · every write of a record")
        .with(&[TYPE.required(), ID.required()])
        .query(&[OF_UNIT])
        .answer("History")
        .asks("records", |given| {
            let (record_type, id, unit) = (given.text("type")?, given.text("id")?, given.unit_if("unit"));
            Ok(Request::Records(RecordsRequest::History { record_type, id, unit }))
        }),
    Endpoint::get("/records/{type}/{id}/why", "why", "Vì sao một trường có giá trị ấy · why a field shows what it shows")
        .with(&[TYPE.required(), ID.required()])
        .query(&[Member::new("field", Form::Text(300), "trường · the field").required(), OF_UNIT])
        .answer("Why")
        .asks("records", |given| {
            let (record_type, id, unit) = (given.text("type")?, given.text("id")?, given.unit_if("unit"));
            Ok(Request::Records(RecordsRequest::Why { record_type, id, field: given.text("field")?, unit }))
        }),
    Endpoint::get("/conflicts", "conflicts", "Xung đột đang mở · open conflicts")
        .list(list(&["key"], &["key", "type", "field"], &[
            TYPE,
            filter("field", Form::Text(300)),
            RECORD,
        ]))
        .answer("Conflict")
        .asks("conflicts_list", |_| Ok(Request::ConflictsList { page: whole() })),
    Endpoint::get("/conflicts/{id}", "conflict", "Xung đột của một bản ghi, các bên cạnh nhau · the conflicts of a record, side by side")
        .with(&[ID.required()])
        .answer("Conflicts")
        .asks("conflicts_show", |given| Ok(Request::ConflictsShow { id: given.text("id")? })),
    Endpoint::get("/duplicates", "duplicates", "Bản ghi có thể là một · records that are probably one")
        .list(list(&["first", "second"], &["-score", "score", "type"], &[TYPE, filter("units", Form::Unit)]))
        .answer("Duplicate")
        .asks("duplicates_list", |_| Ok(Request::DuplicatesList { page: whole() })),
    Endpoint::get("/quarantine", "quarantine", "Thay đổi chưa nhập được · changes not merged yet")
        .list(list(&["number"], &["at", "unit", "type", "reason"], &[
            UNIT,
            TYPE,
            filter("reason", Form::Text(64)),
            filter("record", Form::Record),
        ]))
        .answer("Quarantined")
        .asks("quarantine_list", |_| Ok(Request::QuarantineList { page: whole() })),
    Endpoint::get("/quarantine/{number}", "quarantined", "Một thay đổi chưa nhập được · one of them")
        .with(&[NUMBER.required()])
        .answer("Quarantined")
        .asks("quarantine_show", |given| Ok(Request::QuarantineShow { number: given.text("number")? })),
    Endpoint::get("/quality", "quality", "Chất lượng theo đơn vị · quality by unit")
        .list(list(
            &["unit"],
            &["unit", "name", "quality.total", "quality.dung", "quality.du", "quality.sach", "quality.song",
              "quality.thong_nhat", "quality.dung_chung"],
            &[UNIT, SEARCH],
        ))
        .answer("UnitQuality")
        .asks("quality", |_| Ok(Request::Quality { unit: None, page: Page::default() })),
    Endpoint::get("/quality/{unit}", "unit_quality", "Chất lượng một đơn vị, với số đếm và công thức · a unit’s quality, with counts and formulas")
        .with(&[UNIT.required()])
        .query(&[LIMIT_MEMBER, AFTER_MEMBER])
        .answer("QualityReport")
        .asks("quality", |given| {
            let unit = given.unit("unit")?;
            place_of_record(given.text_if("after").as_deref())?;
            Ok(Request::Quality { unit: Some(unit), page: page(given) })
        }),
    Endpoint::get("/defects", "defects", "Bản ghi có lỗi, theo loại và id · records with defects, by type and id")
        .query(&[TYPE, UNIT, LIMIT_MEMBER, AFTER_MEMBER])
        .answer("DefectPage")
        .asks("defects", |given| {
            let (record_type, unit, after) =
                (given.text_if("type"), given.unit_if("unit"), given.text_if("after"));
            place_of_record(after.as_deref())?;
            Ok(Request::Defects { record_type, unit, page: page(given) })
        }),
    Endpoint::get("/waivers", "waivers", "Lỗi được chấp nhận đến hạn · defects accepted until a day")
        .list(list(&["number"], &["number", "until", "rule", "type", "unit"], &[
            UNIT,
            TYPE,
            filter("rule", Form::Text(64)),
            filter("approver", Form::Text(64)),
            filter("expired", Form::Flag),
        ]))
        .answer("Waiver")
        .asks("waiver_list", |_| Ok(Request::WaiverList { unit: None, page: whole() })),
    Endpoint::get("/agencies", "agencies", "Cơ quan nhận dữ liệu · agencies that receive")
        .list(list(&["code"], &["code", "name"], &[]))
        .answer("Agency")
        .asks("agency_list", |_| Ok(Request::Sharing(SharingRequest::AgencyList { page: whole() }))),
    Endpoint::get("/grants", "grants", "Giấy cấp quyền · grants")
        .list(list(&["number"], &["number", "agency", "state", "from", "until", "deliveries"], &[
            filter("agency", Form::Unit),
            filter("state", Form::Word(GRANT_STATES)),
        ]))
        .answer("GrantLine")
        .asks("grant_list", |_| Ok(Request::Sharing(SharingRequest::GrantList { page: whole() }))),
    Endpoint::get("/grants/{number}", "grant", "Một giấy cấp quyền · one grant, whole")
        .with(&[GRANT])
        .answer("Grant")
        .asks("grant_show", |given| {
            Ok(Request::Sharing(SharingRequest::GrantShow { number: given.whole("number")? }))
        }),
    Endpoint::get("/handovers", "handovers", "Chuyển sinh hoạt chưa xong, và vì sao · handovers that are not done, and why")
        .list(list(&["key"], &["key", "from", "to", "state"], &[
            TYPE,
            filter("from", Form::Unit),
            filter("to", Form::Unit),
            filter("state", Form::Word(&["not_received", "not_released", "held", "not_there", "agreed"])),
        ]))
        .answer("Handover")
        .asks("handovers", |_| Ok(Request::Handovers { unit: None, page: whole() })),
    Endpoint::get("/alerts", "alerts", "Việc cần người · what needs a person")
        .query(&[Member::new("all", Form::Flag, "cả những cảnh báo đã hết · also those that have ended")])
        .list(list(&["id"], &["id", "begun", "kind", "severity", "unit"], &[
            UNIT,
            filter("kind", Form::Text(40)),
            filter("severity", Form::Text(40)),
        ]))
        .answer("Alert")
        .asks("alerts_list", |given| Ok(Request::AlertsList { all: given.flag("all"), page: whole() })),
    Endpoint::get("/tokens", "tokens", "Mã ghi danh · enrolment tokens")
        .list(list(&["id"], &["expires", "unit", "actor", "used", "id"], &[
            UNIT,
            filter("actor", Form::Text(64)),
            filter("revoked", Form::Flag),
        ]))
        .answer("Token")
        .asks("token_list", |_| Ok(Request::TokenList)),
    Endpoint::get("/api-tokens", "api_tokens", "Mã của chương trình · programs’ tokens")
        .list(list(&["name"], &["name", "account", "created_at", "revoked_at"], &[
            filter("account", Form::Text(64)),
        ]))
        .answer("ApiToken")
        .asks("api_token_list", |_| Ok(Request::ApiTokenList)),
    Endpoint::get("/accounts", "accounts", "Tài khoản · accounts")
        .list(list(&["name"], &["name", "created"], &[
            filter("roles", Form::Word(&["operator", "steward", "approver", "administrator"])),
            filter("disabled", Form::Flag),
        ]))
        .answer("Account")
        .asks("user_list", |_| Ok(Request::UserList)),
    Endpoint::get("/ledger/checkpoint", "ledger_checkpoint", "Điểm kiểm của sổ cái, có chữ ký · the ledger’s signed checkpoint")
        .answer("Checkpoint")
        .asks("ledger_checkpoint", |_| Ok(Request::LedgerCheckpoint)),
    Endpoint::get("/ledger/entries", "ledger_entries", "Các mục của sổ cái, theo thứ tự · the ledger’s entries, in order")
        .query(&[
            LIMIT_MEMBER,
            Member::new("after", Form::Whole(0, i64::MAX as u64), "`next` của trang trước · `next` of the page before"),
        ])
        .answer("LedgerPage")
        .asks("ledger_show", |given| {
            Ok(Request::LedgerShow { from: given.whole_if("after").unwrap_or(0), limit: given.limit() })
        }),
];
