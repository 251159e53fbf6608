//! The catalogue: which is in force, whether another could be, and publishing it.

use std::collections::{BTreeMap, BTreeSet};

use lienthong_node::control::Answer;
use lienthong_node::published::{Shelf, files as in_force};
use lienthong_proto::catalogue::{Bundle, Catalogue, Published};
use lienthong_proto::quality::RuleBook;
use serde_json::{Value as Json, json};

use super::waivers::reason_of;
use crate::app::Hub;
use crate::ledger::{PUBLISHED, publishing};

impl Hub {
    pub(super) fn catalogue_show(&self) -> Result<Answer, Answer> {
        let published = self.published()?;
        let number = published.map(|published| published.number);
        let digest = self.listed.digest();
        let types: Vec<Json> = self
            .catalogue
            .record_types()
            .map(|declared| {
                json!({
                    "type": declared.name, "label": declared.label.vi, "fields": declared.fields.len(),
                    "rules": declared.rules.len(),
                })
            })
            .collect();
        Ok(Answer::done(json!({
            "number": number,
            "digest": hex::encode(digest),
            // A folder named at the start stands over what was published, and no node has it.
            "is_published": published.is_some_and(|published| published.digest == digest),
            "sent": self.sent.as_ref().map(|(number, _)| *number),
            "types": types,
        })))
    }

    pub(super) fn catalogue_check(&self, files: BTreeMap<String, String>) -> Result<Answer, Answer> {
        self.publishable(files).map(|(_, body)| Answer::done(body))
    }

    /// Publishes a catalogue: in force here as soon as the hub is opened anew, which it is at once, and at each node
    /// when it connects.
    pub(super) async fn catalogue_publish(
        &self,
        files: BTreeMap<String, String>,
        reason: &str,
        actor: &str,
    ) -> Result<Answer, Answer> {
        let reason = reason_of(reason)?;
        let _one = self.publishing.lock().await;
        let (files, mut body) = tokio::task::block_in_place(|| self.publishable(files))?;
        // A file may be lost, or of a ledger before this one: the number follows both.
        let logged = self.committer.books().read().catalogue;
        let number = [logged, self.published()?].into_iter().flatten().map(|last| last.number).max();
        let number = number.unwrap_or(0) + 1;
        let origin = self.secrets.ledger_origin();
        let bundle = Bundle::publish(number, &files, (&origin, self.secrets.ledger_key.as_ref()))
            .map_err(|error| Answer::refused("CATALOGUE", error))?;
        let published = bundle.says().map_err(Answer::failed)?;
        // On the disk first; in force by the event. Cut short after either, the next start goes by the ledger.
        let shelf = Shelf::of(&self.data);
        shelf.prepare(&bundle).map_err(Answer::failed)?;
        let fields = publishing(published, reason);
        let place = self.event(PUBLISHED, actor, fields).await.map_err(Answer::failed)?;
        shelf.settle(Some(published)).map_err(Answer::failed)?;
        self.superseded.cancel();
        if let Some(fields) = body.as_object_mut() {
            fields.insert("number".to_owned(), number.into());
            fields.insert("ledger_index".to_owned(), json!(place));
        }
        Ok(Answer::done(body))
    }

    fn published(&self) -> Result<Option<Published>, Answer> {
        let kept = Shelf::of(&self.data).kept().map_err(Answer::failed)?;
        kept.map(|bundle| bundle.says()).transpose().map_err(Answer::failed)
    }

    /// All files there would be, and what is new in them.
    fn publishable(
        &self,
        files: BTreeMap<String, String>,
    ) -> Result<(BTreeMap<String, String>, Json), Answer> {
        if files.is_empty() {
            let reason = "thư mục không có codes/, records/, units/ hay calendar.toml · the folder has no codes/, records/, units/ or calendar.toml";
            return Err(Answer::refused("CATALOGUE", reason));
        }
        let before = in_force(&self.data).map_err(Answer::failed)?;
        let mut all = before.clone();
        let named: BTreeSet<String> = files.keys().cloned().collect();
        all.extend(files);
        let fault = |error: &dyn std::fmt::Display| Answer::refused("CATALOGUE", error);
        let catalogue = Catalogue::load(all.clone()).map_err(|error| fault(&error))?;
        RuleBook::compile(&catalogue).map_err(|error| fault(&error))?;
        let was = Catalogue::load(before.clone()).map_err(|error| fault(&error))?;
        catalogue.follows(&was).map_err(|error| fault(&error))?;
        let changed: Vec<&String> = named.iter().filter(|name| before.get(*name) != all.get(*name)).collect();
        if changed.is_empty() {
            let reason = "không có gì mới so với danh mục đang dùng · nothing is new in it";
            return Err(Answer::refused("CATALOGUE_SAME", reason));
        }
        let body = json!({ "digest": hex::encode(catalogue.digest()), "changed": changed });
        Ok((all, body))
    }
}
