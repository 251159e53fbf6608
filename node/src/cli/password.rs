//! A password for a command: from a private file, or typed.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Context as _;

/// The first line of a file only its owner can read, or what is typed, twice alike.
///
/// # Errors
/// If the file is not there or others may read it, or the two differ.
pub(super) fn password(file: Option<&Path>, name: &str) -> anyhow::Result<String> {
    let Some(path) = file else {
        let typed = rpassword::prompt_password(format!("{name}: "))?;
        let again = rpassword::prompt_password(format!("{name} (gõ lại · again): "))?;
        anyhow::ensure!(typed == again, "hai lần gõ khác nhau · the two differ");
        return Ok(typed);
    };
    let mode = std::fs::metadata(path).with_context(|| path.display().to_string())?.mode();
    anyhow::ensure!(
        mode & 0o077 == 0,
        "{}: chỉ chủ tệp được đọc (chmod 600) · only its owner may read it (chmod 600)",
        path.display()
    );
    let text = std::fs::read_to_string(path)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
