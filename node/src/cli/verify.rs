//! `verify`: for agencies, offline.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use lienthong_proto::catalogue::Catalogue;
use lienthong_proto::disclosure::Trust;
use serde_json::json;

use super::export::{ExportFormat, Sheet};
use super::{Tongue, say};
use crate::backup::Identity;
use crate::control::Answer;
use crate::export::WholeFile;
use crate::identity::NodeIdentity;
use crate::verify::{Anchor, Verified, VerifyError, notice, policy, said, said_of_notice, verify};

/// A bundle, and whom to believe.
#[derive(Debug, Clone, Args)]
pub struct Verify {
    /// Gói · the bundle
    pub bundle: PathBuf,
    /// Chính sách tin cậy, nhận qua đường khác với gói; không có thì dùng sổ cái máy này đã ghi danh · the trust policy, got by another way than the bundle; without one, the ledger this node is enrolled with
    #[arg(long, value_name = "POLICY")]
    pub trust: Option<PathBuf>,
    /// Tệp khóa của cơ quan (`key pair`) · the agency's key file (`key pair`)
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Ghi bảng dữ liệu lập lại từ gói vào thư mục này, mỗi loại một tệp · write the records made again from the bundle into this folder, a file for each type
    #[arg(long, value_name = "DIR")]
    pub export: Option<PathBuf>,
    /// Định dạng · how they are written
    #[arg(long, value_enum, default_value_t)]
    pub format: ExportFormat,
}

impl Verify {
    /// Checks; the answer's exit is 0 if everything holds.
    pub(super) fn run(&self, data: &Path, json: bool, tongue: Tongue) -> anyhow::Result<Answer> {
        let catalogue = Catalogue::embedded()?;
        let trust = trusted(data, self.trust.as_deref())?;
        let anchor = if self.trust.is_some() { Anchor::Policy } else { Anchor::Enrolment };
        let anchored = anchor == Anchor::Policy;
        let identity = self.key.as_deref().map(Identity::read).transpose().context("--key")?;
        match notice(&self.bundle, identity.as_ref(), &trust) {
            Ok(Some(notice)) => {
                if json {
                    return Ok(Answer::done(
                        json!({ "valid": true, "anchored": anchored, "notice": notice }),
                    ));
                }
                say(&said_of_notice(&notice, anchor, catalogue, tongue));
                return Ok(Answer::done(serde_json::Value::Null));
            }
            Ok(None) => {}
            Err(error) => {
                return Ok(Answer { body: json!({ "valid": false, "error": error.to_string() }), exit: 1 });
            }
        }
        match verify(&self.bundle, identity.as_ref(), &trust, catalogue) {
            Ok(verified) => {
                let files = self.exported(&verified, catalogue, tongue)?;
                if json {
                    let counts: serde_json::Map<String, serde_json::Value> = verified
                        .records
                        .iter()
                        .map(|(name, records)| (name.clone(), records.len().into()))
                        .collect();
                    return Ok(Answer::done(
                        json!({ "valid": true, "anchored": anchored, "report": verified.report, "records": counts, "files": files }),
                    ));
                }
                say(&said(&verified, anchor, catalogue, tongue));
                for file in files {
                    say(&format!("  → {}\n", file.display()));
                }
                Ok(Answer::done(serde_json::Value::Null))
            }
            Err(error) => Ok(refused(&error)),
        }
    }

    fn exported(
        &self,
        verified: &Verified,
        catalogue: &Catalogue,
        tongue: Tongue,
    ) -> anyhow::Result<Vec<PathBuf>> {
        let Some(folder) = &self.export else { return Ok(Vec::new()) };
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let extension = match self.format {
            ExportFormat::Jsonl => "jsonl",
            ExportFormat::Csv => "csv",
            ExportFormat::Xlsx => "xlsx",
        };
        let mut files = Vec::new();
        for (record_type, records) in &verified.records {
            // Types the catalogue here does not know have no columns.
            let format = match catalogue.record_type(record_type) {
                Some(_) => self.format,
                None => ExportFormat::Jsonl,
            };
            let named = if format == self.format { extension } else { "jsonl" };
            let path = folder.join(format!("{record_type}.{named}"));
            let (whole, file): (WholeFile, File) =
                WholeFile::begin(&path).with_context(|| path.display().to_string())?;
            let mut sheet =
                Sheet::new((format, record_type), BufWriter::new(file), whole.folder(), catalogue, tongue)?;
            for record in records {
                sheet.write(record)?;
            }
            sheet.finish()?;
            whole.put().with_context(|| path.display().to_string())?;
            files.push(path);
        }
        Ok(files)
    }
}

/// What is answered of a bundle that does not hold.
pub(super) fn refused(error: &VerifyError) -> Answer {
    let body = match error {
        VerifyError::Refused(refused) => {
            let said = refused.to_string();
            let error = format!("✗ {} · ✗ {}", half(&said, 0), half(&said, 1));
            json!({ "valid": false, "object": refused.object, "reason": refused.why, "error": error })
        }
        error => json!({ "valid": false, "error": error.to_string() }),
    };
    Answer { body, exit: 1 }
}

/// Whom to believe: a policy's keys, or the ledger this node is enrolled with.
pub(super) fn trusted(data: &Path, file: Option<&Path>) -> anyhow::Result<Trust> {
    match file {
        Some(path) => Ok(policy(path)?),
        None => enrolled(data),
    }
}

fn half(text: &str, which: usize) -> &str {
    text.split(" · ").nth(which).unwrap_or(text)
}

/// The ledger this node has pinned, with no witness asked for.
fn enrolled(data: &Path) -> anyhow::Result<Trust> {
    let identity = NodeIdentity::load(data)?.context(
        "cần --trust CHÍNH_SÁCH (máy này chưa ghi danh) · --trust POLICY is needed (this machine is not enrolled)",
    )?;
    Ok(identity.pinned()?)
}
