//! Which record types a file can be of, by its headers.

use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;

use lienthong_proto::catalogue::{Catalogue, Class, RecordType};

use super::header::{Headings, field_of};
use super::scout::Scouted;
use super::source::Book;
use super::{FileRefusal, Format, Source, jsonl};

/// The names of the types whose columns the file has: all that are required, or if it has them of no type,
/// those of the key.
///
/// # Errors
/// [`FileRefusal`] if it cannot be read.
pub fn fitting(source: &Source, catalogue: &Catalogue) -> Result<Vec<String>, FileRefusal> {
    let (mut whole, mut keyed) = (Vec::new(), Vec::new());
    let mut note = |declared: &RecordType, complete: bool| {
        keyed.push(declared.name.clone());
        if complete {
            whole.push(declared.name.clone());
        }
    };
    if source.format == Format::Jsonl {
        let keys = first_keys(source)?;
        for declared in catalogue.record_types() {
            let named: Vec<&str> = keys
                .iter()
                .filter_map(|key| field_of(declared, key).map(|field| field.name.as_str()))
                .collect();
            if declared.key.fields.iter().all(|key| named.contains(&key.as_str())) {
                let required = declared.fields.iter().filter(|field| field.required);
                note(declared, required.clone().all(|field| named.contains(&field.name.as_str())));
            }
        }
    } else {
        let scouted = Scouted::of(source, &mut Book::open(source)?)?;
        for declared in catalogue.record_types() {
            match scouted.layout_if(declared) {
                Ok(layout) => note(declared, layout.sheets.iter().any(|header| header.complete)),
                Err(FileRefusal::Classified(place)) => return Err(FileRefusal::Classified(place)),
                Err(_) => {}
            }
        }
        if let (true, Some(place)) = (keyed.is_empty(), scouted.marked()) {
            return Err(FileRefusal::Classified(place));
        }
    }
    Ok(if whole.is_empty() { keyed } else { whole })
}

/// Whether a file has a column, of whatever type, whose content may not enter the system, or is marked as classified: also
/// one of which nothing could be taken in must then not be kept.
#[must_use]
pub fn forbidden(source: &Source, catalogue: &Catalogue) -> bool {
    let titles = if source.format == Format::Jsonl {
        first_keys(source).unwrap_or_default()
    } else {
        let scouted = match Book::open(source).and_then(|mut book| Scouted::of(source, &mut book)) {
            Ok(scouted) => scouted,
            Err(refusal) => return matches!(refusal, FileRefusal::Classified(_)),
        };
        let mut fits = false;
        for declared in catalogue.record_types() {
            match scouted.layout_if(declared) {
                Ok(_) => fits = true,
                Err(FileRefusal::Classified(_)) => return true,
                Err(_) => {}
            }
        }
        if !fits && scouted.marked().is_some() {
            return true;
        }
        scouted.texts().collect()
    };
    let headings: Vec<Headings<'_>> = catalogue.record_types().map(Headings::of).collect();
    let secret = |title: &String| {
        let mut fields = headings.iter().filter_map(|headings| headings.field(title));
        fields.any(|field| field.class == Class::C4)
    };
    titles.iter().any(secret)
}

/// The keys of the first object.
fn first_keys(source: &Source) -> Result<Vec<String>, FileRefusal> {
    let mut keys = Vec::new();
    jsonl::lines(BufReader::new(File::open(&source.path)?), &mut |_, line| {
        let Some(object) = line.object else { return ControlFlow::Continue(()) };
        let fields = object.get("fields").and_then(serde_json::Value::as_object).unwrap_or(&object);
        keys = fields.keys().cloned().collect();
        if keys.is_empty() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(keys)
}
