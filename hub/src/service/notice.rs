//! A notice on its way to an agency: in the ledger first, then in a file that only the agency opens.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use lienthong_node::backup::Recipient;
use lienthong_node::control::Answer;
use lienthong_node::sealed::SealedWriter;
use lienthong_proto::ids::{Sequence, UnitCode};
use lienthong_proto::value::Value;

use super::erasing::refused;
use crate::app::Hub;

impl Hub {
    /// Writes a notice to `out`, sealed to its agency; the event that says so is in the ledger before its first byte is there.
    pub(super) async fn hand_notice(
        &self,
        text: &str,
        out: &Path,
        agency: &UnitCode,
        (kind, fields, actor): (&str, BTreeMap<String, Value>, &str),
    ) -> Result<Sequence, Answer> {
        let known = self.committer.books().read().sharing.agencies.get(agency).cloned();
        let key = known.and_then(|agency| agency.key);
        let to: Recipient = key
            .ok_or_else(|| refused("AGENCY_KEY", "cơ quan chưa có khóa", "the agency has no key"))?
            .parse()
            .map_err(|error| Answer::refused("AGENCY_KEY", error))?;
        let sealed = SealedWriter::new(Vec::new(), to).map_err(Answer::failed)?;
        let sealed = (|mut sealed: SealedWriter<Vec<u8>>| {
            sealed.write_all(text.as_bytes())?;
            sealed.finish()
        })(sealed)
        .map_err(Answer::failed)?;
        let mut file = new_file(out)?;
        let logged = self.event(kind, actor, fields).await.map_err(Answer::failed);
        let written = logged.and_then(|place| {
            file.write_all(&sealed).and_then(|()| file.sync_all()).map_err(Answer::failed)?;
            Ok(place)
        });
        if written.is_err() {
            let _ = std::fs::remove_file(out);
        }
        written
    }
}

fn new_file(out: &Path) -> Result<std::fs::File, Answer> {
    if !out.is_absolute() {
        return Err(Answer::failed("cần đường dẫn đầy đủ · an absolute path is needed"));
    }
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(out);
    opened.map_err(|error| Answer::failed(format!("{}: {error}", out.display())))
}
