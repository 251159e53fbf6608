//! What a bundle proves, in plain words.

use std::fmt::Write as _;

use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::disclosure::{Became, ChangeNotice, ChangedRecord, ErasureNotice, LogReport, Report};
use lienthong_proto::time::UnixMillis;
use serde_json::Value as Json;

use super::{Notice, Verified};
use crate::cli::Tongue;

/// Whom a bundle was checked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// A trust policy that was given.
    Policy,
    /// The ledger the machine is enrolled with, and nothing else: what holds is consistent, not anchored.
    Enrolment,
}

/// The words for people.
#[must_use]
pub fn said(verified: &Verified, anchor: Anchor, catalogue: &Catalogue, tongue: Tongue) -> String {
    let Verified { report, records } = verified;
    let mut out = String::new();
    let mut say = |vi: String, en: String| {
        let _ = writeln!(out, "{}", tongue.pick(&vi, &en));
    };
    let (vi, en) = match anchor {
        Anchor::Policy => (
            "✓ Gói hợp lệ: mọi mục dẫn đến chữ ký của đơn vị đã ghi, sổ cái của tỉnh và chính sách tin cậy.",
            "✓ The bundle holds: everything in it leads to the signature of the unit that wrote it, the province's ledger and the trust policy.",
        ),
        Anchor::Enrolment => (
            "~ Gói nhất quán, chưa neo: mọi mục dẫn đến chữ ký của đơn vị đã ghi và sổ cái mà máy này đã ghi danh; không có chính sách tin cậy nên chưa chứng minh được đó là sổ cái mà những người khác cũng thấy. Hãy lấy chính sách qua đường khác và kiểm lại với --trust.",
            "~ The bundle is consistent, not anchored: everything in it leads to the signature of the unit that wrote it and the ledger this machine is enrolled with; without a trust policy it is not shown that this is the ledger others see. Get the policy by another way and check again with --trust.",
        ),
    };
    say(vi.to_owned(), en.to_owned());
    granted(report, &mut say);
    witnessed(report, anchor, &mut say);
    for log in &report.logs {
        of_log(log, catalogue, &mut say);
    }
    let all = records.values().flatten();
    let has = |record: &&Json, name: &str| {
        record.get(name).and_then(Json::as_array).is_some_and(|list| !list.is_empty())
    };
    let contested = all.clone().filter(|record| has(record, "unseen")).count();
    let differing = |record: &&Json| has(record, "conflicts") && !has(record, "unseen");
    let (count, open) = (all.clone().count(), all.clone().filter(differing).count());
    say(
        format!(
            "• Lập lại được {count} bản ghi từ các mục đã mở; {open} bản ghi còn giá trị trái nhau, có đủ các giá trị."
        ),
        format!(
            "• {count} records were made again from what is disclosed; {open} of them have differing values, all of which are there."
        ),
    );
    if contested > 0 {
        say(
            format!(
                "• {contested} bản ghi bị thu hồi khi chưa xem hết các sửa đổi, còn chờ người quyết định; sửa đổi có thể ở trường không được cấp (theo lời máy chủ tỉnh)."
            ),
            format!(
                "• {contested} records were withdrawn by one who had not seen all edits, and wait for a person's decision; an edit may be of a field that is not granted (by the hub's word)."
            ),
        );
    }
    for (order, count) in &report.erased {
        say(
            format!("• {count} giá trị đã bị xóa theo lệnh {order}: chỉ còn cam kết, sổ cái có ghi lệnh."),
            format!(
                "• {count} values were erased by order {order}: only their commitments are left, the order is in the ledger."
            ),
        );
    }
    let masked = all.filter(|record| has(record, "withheld")).count();
    say(
        format!(
            "• {masked} bản ghi có trường không được cấp: tên trường có ghi, giá trị không có trong gói."
        ),
        format!(
            "• {masked} records have fields that are not granted: their names are listed, their values are not in the bundle."
        ),
    );
    say(
        "• Theo lời máy chủ tỉnh, không phải bằng chứng: mục nào thuộc cùng một bản ghi (mã bản ghi là bí danh riêng của giấy này), sửa đổi nào người thu hồi chưa xem, một mục chỉ được đếm (không bị giữ lại) là ngoài phạm vi của giấy, tên các trường không được cấp, bản ghi nào được nhắc tới, và đơn vị không có máy nào khác. Danh sách máy trong sổ cái được máy của chính từng đơn vị đối chiếu với biên nhận trước khi ký làm chứng; đơn vị có máy không ký thì chưa xác nhận.".to_owned(),
        "• By the hub's word, not proven: which changes are of one record (its id is this grant's own pseudonym), which edits a withdrawal had not seen, that a change only counted (and not in quarantine) is outside the grant's filter, the names of fields that are not granted, which records are referred to, and that a unit has no further replica. The ledger's list of replicas is checked by each unit's own nodes against their receipts before they cosign; a unit none of whose nodes cosigned has not confirmed it.".to_owned(),
    );
    out
}

/// What a receiver is to do about a notice.
#[must_use]
pub fn said_of_notice(notice: &Notice, anchor: Anchor, catalogue: &Catalogue, tongue: Tongue) -> String {
    let (mark, by) = match anchor {
        Anchor::Policy => ("✓", tongue.pick("sổ cái của tỉnh", "the province's ledger")),
        Anchor::Enrolment => (
            "~",
            tongue.pick(
                "sổ cái mà máy này đã ghi danh (chưa neo vào chính sách tin cậy)",
                "the ledger this machine is enrolled with (not anchored in a trust policy)",
            ),
        ),
    };
    match notice {
        Notice::Erased(notice) => said_of_erasure(notice, (mark, by), tongue),
        Notice::Changed(notice) => said_of_changes(notice, (mark, by), catalogue, tongue),
    }
}

fn said_of_erasure(notice: &ErasureNotice, (mark, by): (&str, &str), tongue: Tongue) -> String {
    let ErasureNotice { order, issuer, date, record_type, record, grant, fields, whole, .. } = notice;
    let fields = fields.join(", ");
    let (all_vi, all_en) = if *whole { ("toàn bộ bản ghi", "the whole record") } else { ("", "") };
    let vi = format!(
        "{mark} Thông báo xóa theo lệnh {order} ({issuer}, {date}), do {by} ký.\n  Trong các gói đã nhận theo giấy {grant}: bản ghi {record} loại {record_type}, xóa {all_vi}{fields}.\n  Hãy xóa ở nơi đang giữ.\n"
    );
    let en = format!(
        "{mark} A notice of erasure by order {order} ({issuer}, {date}), signed by {by}.\n  In the bundles received under grant {grant}: record {record} of type {record_type}, erase {all_en}{fields}.\n  Erase it wherever you keep it.\n"
    );
    tongue.pick(&vi, &en).to_owned()
}

fn said_of_changes(
    notice: &ChangeNotice,
    (mark, by): (&str, &str),
    catalogue: &Catalogue,
    tongue: Tongue,
) -> String {
    let ChangeNotice { grant, at, since, until, records, .. } = notice;
    let count = records.len();
    let vi = format!(
        "{mark} Thông báo thay đổi lúc {at}, do {by} ký.\n  Trong những gì đã nhận theo giấy {grant} (sổ cái đến mục {since}): {count} bản ghi nay không còn như lúc giao (sổ cái đến mục {until}).\n  Giá trị mới không có trong thông báo; đừng dùng giá trị cũ, cần thì đề nghị cấp lại.\n"
    );
    let en = format!(
        "{mark} A notice of changes of {at}, signed by {by}.\n  Of what was received under grant {grant} (the ledger before entry {since}), {count} records are no longer as they were (the ledger before entry {until}).\n  Their new values are not in it: do not rely on the old ones, and ask for a new grant where you need them.\n"
    );
    let mut out = tongue.pick(&vi, &en).to_owned();
    for ChangedRecord { record_type, record, became, fields } in records {
        let declared = catalogue.record_type(record_type);
        let label = |name: &String| {
            let field = declared.and_then(|declared| declared.field(name));
            field.map_or(name.as_str(), |field| tongue.pick(&field.label.vi, &field.label.en)).to_owned()
        };
        let title = declared.map_or(record_type.as_str(), |it| tongue.pick(&it.label.vi, &it.label.en));
        let what = match became {
            Became::Withdrawn => tongue.pick("đã thu hồi", "withdrawn").to_owned(),
            Became::Left => {
                tongue.pick("nay nằm ngoài phạm vi giấy", "the grant does not mean it now").to_owned()
            }
            Became::Changed => {
                let fields = fields.iter().map(label).collect::<Vec<_>>().join(", ");
                format!("{}: {fields}", tongue.pick("đã sửa", "changed"))
            }
        };
        out.push_str(&format!("  • {title} {record}: {what}\n"));
    }
    out
}

fn granted(report: &Report, say: &mut dyn FnMut(String, String)) {
    let Report { terms, grant, proposed_by, approved_by, accessed_at, access, .. } = report;
    say(
        format!(
            "• Cấp cho {} theo giấy số {grant} ({}; {}), {proposed_by} đề nghị, {approved_by} duyệt.",
            terms.agency, terms.document, terms.purpose
        ),
        format!(
            "• Granted to {} by grant {grant} ({}; {}), proposed by {proposed_by}, approved by {approved_by}.",
            terms.agency, terms.document, terms.purpose
        ),
    );
    say(
        format!("• Việc giao được ghi vào sổ cái lúc {accessed_at}, mục {access}, trước khi gói rời đi."),
        format!(
            "• The delivery stands in the ledger since {accessed_at}, entry {access}, from before it left."
        ),
    );
}

fn witnessed(report: &Report, anchor: Anchor, say: &mut dyn FnMut(String, String)) {
    let Report { ledger, size, witnesses, .. } = report;
    if anchor == Anchor::Enrolment {
        return say(
            format!(
                "• Sổ cái {ledger} đến mục {size}. Nhân chứng không được xét, vì không có chính sách tin cậy."
            ),
            format!(
                "• The ledger {ledger} up to entry {size}. Witnesses were not looked at: there is no trust policy."
            ),
        );
    }
    if !report.witnessed {
        return say(
            format!(
                "• Sổ cái {ledger} đến mục {size}. Chính sách không đòi nhân chứng: chỉ chữ ký của tỉnh bảo đảm là không có sổ cái thứ hai."
            ),
            format!(
                "• The ledger {ledger} up to entry {size}. The policy asks for no witness: that there is no second ledger rests on the province's signature alone."
            ),
        );
    }
    let named: Vec<String> = witnesses
        .iter()
        .map(|(name, time)| format!("{name} ({})", UnixMillis(time.saturating_mul(1_000)).rfc3339()))
        .collect();
    let named = named.join(", ");
    say(
        format!("• Sổ cái {ledger} đến mục {size}, nhân chứng đã ký: {named}."),
        format!("• The ledger {ledger} up to entry {size}, cosigned by: {named}."),
    );
}

fn of_log(log: &LogReport, catalogue: &Catalogue, say: &mut dyn FnMut(String, String)) {
    let LogReport { unit, replica, size, accepted_at, complete_until, types, quarantined, .. } = log;
    let name = catalogue.units().title(unit);
    let taken = |vi: &str, en: &str| match accepted_at {
        Some(at) => (format!("{vi} {at}"), format!("{en} {at}")),
        None => ("sổ cái của tỉnh".to_owned(), "the province's ledger".to_owned()),
    };
    let (vi, en) = taken("tỉnh nhận lúc", "taken by the province at");
    say(
        format!("• {name} ({unit}), máy {replica}: {size} mục, {vi}."),
        format!("• {name} ({unit}), replica {replica}: {size} entries, {en}."),
    );
    for (record_type, count) in types {
        let until = complete_until.as_deref().filter(|_| count.signed_for.is_some());
        let (label_vi, label_en) = catalogue
            .record_type(record_type)
            .map_or((record_type.clone(), record_type.clone()), |t| (t.label.vi.clone(), t.label.en.clone()));
        let counts = (count.written, count.shown, count.withheld);
        let (written, shown, withheld) = counts;
        let (vi, en) = match (until, count.signed_for) {
            (Some(until), Some(signed)) => (
                format!("máy ghi đã ký là có đúng {signed} đến {until}: không thiếu"),
                format!("its writer signed for exactly {signed} until {until}: none is missing"),
            ),
            _ => (
                "máy ghi chưa ký số lượng: số thứ tự liền mạch, nhưng phần cuối chưa chứng minh được là đủ".to_owned(),
                "its writer has not signed for their number yet: they are numbered without a gap, but that none is missing at the end is not proven".to_owned(),
            ),
        };
        say(
            format!("    {label_vi}: {written} thay đổi, mở {shown}, chỉ đếm {withheld}; {vi}."),
            format!("    {label_en}: {written} changes, {shown} shown, {withheld} only counted; {en}."),
        );
    }
    if *quarantined > 0 {
        say(
            format!(
                "    Trong số chỉ đếm, {quarantined} thay đổi đang bị tỉnh giữ lại chờ xử lý: sổ cái có ghi."
            ),
            format!(
                "    Of those only counted, {quarantined} are in quarantine at the province: the ledger says so."
            ),
        );
    }
}
