//! Alerts by mail: SMTP with STARTTLS, always; nothing goes over an open line.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lienthong_proto::time::UnixMillis;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Notice;

/// Bytes of a server's answer that are read.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;
/// Bytes of text in one encoded word of a subject: RFC 2047 allows 75 characters with all around it.
const WORD_BYTES_MAX: usize = 45;
/// Characters of a line of base64.
const LINE_CHARS: usize = 76;

/// Why a mail did not go.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The server cannot be reached, or is not the one it should be.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It refuses, or has no STARTTLS; its code.
    #[error("the mail server answers {found} to {to}")]
    Refused {
        /// What was said.
        to: &'static str,
        /// What it answered: the code only, since the text may name people.
        found: u16,
    },
    /// Its name is none.
    #[error("not a server's name")]
    Name,
}

/// Where alerts are mailed.
#[derive(Clone)]
pub struct Mail {
    /// The server's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whom it trusts.
    pub tls: Arc<ClientConfig>,
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
    /// As whom it signs in, with which password.
    pub login: Option<(String, String)>,
}

impl Mail {
    /// Sends a notice once.
    ///
    /// # Errors
    /// [`MailError`] unless the server says that it took it for everybody.
    pub async fn tell(&self, notice: &Notice, now: UnixMillis) -> Result<(), MailError> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let mut open = Talk::new(tcp);
        open.hear("connecting", 220).await?;
        open.say("EHLO", "EHLO lienthong-hub", 250).await?;
        open.say("STARTTLS", "STARTTLS", 220).await?;
        let name = ServerName::try_from(self.host.clone()).map_err(|_| MailError::Name)?;
        // What the server said ahead of TLS is dropped with the buffer: nobody on the line can put words in.
        let stream =
            TlsConnector::from(Arc::clone(&self.tls)).connect(name, open.stream.into_inner()).await?;
        let mut talk = Talk::new(stream);
        talk.say("EHLO", "EHLO lienthong-hub", 250).await?;
        if let Some((user, password)) = &self.login {
            let token = STANDARD.encode(format!("\0{user}\0{password}"));
            talk.say("AUTH", &format!("AUTH PLAIN {token}"), 235).await?;
        }
        talk.say("MAIL FROM", &format!("MAIL FROM:<{}>", self.from), 250).await?;
        for to in &self.to {
            talk.say("RCPT TO", &format!("RCPT TO:<{to}>"), 250).await?;
        }
        talk.say("DATA", "DATA", 354).await?;
        talk.say("the message", &format!("{}\r\n.", self.message(notice, now)), 250).await?;
        // It has the message; how it says goodbye changes nothing.
        let _ = talk.say("QUIT", "QUIT", 221).await;
        Ok(())
    }

    /// The message with its headers. Lines of base64 never begin with a dot.
    fn message(&self, notice: &Notice, now: UnixMillis) -> String {
        let date = jiff::Timestamp::from_millisecond(i64::try_from(now.0).unwrap_or(0)).unwrap_or_default();
        let date = date.strftime("%a, %d %b %Y %H:%M:%S +0000");
        let number = notice.ids().first().copied().unwrap_or(0);
        let what = if notice.what == super::What::Begun { "begun" } else { "ended" };
        let domain = self.from.rsplit('@').next().unwrap_or("localhost");
        let id = format!("<alert-{number}-{what}-{}@{domain}>", notice.at.0);
        let text = STANDARD.encode(notice.text());
        let lines: Vec<&str> = pieces(&text, LINE_CHARS);
        format!(
            "From: <{}>\r\nTo: {}\r\nSubject: {}\r\nDate: {date}\r\nMessage-ID: {id}\r\n\
             Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}",
            self.from,
            self.to.iter().map(|to| format!("<{to}>")).collect::<Vec<_>>().join(", "),
            encoded(&notice.subject()),
            lines.join("\r\n"),
        )
    }
}

/// A header's text as RFC 2047 has it.
fn encoded(text: &str) -> String {
    let words = pieces(text, WORD_BYTES_MAX);
    words
        .iter()
        .map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word)))
        .collect::<Vec<_>>()
        .join("\r\n ")
}

/// A text in pieces of at most so many bytes, no character cut.
fn pieces(text: &str, bytes: usize) -> Vec<&str> {
    let (mut rest, mut pieces) = (text, Vec::new());
    while !rest.is_empty() {
        let mut end = rest.len().min(bytes);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, behind) = rest.split_at(end);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

struct Talk<S> {
    stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    async fn say(&mut self, what: &'static str, line: &str, wanted: u16) -> Result<(), MailError> {
        let stream = self.stream.get_mut();
        stream.write_all(line.as_bytes()).await?;
        stream.write_all(b"\r\n").await?;
        stream.flush().await?;
        self.hear(what, wanted).await
    }

    /// An answer of one or more lines; only the last one's code counts.
    async fn hear(&mut self, to: &'static str, wanted: u16) -> Result<(), MailError> {
        let mut answer = (&mut self.stream).take(ANSWER_BYTES_MAX);
        loop {
            let mut line = String::new();
            if answer.read_line(&mut line).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            if line.as_bytes().get(3) == Some(&b'-') {
                continue;
            }
            let found = line.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
            return if found == wanted { Ok(()) } else { Err(MailError::Refused { to, found }) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_subjects_fall_into_words_that_end_with_a_character() {
        let subject = "[Liên Thông] CẢNH BÁO: Phường Phố Hiến: đồng hồ máy lệch 25 phút";
        let encoded = encoded(subject);
        assert!(encoded.is_ascii() && encoded.split("\r\n").all(|line| line.len() <= 76), "{encoded}");
        let decoded: String = encoded
            .split("\r\n ")
            .filter_map(|word| word.strip_prefix("=?utf-8?B?")?.strip_suffix("?="))
            .filter_map(|word| String::from_utf8(STANDARD.decode(word).ok()?).ok())
            .collect();
        assert_eq!(decoded, subject);
    }
}
