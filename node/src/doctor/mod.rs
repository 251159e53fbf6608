//! `doctor`: finds the usual trouble of a node and says what to do about it.
//!
//! Each check looks first and judges then: what was seen is a value, and what it comes to is a function of it. Looking
//! changes nothing, takes no lock, and costs the hub one question. A check behind one that failed is not made, so that
//! one trouble is named once.

mod at_rest;
mod daemon;
mod end;
mod finding;
mod folder;
mod identity;
mod line;
mod reach;
mod watched;

use std::path::{Path, PathBuf};

use lienthong_proto::time::UnixMillis;
use serde_json::{Value as Json, json};

pub use at_rest::AtRest;
pub use daemon::Daemon;
pub use end::LogEnd;
pub use finding::{Finding, Grade, Text};
pub use folder::{Folder, Place};
pub use identity::{Identity, Known};
pub use line::{Line, PortFault, Refusal, Said, TlsFault};
pub use watched::Watched;

use crate::at_rest::KeySource;
use crate::control::Answer;
use crate::identity::{NodeIdentity, Proxy};

/// Where to look.
#[derive(Debug, Clone)]
pub struct Examination {
    /// The data folder.
    pub data: PathBuf,
    /// The watched folder, if it is not the data folder's own.
    pub inbox: Option<PathBuf>,
    /// The proxy, if one is configured.
    pub proxy: Option<Proxy>,
    /// The hub to try, instead of the one of enrolment.
    pub hub: Option<String>,
    /// Where the keys of encryption at rest are.
    pub keys: KeySource,
    /// Tells the time.
    pub clock: fn() -> UnixMillis,
}

impl Examination {
    /// Looks everywhere; findings in the order in which to mend them.
    pub async fn examine(&self) -> Vec<Finding> {
        let data = self.data.as_path();
        let place = Place::observe(data);
        let mut found = place.judge(data);
        // What is in a closed folder is not seen, and so nothing can be said of it.
        if place.is_closed() {
            return found;
        }
        let loaded = NodeIdentity::load(data);
        let now = (self.clock)();
        let identity = Identity::observe(data, &loaded, now);
        let own = identity.judge(now);
        // The hub cannot be asked with a certificate that is not good.
        let good = own.iter().all(|finding| finding.check != "certificate" || finding.grade < Grade::Fault);
        let loaded = loaded.ok().flatten().map(|identity| identity.through(self.proxy.as_ref()));
        found.extend(own);
        let line = self.line(loaded.as_ref().filter(|_| good)).await;
        let line = line.map(|line| line.judge(identity.regressed)).unwrap_or_default();
        let serves = line.iter().all(|finding| finding.grade < Grade::Fault) && good;
        found.extend(line);
        if let Some(identity) = &loaded {
            let daemon = Daemon::observe(data).await;
            found.push(daemon.judge(serves));
            found.push(LogEnd::observe(data, identity.replica()).judge());
            found.extend(AtRest::observe(data, &self.keys, &daemon).judge());
            found.push(Watched::observe(&self.watched(&daemon)).judge());
        }
        found
    }

    async fn line(&self, identity: Option<&NodeIdentity>) -> Option<Line> {
        let enrolled = identity.map(|identity| identity.profile().hub.clone());
        let hub = self.hub.clone().or_else(|| enrolled.clone())?;
        // Another address than that of enrolment is tried as far as its port.
        let identity = identity.filter(|_| enrolled.as_ref() == Some(&hub));
        Some(Line::observe(&hub, self.proxy.as_ref(), identity, self.clock).await)
    }

    /// The folder the daemon says it watches, else the configured one.
    fn watched(&self, daemon: &Daemon) -> PathBuf {
        let said = daemon.status().and_then(|status| status.pointer("/inbox/folder")).and_then(Json::as_str);
        let configured = || self.inbox.clone().unwrap_or_else(|| self.data.join("inbox"));
        said.map_or_else(configured, |folder| Path::new(folder).to_owned())
    }
}

/// Findings as a command's answer: it fails if one of them is a fault.
#[must_use]
pub fn answer(found: &[Finding]) -> Answer {
    let worst = found.iter().map(|finding| finding.grade).max().unwrap_or(Grade::Ok);
    let findings: Vec<Json> = found.iter().map(Finding::json).collect();
    Answer {
        body: json!({ "state": worst.name(), "findings": findings }),
        exit: u8::from(worst == Grade::Fault),
    }
}
