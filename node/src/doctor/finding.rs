//! What one check came to.

use serde_json::{Value as Json, json};

use crate::cli::Tongue;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Nothing to do.
    Ok,
    /// It works, and somebody should look.
    Warning,
    /// It does not work.
    Fault,
}

impl Grade {
    /// Its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Vietnamese.
    pub vi: String,
    /// English.
    pub en: String,
}

impl Text {
    /// Of both.
    pub fn new(vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { vi: vi.into(), en: en.into() }
    }

    /// Of a message that carries both, `vi · en`, or is the same in both.
    #[must_use]
    pub fn of(message: &str) -> Self {
        match message.split_once(" · ") {
            Some((vi, en)) => Self::new(vi, en),
            None => Self::new(message, message),
        }
    }

    /// In one language.
    #[must_use]
    pub fn pick(&self, tongue: Tongue) -> &str {
        tongue.pick(&self.vi, &self.en)
    }

    fn json(&self) -> Json {
        json!({ "vi": self.vi, "en": self.en })
    }
}

/// What one check found, why that matters, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check's name, for programs.
    pub check: &'static str,
    /// How bad.
    pub grade: Grade,
    /// What is so.
    pub what: Text,
    /// Why it is so, or what comes of it.
    pub why: Option<Text>,
    /// What to do.
    pub next: Option<Text>,
}

impl Finding {
    /// All is well.
    #[must_use]
    pub fn ok(check: &'static str, what: Text) -> Self {
        Self { check, grade: Grade::Ok, what, why: None, next: None }
    }

    /// Somebody should look.
    #[must_use]
    pub fn warning(check: &'static str, what: Text, why: Text, next: Text) -> Self {
        Self { check, grade: Grade::Warning, what, why: Some(why), next: Some(next) }
    }

    /// It does not work.
    #[must_use]
    pub fn fault(check: &'static str, what: Text, why: Text, next: Text) -> Self {
        Self { grade: Grade::Fault, ..Self::warning(check, what, why, next) }
    }

    /// As a document.
    #[must_use]
    pub fn json(&self) -> Json {
        json!({
            "check": self.check,
            "grade": self.grade.name(),
            "what": self.what.json(),
            "why": self.why.as_ref().map(Text::json),
            "next": self.next.as_ref().map(Text::json),
        })
    }

    /// As lines for people.
    #[must_use]
    pub fn lines(&self, tongue: Tongue) -> String {
        let mark = match self.grade {
            Grade::Ok => "✓",
            Grade::Warning => "!",
            Grade::Fault => "✗",
        };
        let mut text = format!("{mark} {}\n", self.what.pick(tongue));
        for (sign, more) in [(" ", &self.why), ("→", &self.next)] {
            if let Some(more) = more {
                text.push_str(&format!("  {sign} {}\n", more.pick(tongue)));
            }
        }
        text
    }
}
