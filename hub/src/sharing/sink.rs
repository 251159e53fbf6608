//! The lines of a bundle, or of a delivery, on their way out: hashed and counted.

use std::io::{self, Write};

use lienthong_proto::disclosure::Line;
use lienthong_proto::hash::Streamed;

/// Where lines go.
pub(super) struct Sink<W: Write> {
    out: W,
    digest: Streamed,
    lines: u64,
    changes: u64,
    bytes: u64,
}

impl<W: Write> Sink<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, digest: Streamed::default(), lines: 0, changes: 0, bytes: 0 }
    }

    /// The next line.
    pub(super) fn line(&mut self, line: &Line) -> io::Result<()> {
        let mut text = line.to_text();
        text.push('\n');
        self.digest.update(text.as_bytes());
        self.lines += 1;
        self.bytes += text.len() as u64;
        if matches!(line, Line::Entry(shown) if shown.record.is_some()) {
            self.changes += 1;
        }
        self.out.write_all(text.as_bytes())
    }

    /// SHA-256 of all lines so far, hexadecimal.
    pub(super) fn digest(&self) -> String {
        hex::encode(self.digest.clone().finish())
    }

    /// Lines so far.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// Changes whose values went.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was written to.
    pub(super) fn into_inner(self) -> W {
        self.out
    }
}
