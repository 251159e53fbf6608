//! What lowers a unit's figures and is of no record: said in words, since when and what to do.

use lienthong_proto::catalogue::Label;
use lienthong_proto::quality::{Seen, Silence};
use lienthong_proto::time::UnixMillis;

use super::answers::text;
use crate::capture::Language;
use crate::shown::instant;

/// Who speaks of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewpoint {
    /// The province, of a unit.
    Hub,
    /// A unit's node, of itself and the province.
    Node,
}

/// What is to be said beside a unit's figures; `last` is when the other side was heard last.
#[must_use]
pub fn remarks(seen: Seen, last: Option<UnixMillis>, viewpoint: Viewpoint) -> Vec<Label> {
    of_silence(seen.silence, last, viewpoint).into_iter().chain(of_digests(seen.alike, viewpoint)).collect()
}

/// The same in both languages in one text each, as documents have them.
#[must_use]
pub fn remarks_text(seen: Seen, last: Option<UnixMillis>, viewpoint: Viewpoint) -> Vec<String> {
    remarks(seen, last, viewpoint).iter().map(text).collect()
}

fn of_silence(silence: Silence, last: Option<UnixMillis>, viewpoint: Viewpoint) -> Option<Label> {
    let (whom, do_what) = match viewpoint {
        Viewpoint::Hub => (
            ("máy của đơn vị", "the unit’s node"),
            (
                "gọi đơn vị, xem máy có chạy và có mạng không",
                "call the unit and see whether its machine runs and has a line",
            ),
        ),
        Viewpoint::Node => (
            ("tỉnh", "the hub"),
            (
                "kiểm tra đường mạng của máy này, hoặc báo tỉnh",
                "check this machine’s line, or tell the province",
            ),
        ),
    };
    let since = last.map(|at| (instant(Language::Vi, at), instant(Language::En, at)));
    Some(match (silence, since) {
        (Silence::Heard, _) => return None,
        (Silence::Amber, since) => {
            let (vi, en) = since.unwrap_or_default();
            Label {
                vi: format!(
                    "số “sống” báo vàng: không liên lạc được với {} từ {vi}, quá 24 giờ; sau 72 giờ số này về 0: {}",
                    whom.0, do_what.0
                ),
                en: format!(
                    "“live” is amber: {} was last heard at {en}, over 24 hours ago; after 72 hours the figure is 0: {}",
                    whom.1, do_what.1
                ),
            }
        }
        (Silence::Silent, Some((vi, en))) => Label {
            vi: format!(
                "số “sống” bằng 0, không phải vì bản ghi nào: không liên lạc được với {} từ {vi}, quá 72 giờ: {}; nối lại là số trở lại như cũ",
                whom.0, do_what.0
            ),
            en: format!(
                "“live” is 0 for no record’s sake: {} was last heard at {en}, over 72 hours ago: {}; the figure comes back with the line",
                whom.1, do_what.1
            ),
        },
        (Silence::Silent, None) => Label {
            vi: format!(
                "số “sống” bằng 0, không phải vì bản ghi nào: chưa lần nào liên lạc được với {}: {}",
                whom.0, do_what.0
            ),
            en: format!("“live” is 0 for no record’s sake: {} was never heard of: {}", whom.1, do_what.1),
        },
    })
}

fn of_digests(alike: Option<bool>, viewpoint: Viewpoint) -> Option<Label> {
    let (vi, en) = match (alike, viewpoint) {
        (None | Some(true), _) => return None,
        (Some(false), Viewpoint::Hub) => (
            "số “thống nhất” mất một phép đối chiếu: tỉnh và máy của đơn vị không giữ như nhau: chạy `lienthong-hub reconcile --unit`, xem khác gì, rồi thêm `--repair`",
            "“unified” has lost a check: hub and node do not hold the same: run `lienthong-hub reconcile --unit`, look at what differs, then add `--repair`",
        ),
        (Some(false), Viewpoint::Node) => (
            "số “thống nhất” mất một phép đối chiếu: nhật ký của máy này không khớp nhật ký tỉnh đã nhận: làm theo hướng dẫn khôi phục, hoặc báo tỉnh",
            "“unified” has lost a check: this machine’s log is not the one the hub has received: recover it, or tell the province",
        ),
    };
    Some(Label { vi: vi.to_owned(), en: en.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_records_fault_is_said_with_since_when_and_what_to_do() {
        let at = Some(UnixMillis(1_795_680_000_000));
        let said = |silence, alike, last| remarks_text(Seen { silence, alike }, last, Viewpoint::Hub);
        assert_eq!(said(Silence::Heard, None, at), Vec::<String>::new());
        assert_eq!(said(Silence::Heard, Some(true), at), Vec::<String>::new());
        let amber = said(Silence::Amber, None, at);
        assert!(amber[0].contains("ngày 26/11/2026") && amber[0].contains("amber"), "{amber:?}");
        let silent = said(Silence::Silent, Some(false), at);
        assert!(
            silent[0].contains("last heard at 26/11/2026") && silent[0].contains("gọi đơn vị"),
            "{silent:?}"
        );
        assert!(silent[1].contains("reconcile --unit"), "{silent:?}");
        assert!(said(Silence::Silent, None, None)[0].contains("never heard of"));
        for viewpoint in [Viewpoint::Hub, Viewpoint::Node] {
            let seen = Seen { silence: Silence::Silent, alike: Some(false) };
            let both = remarks_text(seen, at, viewpoint);
            assert!(both.iter().all(|text| text.matches(" · ").count() == 1), "{both:?}");
        }
    }
}
