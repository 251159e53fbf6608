//! The data folder: there, one's own, and on a disk that keeps what it is given.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::{Finding, Text};

/// Below this much room the log's next two segments may not fit.
const FREE_BYTES_MIN: u64 = 128 * 1024 * 1024;
/// Below this much room somebody should tidy up before it is urgent.
const FREE_BYTES_LOW: u64 = 1024 * 1024 * 1024;
/// Entries of the folder whose owners are looked at.
const ENTRIES_MAX: usize = 10_000;

/// What stands where the data folder should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nothing.
    Missing,
    /// Something else than a folder.
    NoFolder,
    /// A folder.
    Folder(Folder),
}

/// A data folder as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Permission bits.
    pub mode: u32,
    /// Whose it is.
    pub owner: u32,
    /// Who looks.
    pub caller: u32,
    /// Whether the caller may look into it.
    pub readable: bool,
    /// Whether the caller may write into it; otherwise why not.
    pub writable: Result<(), String>,
    /// Something in it that is not its owner's.
    pub stranger: Option<PathBuf>,
    /// Room for its owner, in bytes.
    pub free_bytes: Option<u64>,
    /// The number of its file system's kind.
    pub kind: Option<i64>,
}

impl Place {
    /// Looks at a path; nothing is changed.
    #[must_use]
    pub fn observe(path: &Path) -> Self {
        let Ok(about) = std::fs::metadata(path) else { return Self::Missing };
        if !about.is_dir() {
            return Self::NoFolder;
        }
        let access = rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK);
        let room = rustix::fs::statvfs(path).ok();
        Self::Folder(Folder {
            mode: about.mode() & 0o777,
            owner: about.uid(),
            caller: rustix::process::geteuid().as_raw(),
            readable: rustix::fs::access(path, Access::READ_OK | Access::EXEC_OK).is_ok(),
            writable: access.map_err(|errno| std::io::Error::from(errno).to_string()),
            stranger: stranger(path, about.uid()),
            free_bytes: room.map(|room| room.f_bavail.saturating_mul(room.f_frsize)),
            kind: rustix::fs::statfs(path).ok().map(|of| of.f_type),
        })
    }

    /// Whether there is anything to look at inside.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        matches!(self, Self::Folder(_))
    }

    /// Whether it is a folder into which the caller may not look.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Folder(Folder { readable: false, .. }))
    }

    /// What that comes to.
    #[must_use]
    pub fn judge(&self, path: &Path) -> Vec<Finding> {
        let shown = path.display();
        match self {
            Self::Missing => vec![Finding::warning(
                FOLDER,
                Text::new(
                    format!("chưa có thư mục dữ liệu {shown}"),
                    format!("there is no data folder {shown}"),
                ),
                Text::new(
                    "máy chưa ghi danh, hoặc --data trỏ sai chỗ",
                    "not enrolled yet, or --data names another place",
                ),
                Text::new(
                    "xem lại --data; nếu là máy mới: `lienthong-node enrol`",
                    "check --data; on a new machine: `lienthong-node enrol`",
                ),
            )],
            Self::NoFolder => vec![Finding::fault(
                FOLDER,
                Text::new(format!("{shown} không phải thư mục"), format!("{shown} is no folder")),
                Text::new("dữ liệu cần một thư mục riêng", "the data needs a folder of its own"),
                Text::new(
                    "sửa --data, LIENTHONG_DATA hoặc khóa data",
                    "mend --data, LIENTHONG_DATA or the key data",
                ),
            )],
            Self::Folder(folder) => vec![folder.own(path), folder.room(), folder.file_system()],
        }
    }
}

const FOLDER: &str = "data_folder";
const SPACE: &str = "space";
const FILE_SYSTEM: &str = "file_system";

impl Folder {
    fn own(&self, path: &Path) -> Finding {
        let shown = path.display();
        if let Err(error) = &self.writable {
            return Finding::fault(
                FOLDER,
                Text::new(format!("không ghi được vào {shown}"), format!("{shown} cannot be written")),
                Text::new(
                    format!(
                        "{error}; chủ thư mục là uid {}, lệnh này chạy bằng uid {}",
                        self.owner, self.caller
                    ),
                    format!(
                        "{error}; it belongs to uid {}, this command runs as uid {}",
                        self.owner, self.caller
                    ),
                ),
                Text::new(
                    "chạy bằng đúng người dùng: `sudo -u lienthong-node lienthong-node …`; nếu đĩa chỉ đọc: xem `dmesg`, thay đĩa",
                    "run as its owner: `sudo -u lienthong-node lienthong-node …`; if the disk is read-only: see `dmesg`, replace it",
                ),
            );
        }
        if let Some(stranger) = &self.stranger {
            return Finding::fault(
                FOLDER,
                Text::new(
                    format!("{} không thuộc chủ thư mục", stranger.display()),
                    format!("{} is not the folder owner's", stranger.display()),
                ),
                Text::new(
                    "một lệnh đã chạy bằng người dùng khác (thường là root) khi dịch vụ dừng",
                    "a command ran as another user (mostly root) while the service was stopped",
                ),
                Text::new(
                    format!("dừng dịch vụ, `chown -R {} {shown}`, chạy lại", self.owner),
                    format!("stop the service, `chown -R {} {shown}`, start it again", self.owner),
                ),
            );
        }
        if self.mode & 0o077 != 0 {
            return Finding::fault(
                FOLDER,
                Text::new(
                    format!("người khác trên máy đọc được {shown} (mode {:o})", self.mode),
                    format!("others on this machine may read {shown} (mode {:o})", self.mode),
                ),
                Text::new("trong đó có hồ sơ và khóa của đơn vị", "the unit's records and keys are in it"),
                Text::new(format!("`chmod 700 {shown}`"), format!("`chmod 700 {shown}`")),
            );
        }
        Finding::ok(FOLDER, Text::new(format!("thư mục dữ liệu {shown}"), format!("data folder {shown}")))
    }

    fn room(&self) -> Finding {
        let Some(free) = self.free_bytes else {
            return Finding::ok(SPACE, Text::new("dung lượng: không rõ", "room: not known"));
        };
        let mib = free / (1024 * 1024);
        let what = Text::new(format!("đĩa còn {mib} MB"), format!("{mib} MB of room on the disk"));
        let next = Text::new(
            "xóa bớt tệp khác trên đĩa (đừng xóa gì trong thư mục dữ liệu), hoặc thay đĩa lớn hơn",
            "remove other files from the disk (nothing of the data folder), or take a larger one",
        );
        match free {
            ..FREE_BYTES_MIN => Finding::fault(
                SPACE,
                what,
                Text::new(
                    "khi đầy, máy ngừng nhận ghi mới; điều đã nhận không mất",
                    "once it is full nothing more is accepted; what was accepted is not lost",
                ),
                next,
            ),
            FREE_BYTES_MIN..FREE_BYTES_LOW => {
                Finding::warning(SPACE, what, Text::new("sắp đầy", "it will be full before long"), next)
            }
            _ => Finding::ok(SPACE, what),
        }
    }

    fn file_system(&self) -> Finding {
        let known = KINDS.iter().find(|(number, ..)| self.kind == Some(*number));
        let Some((_, name, trouble)) = known else {
            return Finding::ok(FILE_SYSTEM, Text::new("hệ tệp dùng được", "a file system that serves"));
        };
        let what =
            Text::new(format!("thư mục dữ liệu nằm trên {name}"), format!("the data folder is on {name}"));
        let move_it = Text::new(
            "chuyển thư mục sang ổ đĩa trong máy dùng ext4 hoặc xfs (dừng dịch vụ, sao chép, sửa khóa data)",
            "move the folder to a disk of this machine with ext4 or xfs (stop, copy, mend the key data)",
        );
        match trouble {
            Trouble::NoRights => Finding::fault(
                FILE_SYSTEM,
                what,
                Text::new(
                    "không giữ được quyền của tệp: ai cũng đọc được hồ sơ và khóa",
                    "it keeps no permissions: anybody reads records and keys",
                ),
                move_it,
            ),
            Trouble::Volatile => Finding::fault(
                FILE_SYSTEM,
                what,
                Text::new("tắt máy là mất hết", "everything is gone when the machine stops"),
                move_it,
            ),
            Trouble::Doubtful => Finding::warning(
                FILE_SYSTEM,
                what,
                Text::new(
                    "khóa tệp và lệnh ghi xuống đĩa ở đó có thể không thật",
                    "locks and confirmed writes may not be true there",
                ),
                move_it,
            ),
            Trouble::Layer => Finding::warning(
                FILE_SYSTEM,
                what,
                Text::new("xóa container là mất dữ liệu", "the data is gone with the container"),
                Text::new("gắn một volume vào thư mục dữ liệu", "mount a volume at the data folder"),
            ),
        }
    }
}

#[derive(Clone, Copy)]
enum Trouble {
    NoRights,
    Volatile,
    Doubtful,
    Layer,
}

/// Kinds of file systems that are trouble, by the kernel's numbers (`linux/magic.h`).
const KINDS: [(i64, &str, Trouble); 12] = [
    (0x4d44, "FAT", Trouble::NoRights),
    (0x2011_bab0, "exFAT", Trouble::NoRights),
    (0x5346_544e, "NTFS", Trouble::NoRights),
    (0x7366_746e, "NTFS", Trouble::NoRights),
    (0x6573_5546, "FUSE", Trouble::Doubtful),
    (0x6969, "NFS", Trouble::Doubtful),
    (0xff53_4d42, "SMB", Trouble::Doubtful),
    (0xfe53_4d42, "SMB", Trouble::Doubtful),
    (0x9123_683e, "btrfs", Trouble::Doubtful),
    (0x0102_1994, "tmpfs", Trouble::Volatile),
    (0x8584_58f6, "ramfs", Trouble::Volatile),
    (0x794c_7630, "overlayfs", Trouble::Layer),
];

/// The first entry of the folder, or of a folder in it, that is somebody else's.
fn stranger(path: &Path, owner: u32) -> Option<PathBuf> {
    let entries = |folder: &Path| {
        std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect::<Vec<_>>()
    };
    // What people lay into the watched folder is theirs; a disk of its own has a folder of root's for what a repair finds.
    let own = |entry: &PathBuf| entry.file_name().is_none_or(|name| name != "inbox" && name != "lost+found");
    let inner = entries(path).into_iter().filter(own);
    let mut looked = 0;
    for entry in inner {
        let below = if entry.is_dir() { entries(&entry) } else { Vec::new() };
        for found in std::iter::once(entry).chain(below) {
            looked += 1;
            if looked > ENTRIES_MAX {
                return None;
            }
            if std::fs::symlink_metadata(&found).is_ok_and(|about| about.uid() != owner) {
                return Some(found);
            }
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Grade;
    use super::*;

    fn whole() -> Folder {
        Folder {
            mode: 0o700,
            owner: 1_000,
            caller: 1_000,
            readable: true,
            writable: Ok(()),
            stranger: None,
            free_bytes: Some(10 * FREE_BYTES_LOW),
            kind: Some(0xef53),
        }
    }

    fn faults(folder: Folder) -> Vec<(&'static str, Grade)> {
        let found = Place::Folder(folder).judge(Path::new("/srv/x"));
        found.into_iter().map(|f| (f.check, f.grade)).filter(|(_, grade)| *grade != Grade::Ok).collect()
    }

    #[test]
    fn what_others_may_own_is_no_stranger() {
        let dir = tempfile::tempdir().unwrap();
        let another = rustix::process::geteuid().as_raw() + 1;
        for fine in ["inbox", "lost+found"] {
            std::fs::create_dir(dir.path().join(fine)).unwrap();
        }
        assert_eq!(stranger(dir.path(), another), None);
        std::fs::create_dir(dir.path().join("log")).unwrap();
        assert_eq!(stranger(dir.path(), another), Some(dir.path().join("log")));
    }

    #[test]
    fn each_trouble_is_named_and_only_it() {
        assert!(faults(whole()).is_empty());
        let refused = Err("Permission denied".to_owned());
        assert_eq!(faults(Folder { writable: refused, ..whole() }), [(FOLDER, Grade::Fault)]);
        assert_eq!(faults(Folder { mode: 0o755, ..whole() }), [(FOLDER, Grade::Fault)]);
        let stranger = Some(PathBuf::from("/srv/x/lock"));
        assert_eq!(faults(Folder { stranger, ..whole() }), [(FOLDER, Grade::Fault)]);
        assert_eq!(faults(Folder { free_bytes: Some(5), ..whole() }), [(SPACE, Grade::Fault)]);
        let low = Some(FREE_BYTES_LOW - 1);
        assert_eq!(faults(Folder { free_bytes: low, ..whole() }), [(SPACE, Grade::Warning)]);
        assert_eq!(faults(Folder { kind: Some(0x4d44), ..whole() }), [(FILE_SYSTEM, Grade::Fault)]);
        assert_eq!(faults(Folder { kind: Some(0x0102_1994), ..whole() }), [(FILE_SYSTEM, Grade::Fault)]);
        assert_eq!(faults(Folder { kind: Some(0x6969), ..whole() }), [(FILE_SYSTEM, Grade::Warning)]);
        assert_eq!(Place::NoFolder.judge(Path::new("/x")).len(), 1);
    }
}
