//! A backup of the hub, beside its running.

use std::path::{Path, PathBuf};

use lienthong_node::backup::{BackupError, Manifest, Piece, Recipient, Report, Source, Target, log_pieces};
use lienthong_node::control::Answer;
use lienthong_proto::hash::Signer as _;

use crate::app::Hub;
use crate::pki::WRAPPED;

/// What of the data folder is no part of a backup: made again, another process's, or to be kept elsewhere.
const LEFT_OUT: [&str; 7] =
    ["log", "view", "lock", "control.sock", "secrets", "recovery-kit.lienthong", "succession.note"];

impl Hub {
    /// Copies everything needed to `to`: the ledger up to a synced size, sealed secrets, and whatever else stands in
    /// the folder; incremental where `to` has a backup already.
    ///
    /// # Errors
    /// [`BackupError`]; a backup that was there before is still whole then.
    pub fn backup(&self, to: &Path) -> Result<Report, BackupError> {
        self.backup_to(to, None)
    }

    /// As [`Hub::backup`], encrypted to a recipient if one is named.
    ///
    /// # Errors
    /// As [`Hub::backup`].
    pub fn backup_to(&self, to: &Path, recipient: Option<Recipient>) -> Result<Report, BackupError> {
        let io = |path: &Path| {
            let path = path.display().to_string();
            move |source| BackupError::Io { path, source }
        };
        let _held = self.reader.hold();
        // What the nodes last signed goes along.
        self.keep_heartbeats();
        let head = self.head();
        let profile = &self.secrets.profile;
        let mut pieces = log_pieces(&self.data, &self.reader, &self.hashes, profile.replica, head)?;
        // Behind the ledger's cut: who is enrolled there is in the registry copied now.
        for path in files(&self.secrets.dir).map_err(io(&self.secrets.dir))? {
            let name = name(&path);
            if name != "seal.key" {
                let source = Source::File { path: path.clone(), bytes: None };
                pieces.push(Piece { path: format!("secrets/{name}"), source });
            }
        }
        let wrapped = self.secrets.wrapped_seal_key();
        let wrapped = wrapped.map_err(|error| BackupError::Manifest(error.to_string()))?;
        pieces.push(Piece { path: format!("secrets/{WRAPPED}"), source: Source::Bytes(wrapped) });
        self.beside(&self.data, "", &mut pieces).map_err(io(&self.data))?;
        if let Some(folder) = self.catalogue_folder.get()
            && !folder.starts_with(&self.data)
        {
            self.beside(folder, "catalogue/", &mut pieces).map_err(io(folder))?;
        }
        let checkpoint = self.ledger_checkpoint_at(head);
        let checkpoint = checkpoint.map_err(|error| BackupError::Manifest(error.to_string()))?;
        let key = &self.secrets.ledger_key;
        Target::new(to).encrypted_to(recipient).write(
            &self.data,
            &self.secrets.ledger_origin(),
            &pieces,
            |files| {
                let manifest = Manifest {
                    version: 1,
                    kind: "hub".to_owned(),
                    program: env!("CARGO_PKG_VERSION").to_owned(),
                    unit: profile.province.clone(),
                    replica: profile.replica,
                    origin: self.secrets.ledger_origin(),
                    key: hex::encode(key.public_key()),
                    made_at: self.now(),
                    size: head.size,
                    root: hex::encode(head.root),
                    checkpoint,
                    successions: profile.successions.clone(),
                    files,
                };
                let bytes = manifest.sign(key.as_ref())?;
                Ok((manifest, bytes))
            },
        )
    }

    /// Every file below a folder, whatever later versions put there.
    fn beside(&self, dir: &Path, prefix: &str, pieces: &mut Vec<Piece>) -> std::io::Result<()> {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let passing = [".new", ".part"].iter().any(|ending| name.ends_with(ending));
            let remade = LEFT_OUT.contains(&name.as_str()) || name.starts_with("view");
            if (dir == self.data && remade) || passing {
                continue;
            }
            let place = format!("{prefix}{name}");
            if entry.file_type()?.is_dir() {
                self.beside(&path, &format!("{place}/"), pieces)?;
            } else if entry.file_type()?.is_file() {
                pieces.push(Piece { path: place, source: Source::File { path, bytes: None } });
            }
        }
        Ok(())
    }

    pub(crate) fn backup_answer(&self, to: &Path, recipient: Option<Recipient>) -> Result<Answer, Answer> {
        let report = self.backup_to(to, recipient).map_err(Answer::failed)?;
        lienthong_node::observe::backup_made(&self.data, self.now());
        Ok(Answer::done(serde_json::to_value(report).map_err(Answer::failed)?))
    }
}

fn files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && !name(&entry.path()).ends_with(".new") {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
