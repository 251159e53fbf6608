//! Who the node is: enrolled, keys readable, the certificate good for long enough; no recovery left half done.

use std::path::Path;

use lienthong_proto::time::UnixMillis;

use super::{Finding, Grade, Text};
use crate::identity::{IdentityError, NodeIdentity, own_pair};
use crate::recover;
use crate::replica::log_dir;

/// It renews by itself a month after it was issued: one with so few days left was not.
const DAYS_LOW: u64 = 60;
const DAY_MILLIS: u64 = 24 * 3_600 * 1_000;

/// What a folder says of its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It was never enrolled.
    Unenrolled,
    /// It was, as its log shows, and what enrolment settled is gone.
    Lost,
    /// It does not open.
    Unreadable(String),
    /// It is enrolled.
    Enrolled {
        /// The unit's name and code.
        unit: String,
        /// From when and until when the certificate is good.
        validity: Option<(UnixMillis, UnixMillis)>,
        /// Why its certificate or key is of no use, though the time is within those.
        flaw: Option<String>,
    },
}

/// The identity of a folder, and whether a recovery of it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who it is.
    pub known: Known,
    /// A recovery was begun and not finished.
    pub recovering: bool,
    /// The province has fenced this log.
    pub regressed: bool,
}

impl Identity {
    /// Looks at what [`NodeIdentity::load`] said of a folder, and at the marks beside it.
    #[must_use]
    pub fn observe(
        data: &Path,
        loaded: &Result<Option<NodeIdentity>, IdentityError>,
        now: UnixMillis,
    ) -> Self {
        let known = match loaded {
            Ok(None) if log_dir(data).exists() => Known::Lost,
            Ok(None) => Known::Unenrolled,
            Err(error) => Known::Unreadable(error.to_string()),
            Ok(Some(identity)) => Known::Enrolled {
                unit: format!("{} ({})", identity.profile().unit_name, identity.unit()),
                validity: identity.validity(),
                flaw: own_pair(identity, now).err().map(|error| error.to_string()),
            },
        };
        let recovering = data.join(recover::RECOVERING).exists() || recover::is_half_mended(data);
        Self { known, recovering, regressed: data.join("regressed").exists() }
    }

    /// What that comes to at a time.
    #[must_use]
    pub fn judge(&self, now: UnixMillis) -> Vec<Finding> {
        let mut found = Vec::new();
        match &self.known {
            Known::Unenrolled => found.push(Finding::warning(
                IDENTITY,
                Text::new("máy chưa ghi danh", "not enrolled"),
                Text::new("chưa có khóa và giấy chứng nhận của đơn vị", "it has no keys and no certificate of a unit yet"),
                Text::new(
                    "xin tỉnh mã ghi danh, rồi `lienthong-node enrol --hub MÁY:7443 --token MÃ`; thử đường truyền trước: `doctor --hub MÁY:7443`",
                    "ask the province for a token, then `lienthong-node enrol --hub HOST:7443 --token TOKEN`; to try the line first: `doctor --hub HOST:7443`",
                ),
            )),
            Known::Lost => found.push(Finding::fault(
                IDENTITY,
                Text::new("mất tệp ghi danh identity/profile.json", "identity/profile.json, of enrolment, is gone"),
                Text::new(
                    "nhật ký còn đó: máy đã từng ghi danh; có người xóa tệp, hoặc đĩa hỏng",
                    "the log is there: it was enrolled; somebody deleted the file, or the disk is failing",
                ),
                Text::new(
                    "chép lại tệp đó nếu còn; không thì xin tỉnh mã mới (`token create`), rồi `lienthong-node recover --hub MÁY:7443 --token MÃ`",
                    "put the file back if it is somewhere; otherwise ask the province for a token (`token create`), then `lienthong-node recover --hub HOST:7443 --token TOKEN`",
                ),
            )),
            Known::Unreadable(error) => found.push(Finding::fault(
                IDENTITY,
                Text::new("không đọc được khóa của máy", "the node's keys cannot be read"),
                Text::of(error),
                Text::new(
                    "không được phép đọc, hoặc người khác đọc được: sửa quyền tệp đó; tệp mất hoặc hỏng: xin tỉnh mã mới, `lienthong-node recover --token MÃ`",
                    "not permitted, or readable by others: mend that file's rights; gone or damaged: ask the province for a token, `lienthong-node recover --token TOKEN`",
                ),
            )),
            Known::Enrolled { unit, validity, flaw } => {
                found.push(Finding::ok(IDENTITY, Text::new(format!("đơn vị {unit}"), format!("unit {unit}"))));
                let judged = certificate(*validity, now);
                let serves = judged.grade < Grade::Fault;
                found.push(flaw.as_ref().filter(|_| serves).map_or(judged, |flaw| flawed(flaw)));
            }
        }
        found.extend(self.recovery());
        found
    }

    fn recovery(&self) -> Option<Finding> {
        if self.recovering {
            return Some(Finding::fault(
                RECOVERY,
                Text::new("một lần khôi phục chưa xong", "a recovery is not finished"),
                Text::new("máy không chạy cho tới khi khôi phục xong", "the node does not run before it is"),
                Text::new(
                    "chạy lại `lienthong-node recover`; đừng xóa gì",
                    "run `lienthong-node recover` again; delete nothing",
                ),
            ));
        }
        self.regressed.then(|| {
            Finding::fault(
                RECOVERY,
                Text::new("nhật ký máy này khác bản tỉnh giữ: chỉ đọc", "this log contradicts what the province holds: read-only"),
                Text::new(
                    "thư mục đã được sao chép hoặc đưa về bản cũ",
                    "the folder was copied, or put back from an old image",
                ),
                Text::new(
                    "dừng bản sao kia hẳn; gọi tỉnh duyệt (`unit approve-recovery`), rồi `lienthong-node recover`",
                    "stop the other copy for good; have the province approve (`unit approve-recovery`), then `lienthong-node recover`",
                ),
            )
        })
    }
}

const IDENTITY: &str = "identity";
const CERTIFICATE: &str = "certificate";
const RECOVERY: &str = "recovery";

/// A pair that is of no use.
fn flawed(flaw: &str) -> Finding {
    Finding::fault(
        CERTIFICATE,
        Text::new(
            "giấy chứng nhận hoặc khóa TLS của máy bị hỏng",
            "the node's certificate or its TLS key is damaged",
        ),
        Text::of(flaw),
        another(),
    )
}

/// How to come by another certificate.
fn another() -> Text {
    Text::new(
        "xin tỉnh mã mới (`token create`), rồi `lienthong-node recover --token MÃ`: dữ liệu giữ nguyên",
        "ask the province for a token (`token create`), then `lienthong-node recover --token TOKEN`: the records stay",
    )
}

fn certificate(validity: Option<(UnixMillis, UnixMillis)>, now: UnixMillis) -> Finding {
    let Some((from, until)) = validity else {
        return Finding::fault(
            CERTIFICATE,
            Text::new("không đọc được giấy chứng nhận", "the certificate cannot be read"),
            Text::new("tệp hỏng", "the file is damaged"),
            another(),
        );
    };
    if now < from {
        return Finding::fault(
            CERTIFICATE,
            Text::new("giấy chứng nhận chưa có hiệu lực", "the certificate is not valid yet"),
            Text::new(
                format!("đồng hồ máy ({}) chậm hơn ngày cấp ({})", now.rfc3339(), from.rfc3339()),
                format!(
                    "this clock ({}) is behind the day it was issued ({})",
                    now.rfc3339(),
                    from.rfc3339()
                ),
            ),
            set_the_clock(),
        );
    }
    let days = until.since(now) / DAY_MILLIS;
    let what =
        Text::new(format!("giấy chứng nhận còn {days} ngày"), format!("{days} days left of the certificate"));
    if now >= until {
        return Finding::fault(
            CERTIFICATE,
            Text::new(
                format!("giấy chứng nhận đã hết hạn {}", until.rfc3339()),
                format!("the certificate ended {}", until.rfc3339()),
            ),
            Text::new(
                "máy không nối với tỉnh quá lâu, hoặc đồng hồ sai",
                "the node was not connected for too long, or this clock is wrong",
            ),
            Text::new(
                format!(
                    "xem giờ máy ({}) có đúng không; đúng thì nhờ tỉnh duyệt: `lienthong-hub unit approve-renewal MÃ-ĐƠN-VỊ`; dịch vụ đang chạy thì tự gia hạn, dữ liệu giữ nguyên",
                    now.rfc3339()
                ),
                format!(
                    "is this clock ({}) right? then have the province approve: `lienthong-hub unit approve-renewal UNIT`; the running service renews by itself, the records stay",
                    now.rfc3339()
                ),
            ),
        );
    }
    if days < DAYS_LOW {
        return Finding::warning(
            CERTIFICATE,
            what,
            Text::new(
                "máy tự gia hạn khi nối được với tỉnh; lâu rồi chưa được",
                "it renews when the hub is reached, which it was not for long",
            ),
            Text::new("sửa đường truyền trước ngày đó", "mend the line before that day"),
        );
    }
    Finding::ok(CERTIFICATE, what)
}

pub(super) fn set_the_clock() -> Text {
    Text::new(
        "chỉnh giờ: `timedatectl set-ntp true`, hoặc `timedatectl set-time`; pin CMOS hỏng thì thay",
        "set the clock: `timedatectl set-ntp true`, or `timedatectl set-time`; replace a dead CMOS battery",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn troubles(identity: &Identity, now: u64) -> Vec<(&'static str, Grade)> {
        let found = identity.judge(UnixMillis(now * DAY_MILLIS));
        found.into_iter().map(|f| (f.check, f.grade)).filter(|(_, grade)| *grade != Grade::Ok).collect()
    }

    fn enrolled() -> Identity {
        let validity = Some((UnixMillis(100 * DAY_MILLIS), UnixMillis(465 * DAY_MILLIS)));
        let known = Known::Enrolled { unit: "Phố Hiến (11953)".to_owned(), validity, flaw: None };
        Identity { known, recovering: false, regressed: false }
    }

    #[test]
    fn each_trouble_is_named_and_only_it() {
        assert!(troubles(&enrolled(), 101).is_empty());
        assert!(troubles(&enrolled(), 405).is_empty());
        assert_eq!(troubles(&enrolled(), 406), [(CERTIFICATE, Grade::Warning)]);
        assert_eq!(troubles(&enrolled(), 465), [(CERTIFICATE, Grade::Fault)]);
        assert_eq!(troubles(&enrolled(), 99), [(CERTIFICATE, Grade::Fault)]);
        assert_eq!(troubles(&Identity { recovering: true, ..enrolled() }, 101), [(RECOVERY, Grade::Fault)]);
        assert_eq!(troubles(&Identity { regressed: true, ..enrolled() }, 101), [(RECOVERY, Grade::Fault)]);
        let unenrolled = Identity { known: Known::Unenrolled, ..enrolled() };
        assert_eq!(troubles(&unenrolled, 101), [(IDENTITY, Grade::Warning)]);
        let lost = Identity { known: Known::Lost, ..enrolled() };
        assert_eq!(troubles(&lost, 101), [(IDENTITY, Grade::Fault)]);
        let damaged = Identity { known: Known::Unreadable("log.seed".to_owned()), ..enrolled() };
        assert_eq!(troubles(&damaged, 101), [(IDENTITY, Grade::Fault)]);
    }
}
