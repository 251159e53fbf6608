//! The watched folder and the folders in it: they can be written, so that a file taken in can be moved aside.

use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::{Finding, Text};

/// The watched folder as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Which.
    pub folder: PathBuf,
    /// Whether it is there.
    pub there: bool,
    /// Whether it could be made.
    pub can_be_made: bool,
    /// It, or a folder in it, cannot be written: which, and why.
    pub refused: Option<(PathBuf, String)>,
}

impl Watched {
    /// Looks at it; nothing is changed.
    #[must_use]
    pub fn observe(folder: &Path) -> Self {
        let may =
            |path: &Path| rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK);
        let inner = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let there = folder.is_dir();
        let all = there.then(|| folder.to_owned()).into_iter().chain(inner.filter(|path| path.is_dir()));
        let refused = all
            .into_iter()
            .find_map(|path| may(&path).err().map(|errno| (path, std::io::Error::from(errno).to_string())));
        let above = folder.ancestors().skip(1).find(|path| path.exists());
        Self {
            folder: folder.to_owned(),
            there,
            can_be_made: above.is_some_and(|path| may(path).is_ok()),
            refused,
        }
    }

    /// What that comes to.
    #[must_use]
    pub fn judge(&self) -> Finding {
        let shown = self.folder.display();
        if let Some((path, error)) = &self.refused {
            return Finding::fault(
                INBOX,
                Text::new(
                    format!("không ghi được vào {}", path.display()),
                    format!("{} cannot be written", path.display()),
                ),
                Text::of(error),
                Text::new(
                    "cho người dùng của dịch vụ quyền ghi vào thư mục đó (tệp đã nhận phải chuyển đi được)",
                    "let the service's user write there (what was taken in must be moved aside)",
                ),
            );
        }
        if !self.there && !self.can_be_made {
            return Finding::fault(
                INBOX,
                Text::new(
                    format!("không có thư mục nhận tệp {shown}"),
                    format!("there is no watched folder {shown}"),
                ),
                Text::new(
                    "ổ mạng chưa gắn, hoặc không tạo được",
                    "a share is not mounted, or it cannot be made",
                ),
                Text::new("gắn ổ mạng, hoặc sửa khóa inbox", "mount the share, or mend the key inbox"),
            );
        }
        Finding::ok(INBOX, Text::new(format!("thư mục nhận tệp {shown}"), format!("watched folder {shown}")))
    }
}

const INBOX: &str = "inbox";

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let fine = Watched { folder: "/srv/in".into(), there: true, can_be_made: true, refused: None };
        assert_eq!(fine.judge().grade, Grade::Ok);
        assert_eq!(Watched { there: false, ..fine.clone() }.judge().grade, Grade::Ok, "made at the start");
        assert_eq!(Watched { there: false, can_be_made: false, ..fine.clone() }.judge().grade, Grade::Fault);
        let refused = Some((PathBuf::from("/srv/in/dang_vien"), "Permission denied".to_owned()));
        let judged = Watched { refused, ..fine }.judge();
        assert_eq!(judged.grade, Grade::Fault);
        assert!(judged.what.en.contains("dang_vien"));
    }
}
