//! Why a unit needs a person: worst first, each with how bad it is.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use lienthong_node::observe::Room;
use lienthong_proto::catalogue::Dimension;
use lienthong_proto::ids::UnitCode;
use lienthong_proto::quality::{Count, Score};
use lienthong_proto::time::UnixMillis;

use crate::alerts::Limits;
use crate::app::Hub;

/// A clock that is off by more than this is said.
const SKEW_MILLIS: u64 = 10 * 60 * 1_000;
/// A connected node's lag is let pass while something comes of it at least so often: ten heartbeats.
const STANDING_MILLIS: u64 = 5 * 60 * 1_000;
/// Data of which less than this share is fine, in tenths of a percent, is dirty.
const CLEAN_TENTHS: u16 = 900;
/// What makes data dirty. What is missing or late is asked for in its season, and shows on the page of quality.
const CLEAN: [Dimension; 4] = [Dimension::Dung, Dimension::Sach, Dimension::ThongNhat, Dimension::DungChung];
const DAY_MILLIS: u64 = 86_400_000;

/// What is looked up once for all units.
#[derive(Debug)]
pub(super) struct Grounds {
    /// From when on somebody is called.
    pub(super) limits: Limits,
    /// Changes in each unit's quarantine.
    pub(super) waiting: BTreeMap<UnitCode, usize>,
    /// Changes that came into each unit's quarantine within a day.
    pub(super) arrived: BTreeMap<UnitCode, usize>,
    /// Units whose node was found to hold other records.
    pub(super) differing: BTreeMap<UnitCode, UnixMillis>,
}

impl Hub {
    pub(super) fn grounds(&self) -> Grounds {
        let day_ago = UnixMillis(self.now().0.saturating_sub(DAY_MILLIS));
        Grounds {
            limits: self.alerts.limits(),
            waiting: self.quarantined_since(UnixMillis(0)),
            arrived: self.quarantined_since(day_ago),
            differing: self.observed.meters.differing(),
        }
    }
}

/// The reasons of one unit as they are found.
#[derive(Debug, Default)]
pub(super) struct Troubles(Vec<(u8, String, String)>);

/// How many changes wait, in Vietnamese and English: how what is said of them begins.
#[must_use]
pub(crate) fn quarantined_words(count: usize) -> (String, String) {
    (format!("{count} thay đổi chưa nhập được"), format!("{count} changes in quarantine"))
}

impl Troubles {
    /// One more: 4 stopped or contradicting, 3 not in step or about to stop, 2 work that piles up or soon will, 1 to be
    /// looked at.
    pub(super) fn raise(&mut self, severity: u8, vi: impl Into<String>, en: impl Into<String>) {
        self.0.push((severity, vi.into(), en.into()));
    }

    /// How bad the worst is; 0 if nothing is.
    pub(super) fn severity(&self) -> u8 {
        self.0.iter().map(|(severity, ..)| *severity).max().unwrap_or(0)
    }

    /// The reasons, worst first: in Vietnamese, and in English.
    pub(super) fn into_reasons(mut self) -> (Vec<String>, Vec<String>) {
        self.0.sort_by_key(|(severity, ..)| Reverse(*severity));
        self.0.into_iter().map(|(_, vi, en)| (vi, en)).unzip()
    }

    /// Its log contradicts itself.
    pub(super) fn fenced(&mut self) {
        self.raise(
            4,
            "nhật ký mâu thuẫn với bản tỉnh giữ (máy bị sao chép hoặc khôi phục từ bản cũ); máy đã bị dừng",
            "its log contradicts what the province holds (a copied machine, or one put back from an old image); it is stopped",
        );
    }

    /// Its node was compared with the hub and holds other records.
    pub(super) fn differs(&mut self) {
        self.raise(
            4,
            "máy xã giữ bản ghi khác bản tỉnh giữ",
            "its node holds other records than the province",
        );
    }

    /// It is connected and says nothing, or not connected.
    pub(super) fn away(&mut self, silent: bool) {
        let (vi, en) = if silent { ("im lặng", "silent") } else { ("mất kết nối", "not connected") };
        self.raise(3, vi, en);
    }

    /// So much was announced and is not here.
    pub(super) fn lag(&mut self, lag: u64) {
        self.raise(3, format!("còn {lag} mục chưa về tỉnh"), format!("{lag} entries have not arrived"));
    }

    /// Its disk, by its own word.
    pub(super) fn room(&mut self, room: Room, limits: &Limits) {
        let free = room.free_percent();
        if free < limits.disk_percent {
            self.raise(3, format!("đĩa của máy còn trống {free} %"), format!("{free} % of its disk is free"));
        }
    }

    /// Its certificate.
    pub(super) fn certificate(&mut self, until: UnixMillis, now: UnixMillis, limits: &Limits) {
        let left = until.since(now);
        if left >= limits.certificate_seconds.saturating_mul(1_000) {
            return;
        }
        let days = left / DAY_MILLIS;
        if left == 0 {
            self.raise(3, "chứng thư của máy đã hết hạn", "its certificate has ended");
        } else {
            let vi = format!("chứng thư của máy còn {days} ngày");
            self.raise(2, vi, format!("its certificate ends in {days} days"));
        }
    }

    /// What waits in its quarantine, and how much of that is new.
    pub(super) fn quarantine(&mut self, count: usize, new: usize) {
        if count == 0 {
            return;
        }
        let (mut vi, mut en) = quarantined_words(count);
        if new > 0 {
            vi += &format!(", thêm {new} trong 24 giờ");
            en += &format!(", {new} of them new within 24 hours");
        }
        self.raise(2, vi, en);
    }

    /// How far its clock is off.
    pub(super) fn clock(&mut self, skew_millis: i64) {
        if skew_millis.unsigned_abs() > SKEW_MILLIS {
            let minutes = skew_millis.unsigned_abs() / 60_000;
            let (vi, en) = if skew_millis > 0 { ("nhanh", "ahead") } else { ("chậm", "behind") };
            self.raise(
                1,
                format!("đồng hồ máy {vi} {minutes} phút"),
                format!("its clock is {minutes} minutes {en}"),
            );
        }
    }

    /// How good its data is: the worst of what makes data dirty.
    pub(super) fn dirt(&mut self, score: &Score) {
        let figures = CLEAN.map(|dimension| (dimension, score.figure(dimension)));
        let worst =
            figures.into_iter().reduce(|worst, next| if next.1.is_below(worst.1) { next } else { worst });
        let Some((dimension, count)) = worst else { return };
        if let Some(percent) = dirty(count) {
            let (label, bad) = (dimension.label(), count.all - count.good);
            let vi = format!("dữ liệu chưa sạch: {} {percent} % ({bad} lỗi)", label.vi.to_lowercase());
            let en = format!("its data is dirty: {} {percent} % ({bad} at fault)", label.en.to_lowercase());
            self.raise(1, vi, en);
        }
    }
}

/// The share in percent, if it is too small.
fn dirty(count: Count) -> Option<u8> {
    count.tenths().filter(|tenths| *tenths < CLEAN_TENTHS).and_then(|_| count.percent())
}

/// Whether a lag stands: nothing came of it since it was seen for so long.
pub(super) fn stands(standing: Option<(u64, UnixMillis)>, held: u64, now: UnixMillis) -> bool {
    standing.is_some_and(|(then, since)| then == held && now.since(since) >= STANDING_MILLIS)
}
