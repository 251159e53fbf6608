//! What keeps a quarantined change from being merged, or from being told apart.

/// Why not, in both tongues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Obstacle {
    /// Vietnamese.
    pub vi: &'static str,
    /// English.
    pub en: &'static str,
}

impl Obstacle {
    pub(super) const NEVER_STORED: Self =
        Self { vi: "nội dung chưa bao giờ được lưu", en: "its content was never stored" };
    pub(super) const NOT_UNDERSTOOD: Self =
        Self { vi: "phiên bản này không hiểu nội dung", en: "this version does not understand it" };
    pub(super) const AHEAD: Self = Self {
        vi: "nó sẽ đè lên mọi lần ghi về sau",
        en: "it would win against every later write",
    };
    pub(super) const TYPE_UNKNOWN: Self = Self {
        vi: "danh mục chưa có loại bản ghi này",
        en: "the catalogue does not know its type yet",
    };
    pub(super) const TOO_HEAVY: Self =
        Self { vi: "bản ghi sẽ có quá nhiều mục", en: "the record would hold too many items" };
    pub(super) const OTHERWISE: Self = Self {
        vi: "nó không chờ vì nói về người khác",
        en: "it does not wait because of who it speaks of",
    };
    pub(super) const TAKEN: Self = Self {
        vi: "đơn vị khác đã có bản ghi mang mã ấy",
        en: "another unit has a record of that id",
    };
}
