//! What can be done.

use lienthong_node::api::Problem;

use super::endpoint::{Endpoint, Form, Member};
use super::given::Given;
use super::table::{GRANT, ID, NAME, NUMBER, OF_UNIT, TYPE, UNIT, WHY};
use crate::pki::Role;
use crate::service::{NewWaiver, Pairing, Request, Resolution, SharingRequest, Transfer};

/// Nothing is acted for but the account that asks: its name is put here last.
const NOBODY: String = String::new();

const NAMED: Member = Member::new("name", Form::Text(64), "tên · its name").required();
const PAIR: &[Member] = &[
    TYPE.required(),
    Member::new("first", NAME, "id hoặc khóa của một bản ghi · id or natural key of one record").required(),
    Member::new("second", NAME, "của bản ghi kia · of the other"),
    OF_UNIT,
    WHY,
];
const MERGED: &[Member] = &[
    TYPE.required(),
    Member::new("first", NAME, "id hoặc khóa của một bản ghi · id or natural key of one record").required(),
    Member::new("second", NAME, "của bản ghi kia · of the other").required(),
    Member::new(
        "keep",
        NAME,
        "bản ghi ở lại; nếu không nêu, bản ghi có id thấp hơn · which stays; the lower id otherwise",
    ),
    OF_UNIT,
    WHY,
];

fn pairing(given: &Given) -> Result<Pairing, Problem> {
    Ok(Pairing {
        record_type: given.text("type")?,
        first: given.text("first")?,
        second: given.text_if("second"),
        keep: given.text_if("keep"),
        unit: given.unit_if("unit"),
        reason: given.text("reason")?,
        actor: NOBODY,
    })
}

fn role(given: &Given) -> Role {
    match given.text_if("role").as_deref() {
        Some("province") => Role::Province,
        Some("auditor") => Role::Auditor,
        _ => Role::Commune,
    }
}

/// All of them.
pub(super) static ACTIONS: &[Endpoint] = &[
    Endpoint::post("/units/{unit}/contact", "set_contact", "Người liên hệ của đơn vị; để trống cả hai là xóa · whom to call there; both empty forgets")
        .with(&[UNIT.required()])
        .body(&[
            Member::new("name", Form::Text(80), "tên · their name").required(),
            Member::new("phone", Form::Text(30), "số điện thoại · their number").required(),
        ])
        .answer("ContactSet")
        .asks("unit_contact", |given| {
            let (unit, name, phone) = (given.unit("unit")?, given.text("name")?, given.text("phone")?);
            Ok(Request::UnitContact { unit, name, phone, actor: NOBODY })
        }),
    Endpoint::post("/units/{unit}/revoke", "revoke_unit", "Thu hồi mọi máy của đơn vị · revoke all its replicas")
        .with(&[UNIT.required()])
        .body(&[WHY])
        .answer("ReplicasRevoked")
        .asks("unit_revoke", |given| {
            Ok(Request::UnitRevoke { whom: given.text("unit")?, reason: given.text("reason")?, actor: NOBODY })
        }),
    Endpoint::post("/replicas/{replica}/revoke", "revoke_replica", "Thu hồi một máy · revoke one replica")
        .with(&[Member::new("replica", Form::Record, "id của máy · the replica’s id").required()])
        .body(&[WHY])
        .answer("ReplicasRevoked")
        .asks("unit_revoke", |given| {
            Ok(Request::UnitRevoke { whom: given.text("replica")?, reason: given.text("reason")?, actor: NOBODY })
        }),
    Endpoint::post("/records/{type}/{id}/transfer", "transfer", "Chuyển bản ghi sang đơn vị khác · give a record to another unit")
        .with(&[TYPE.required(), ID.required()])
        .body(&[Member::new("to", Form::Unit, "đơn vị mới · its new unit").required(), OF_UNIT, WHY])
        .answer("Decided")
        .asks("record_transfer", |given| {
            Ok(Request::RecordTransfer(Transfer {
                record_type: given.text("type")?,
                id: given.text("id")?,
                unit: given.unit_if("unit"),
                to: given.unit("to")?,
                reason: given.text("reason")?,
                actor: NOBODY,
            }))
        }),
    Endpoint::post("/conflicts/{id}/resolve", "resolve", "Giải quyết xung đột: chọn một giá trị hoặc nêu giá trị khác · settle a conflict: pick a value or state another")
        .with(&[ID.required()])
        .body(&[
            Member::new("field", Form::Text(300), "trường, nếu nhiều trường đang mở · the field, where several are open"),
            Member::new("pick", Form::Whole(1, 1_000), "số của giá trị được chọn · the number of the value chosen"),
            Member::new("value", Form::Text(20_000), "giá trị khác · another value instead"),
            WHY,
        ])
        .answer("Decided")
        .asks("conflicts_resolve", |given| {
            Ok(Request::ConflictsResolve(Resolution {
                id: given.text("id")?,
                field: given.text_if("field"),
                pick: given.whole_if("pick").and_then(|pick| pick.try_into().ok()),
                value: given.text_if("value"),
                seen: None,
                reason: given.text("reason")?,
                actor: NOBODY,
            }))
        }),
    Endpoint::post("/duplicates/merge", "merge", "Hai bản ghi là một · two records are one")
        .body(MERGED)
        .answer("Merged")
        .asks("duplicates_merge", |given| Ok(Request::DuplicatesMerge(pairing(given)?))),
    Endpoint::post("/duplicates/separate", "separate", "Hai bản ghi chỉ giống nhau · two records only look alike")
        .body(PAIR)
        .answer("Separated")
        .asks("duplicates_separate", |given| Ok(Request::DuplicatesSeparate(pairing(given)?))),
    Endpoint::post("/duplicates/undo", "undo", "Rút lại việc gộp hay tách · take a merging or separating back")
        .body(PAIR)
        .answer("Undone")
        .asks("duplicates_undo", |given| Ok(Request::DuplicatesUndo(pairing(given)?))),
    Endpoint::post("/quarantine/{number}/release", "release", "Nhập thay đổi sau khi đã xem · merge it after all")
        .with(&[NUMBER.required()])
        .body(&[WHY])
        .answer("Released")
        .asks("quarantine_release", |given| {
            let (number, reason) = (given.text("number")?, given.text("reason")?);
            Ok(Request::QuarantineRelease { number, reason, actor: NOBODY })
        }),
    Endpoint::post("/quarantine/{number}/separate", "separate_quarantined", "Thay đổi nói về người khác: lập bản ghi riêng · it speaks of somebody else: give it a record of its own")
        .with(&[NUMBER.required()])
        .body(&[WHY])
        .answer("SeparatedOut")
        .asks("quarantine_separate", |given| {
            let (number, reason) = (given.text("number")?, given.text("reason")?);
            Ok(Request::QuarantineSeparate { number, reason, actor: NOBODY })
        }),
    Endpoint::post("/waivers", "add_waiver", "Chấp nhận một lỗi đến hạn · accept a defect until a day")
        .body(&[
            TYPE.required(),
            ID.required(),
            OF_UNIT,
            Member::new("rule", Form::Text(64), "quy tắc · the rule’s id").required(),
            Member::new("field", Form::Text(300), "chỉ ở trường này · only where it blames this field"),
            Member::new("until", Form::Day, "ngày cuối cùng · the last day").required(),
            WHY,
        ])
        .answer("Waiver")
        .asks("waiver_add", |given| {
            Ok(Request::WaiverAdd(NewWaiver {
                record_type: given.text("type")?,
                id: given.text("id")?,
                unit: given.unit_if("unit"),
                rule: given.text("rule")?,
                field: given.text_if("field"),
                until: given.text("until")?,
                reason: given.text("reason")?,
                approver: NOBODY,
            }))
        }),
    Endpoint::post("/waivers/{number}/end", "end_waiver", "Kết thúc sớm việc chấp nhận lỗi · end a waiver before its day")
        .with(&[Member::new("number", Form::Whole(0, i64::MAX as u64), "số · its number").required()])
        .body(&[WHY])
        .answer("WaiverEnded")
        .asks("waiver_end", |given| {
            let (number, reason) = (given.whole("number")?, given.text("reason")?);
            Ok(Request::WaiverEnd { number, reason, actor: NOBODY })
        }),
    Endpoint::post("/grants", "propose_grant", "Đề nghị cấp quyền · propose a grant")
        .body(&[Member::new("text", Form::Text(100_000), "nội dung TOML, như `grant template` · its text in TOML, as `grant template` has it").required()])
        .answer("Grant")
        .asks("grant_propose", |given| {
            Ok(Request::Sharing(SharingRequest::GrantPropose { text: given.text("text")?, actor: NOBODY }))
        }),
    Endpoint::post("/grants/{number}/approve", "approve_grant", "Duyệt giấy người khác đề nghị · approve a grant somebody else proposed")
        .with(&[GRANT])
        .answer("Grant")
        .asks("grant_approve", |given| {
            Ok(Request::Sharing(SharingRequest::GrantApprove { number: given.whole("number")?, actor: NOBODY }))
        }),
    Endpoint::post("/grants/{number}/revoke", "revoke_grant", "Thu hồi, hoặc từ chối · take a grant back, or refuse it")
        .with(&[GRANT])
        .body(&[WHY])
        .answer("Grant")
        .asks("grant_revoke", |given| {
            let (number, reason) = (given.whole("number")?, given.text("reason")?);
            Ok(Request::Sharing(SharingRequest::GrantRevoke { number, reason, actor: NOBODY }))
        }),
    Endpoint::post("/alerts/{id}/acknowledge", "acknowledge", "Nhận xử lý: không báo thêm cho ai nữa · somebody looks after it: nobody is told any more")
        .with(&[Member::new("id", Form::Whole(0, i64::MAX as u64), "số · its number").required()])
        .body(&[WHY])
        .answer("Alert")
        .asks("alerts_acknowledge", |given| {
            let (id, reason) = (given.whole("id")?, given.text("reason")?);
            Ok(Request::AlertsAcknowledge { id, reason, actor: NOBODY })
        }),
    Endpoint::post("/tokens", "create_token", "Mã ghi danh mới, chỉ hiện lần này · a new enrolment token, told this once")
        .body(&[
            UNIT.required(),
            Member::new("role", Form::Word(&["commune", "province", "auditor"]), "vai trò, mặc định commune · its role, commune by default"),
            Member::new("ttl_seconds", Form::Whole(60, 2_592_000), "thời hạn, mặc định một ngày · for how long, a day by default"),
        ])
        .answer("TokenCreated")
        .asks("token_create", |given| {
            let ttl_seconds = given.whole_if("ttl_seconds").unwrap_or(86_400);
            Ok(Request::TokenCreate { unit: given.unit("unit")?, role: role(given), ttl_seconds, actor: NOBODY })
        }),
    Endpoint::post("/tokens/{id}/revoke", "revoke_token", "Thu hồi mã ghi danh · take an enrolment token back")
        .with(&[ID.required()])
        .answer("TokenRevoked")
        .asks("token_revoke", |given| Ok(Request::TokenRevoke { id: given.text("id")?, actor: NOBODY })),
    Endpoint::post("/api-tokens/{name}/revoke", "revoke_api_token", "Thu hồi mã của một chương trình · end a program’s token")
        .with(&[NAMED])
        .answer("ApiTokenRevoked")
        .asks("api_token_revoke", |given| {
            Ok(Request::ApiTokenRevoke { name: given.text("name")?, actor: NOBODY })
        }),
];
