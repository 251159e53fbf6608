//! `import`: progress while it goes on, and the officer's own sheet with what is wrong, where asked for.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lienthong_proto::catalogue::Catalogue;
use serde_json::Value as Json;

use super::records::Hear;
use super::{Tongue, author};
use crate::capture::{self, Annotations, RowOutcome};
use crate::control::Answer;
use crate::export::whole_file;
use crate::service::RecordsRequest;

/// A file to take in.
#[derive(Debug, Clone, Args)]
pub struct Import {
    /// Tệp · the file
    pub file: PathBuf,
    /// Loại bản ghi · record type
    #[arg(long = "type")]
    pub record_type: String,
    /// Không ghi gì · writes nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Chép lại trang tính, thêm cột nói mỗi dòng sai gì · the sheet again, with a column of what is wrong
    #[arg(long, value_name = "FILE.xlsx")]
    pub report: Option<PathBuf>,
}

impl Import {
    /// Does it.
    ///
    /// # Errors
    /// If the replica cannot be asked.
    pub async fn run(
        &self,
        catalogue: &Catalogue,
        tongue: Tongue,
        mut ask: impl AsyncFnMut(RecordsRequest, &mut Hear<'_>) -> anyhow::Result<Answer>,
    ) -> anyhow::Result<Answer> {
        let path = std::path::absolute(&self.file).with_context(|| self.file.display().to_string())?;
        let request = RecordsRequest::Import {
            path: path.clone(),
            record_type: self.record_type.clone(),
            dry_run: self.dry_run,
            rows: self.report.is_some(),
            author: author(),
            english: tongue == Tongue::En,
        };
        let mut progress = Progress::new(tongue);
        let mut annotations = Annotations::default();
        let mut hear = |mut said: Json| {
            if let Some(rows) = said.get_mut("rows") {
                let rows: Vec<RowOutcome> = serde_json::from_value(rows.take()).unwrap_or_default();
                rows.iter().for_each(|row| annotations.note(row));
            }
            if let Some(done) = said.get("done").and_then(Json::as_u64) {
                progress.show(done, said.get("of").and_then(Json::as_u64).unwrap_or(0));
            }
        };
        let answer = ask(request, &mut hear).await;
        progress.end();
        let mut answer = answer?;
        let (Some(out), Some(declared)) = (&self.report, catalogue.record_type(&self.record_type)) else {
            return Ok(answer);
        };
        annotations.note_file(&answer.body);
        let language = tongue.language();
        let annotate = |part: &Path| {
            Ok::<_, anyhow::Error>(capture::annotate(&path, declared, &annotations, part, language)?)
        };
        let written = whole_file(out, annotate).with_context(|| out.display().to_string());
        // What was taken in is said all the same.
        let (name, value) = match written {
            Ok(()) => ("report", out.display().to_string()),
            Err(error) => {
                answer.exit = 1;
                ("error", format!("{error:#}"))
            }
        };
        if let Some(fields) = answer.body.as_object_mut() {
            fields.insert(name.to_owned(), value.into());
        }
        Ok(answer)
    }
}

/// Rows, rate and time left: moving on a terminal, a plain line now and then elsewhere.
struct Progress {
    tongue: Tongue,
    bar: Option<ProgressBar>,
    began: Instant,
    said: Instant,
}

/// How often a plain line is written.
const LINE_EVERY: Duration = Duration::from_secs(10);

impl Progress {
    fn new(tongue: Tongue) -> Self {
        let now = Instant::now();
        Self { tongue, bar: None, began: now, said: now }
    }

    fn show(&mut self, done: u64, of: u64) {
        if std::io::stderr().is_terminal() {
            let (rows, left) = (self.tongue.pick("dòng", "rows"), self.tongue.pick("còn", "left"));
            let bar = self.bar.get_or_insert_with(|| {
                let bar = ProgressBar::with_draw_target(Some(of.max(done)), ProgressDrawTarget::stderr());
                let template = format!("{{bar:30}} {{pos}}/{{len}} {rows}, {{per_sec}}, {left} {{eta}}");
                if let Ok(style) = ProgressStyle::with_template(&template) {
                    bar.set_style(style);
                }
                bar
            });
            bar.set_length(of.max(done));
            bar.set_position(done);
        } else if let Some(line) = self.line(done, of, Instant::now()) {
            eprintln!("{line}");
        }
    }

    /// The plain line, if one is due.
    fn line(&mut self, done: u64, of: u64, now: Instant) -> Option<String> {
        if now.duration_since(self.said) < LINE_EVERY {
            return None;
        }
        self.said = now;
        let rows = self.tongue.pick("dòng", "rows");
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = done as f64 / now.duration_since(self.began).as_secs_f64();
        let of = if of > done { format!("/{of}") } else { String::new() };
        Some(format!("{done}{of} {rows}, {rate:.0} {rows}/s"))
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: where nobody watches a bar, a line is written now and then and no more often: rows, of how many, how fast.
    #[test]
    fn a_line_is_due_every_ten_seconds() {
        let mut progress = Progress::new(Tongue::Vi);
        let at = |progress: &Progress, seconds: u64| progress.began + Duration::from_secs(seconds);
        let lines: Vec<Option<String>> = [(2_048, 1), (4_096, 9), (6_000, 10), (9_000, 19), (12_000, 20)]
            .into_iter()
            .map(|(done, seconds)| {
                let now = at(&progress, seconds);
                progress.line(done, 10_000, now)
            })
            .collect();
        let expected =
            [None, None, Some("6000/10000 dòng, 600 dòng/s"), None, Some("12000 dòng, 600 dòng/s")];
        assert_eq!(lines.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    }
}
