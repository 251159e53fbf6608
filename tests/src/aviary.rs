//! Canaries: at each door another value in every field of every record type, as the catalogue has them, and where they are
//! found again.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot plant has failed"
)]

use std::collections::{BTreeSet, HashMap};

use lienthong_proto::catalogue::{Catalogue, Class, Field, FieldKind, RecordType};
use lienthong_proto::hash::sha256;
use lienthong_proto::value::{date_text, days_of};
use serde_json::{Map, Value as Json, json};

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lot {
    /// It is taken in.
    Good,
    /// It is another unit's, and rejected.
    Wrong,
    /// It says that it is a state secret.
    Classified,
    /// It is written by a node whose catalogue lets in what may not be.
    Smuggled,
}

/// One value that stands nowhere else.
#[derive(Debug, Clone)]
pub struct Canary {
    /// Through which door it came.
    pub door: &'static str,
    /// What becomes of its row.
    pub lot: Lot,
    /// The type of its record.
    pub record_type: String,
    /// Its field: `field`, or `field/subfield` of items.
    pub path: String,
    /// What the field holds.
    pub kind: FieldKind,
    /// Who may see it.
    pub class: Class,
    /// As it stands in texts, in small letters.
    forms: Vec<String>,
}

impl Canary {
    /// Whether it may be stored at all.
    #[must_use]
    pub fn may_be_stored(&self) -> bool {
        self.lot == Lot::Good && self.class < Class::C4 && self.kind != FieldKind::Attachment
    }

    /// Whether it may be told to whoever brings it, and stay in the files that are that person's own.
    #[must_use]
    pub fn may_be_told(&self) -> bool {
        self.lot != Lot::Classified && self.class < Class::C4
    }

    /// As it stands in texts.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.forms[0]
    }

    /// Whether a log shows it as it was given: what names another record stands there as that record's id.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.may_be_stored() && self.kind != FieldKind::Reference
    }
}

/// A record to be given: by the columns of a sheet, and as an object.
#[derive(Debug, Clone)]
pub struct Row {
    /// Heads and cells.
    pub cells: Vec<(String, String)>,
    /// The same as an object.
    pub object: Json,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Aviary {
    canaries: Vec<Canary>,
    /// By their first eight bytes.
    begins: HashMap<[u8; 8], Vec<(usize, usize)>>,
}

const BEGINS: usize = 8;

impl Aviary {
    /// A row of a type with a new canary in each field that can have one; nothing if no row of the type can be of that lot.
    pub fn row(
        &mut self,
        catalogue: &Catalogue,
        declared: &RecordType,
        (door, lot): (&'static str, Lot),
        units: (&str, &str),
    ) -> Option<Row> {
        let can_be_secret = declared.fields.iter().any(|field| field.codes.as_deref() == Some("do_mat"));
        if lot == Lot::Classified && !can_be_secret {
            return None;
        }
        let whose = Whose { door, lot, record_type: &declared.name, units };
        let (mut cells, mut object) = (Vec::new(), Map::new());
        for field in &declared.fields {
            if field.kind == FieldKind::Items {
                let mut item = Map::new();
                for part in &field.fields {
                    let path = format!("{}/{}", field.name, part.name);
                    let (cell, value) = self.value(catalogue, whose, part, &path);
                    cells.push((part.label.vi.clone(), cell));
                    item.insert(part.name.clone(), value);
                }
                object.insert(field.name.clone(), json!([item]));
            } else {
                let (cell, value) = self.value(catalogue, whose, field, &field.name);
                cells.push((field.label.vi.clone(), cell));
                object.insert(field.name.clone(), value);
            }
        }
        Some(Row { cells, object: Json::Object(object) })
    }

    /// Another text for a field of a record that is there.
    pub fn text(&mut self, door: &'static str, record_type: &str, field: &Field, lot: Lot) -> String {
        let whose = Whose { door, lot, record_type, units: ("", "") };
        let word = self.word();
        self.keep(whose, field, &field.name, vec![word.clone()]);
        word
    }

    /// A cell and a value for a field.
    fn value(
        &mut self,
        catalogue: &Catalogue,
        whose: Whose<'_>,
        field: &Field,
        path: &str,
    ) -> (String, Json) {
        if field.kind == FieldKind::List {
            let mut next = || {
                let word = self.word();
                self.keep(whose, field, path, vec![word.clone()]);
                word
            };
            let words = [next(), next()];
            return (words.join("; "), json!(words));
        }
        let number = self.canaries.len();
        let text = |text: String| (text.clone(), Json::from(text));
        match field.kind {
            FieldKind::Boolean => ("có".to_owned(), true.into()),
            FieldKind::Unit => text(self.unit_of(catalogue, whose, field)),
            FieldKind::Code => text(code_of(catalogue, field, whose.lot)),
            FieldKind::Integer if field.check.as_deref() == Some("year") => ("2020".to_owned(), 2020.into()),
            FieldKind::Integer | FieldKind::Money | FieldKind::Decimal => {
                let digits = format!("8374{number:05}");
                self.keep(whose, field, path, vec![digits.clone()]);
                (digits.clone(), digits.parse::<u64>().unwrap().into())
            }
            FieldKind::Date => {
                // Whom the citizen numbers name was born in 1931.
                let is_birth = |canary: &&Canary| canary.forms[0].starts_with("1931-");
                let (first, number) = match field.check.as_deref() {
                    Some("birth_date") => ("1931-01-01", self.canaries.iter().filter(is_birth).count()),
                    _ => ("1951-01-01", number),
                };
                let first = days_of(first.parse().unwrap());
                let iso = date_text(first + i32::try_from(number).unwrap());
                let [year, month, day] = iso.split('-').collect::<Vec<_>>()[..] else { panic!("{iso}") };
                let cell = format!("{day}/{month}/{year}");
                self.keep(whose, field, path, vec![iso.clone(), cell.clone()]);
                (cell, iso.into())
            }
            FieldKind::Timestamp => {
                let at =
                    format!("1999-03-04T{:02}:{:02}:{:02}", number / 3600, number / 60 % 60, number % 60);
                self.keep(whose, field, path, vec![at.to_lowercase()]);
                text(format!("{at}Z"))
            }
            FieldKind::Text | FieldKind::LongText | FieldKind::Reference | FieldKind::Attachment => {
                let is_member = field.target.as_deref() == Some("dang_vien");
                let said = match field.check.as_deref() {
                    // Born 1931, a man, in this province.
                    Some("cccd") => format!("03303173{number:04}"),
                    None if is_member => format!("03303173{number:04}"),
                    Some("phone") => format!("09837{number:05}"),
                    Some("party_card") => format!("8375{number:04}"),
                    Some("sha256") => hex::encode(sha256(&[b"canary", &number.to_be_bytes()])),
                    _ => self.word(),
                };
                self.keep(whose, field, path, vec![said.clone()]);
                text(match field.check.as_deref() {
                    Some("person_name") => format!("Yến {}{}", said[..1].to_uppercase(), &said[1..]),
                    Some("document_number") => format!("73-KL/{said}"),
                    Some(_) => said,
                    None => format!("{}{said}", if field.kind == FieldKind::LongText { "việc " } else { "" }),
                })
            }
            FieldKind::List | FieldKind::Items => unreachable!("told above"),
        }
    }

    /// Eight letters no language has.
    fn word(&self) -> String {
        let mut number = self.canaries.len();
        let mut letters = String::new();
        for _ in 0..3 {
            letters.insert(0, char::from(b'a' + u8::try_from(number % 26).unwrap()));
            number /= 26;
        }
        assert_eq!(number, 0, "there are more letters than canaries");
        format!("qxzwk{letters}")
    }

    fn unit_of(&self, catalogue: &Catalogue, whose: Whose<'_>, field: &Field) -> String {
        let declared = catalogue.record_type(whose.record_type);
        let is_own = declared.is_some_and(|declared| declared.unit_field.as_deref() == Some(&field.name));
        let (own, other) = whose.units;
        match (whose.lot, is_own) {
            (Lot::Wrong, true) => other.to_owned(),
            (Lot::Wrong, false) => "11977".to_owned(),
            (_, true) => own.to_owned(),
            (_, false) => other.to_owned(),
        }
    }

    fn keep(&mut self, whose: Whose<'_>, field: &Field, path: &str, forms: Vec<String>) {
        let place = self.canaries.len();
        for (number, form) in forms.iter().enumerate() {
            let begin: [u8; BEGINS] = form.as_bytes()[..BEGINS].try_into().unwrap();
            self.begins.entry(begin).or_default().push((place, number));
        }
        self.canaries.push(Canary {
            door: whose.door,
            lot: whose.lot,
            record_type: whose.record_type.to_owned(),
            path: path.to_owned(),
            kind: field.member_kind(),
            class: field.class,
            forms,
        });
    }

    /// All of them.
    #[must_use]
    pub fn canaries(&self) -> &[Canary] {
        &self.canaries
    }

    /// Those that stand in these very bytes.
    #[must_use]
    pub fn found_in(&self, bytes: &[u8]) -> BTreeSet<usize> {
        let small = bytes.to_ascii_lowercase();
        let mut first = [false; 256];
        self.begins.keys().for_each(|begin| first[usize::from(begin[0])] = true);
        let mut found = BTreeSet::new();
        for (at, window) in small.windows(BEGINS).enumerate() {
            if !first[usize::from(window[0])] {
                continue;
            }
            for (place, form) in self.begins.get(window).into_iter().flatten() {
                let form = self.canaries[*place].forms[*form].as_bytes();
                if small[at..].starts_with(form) {
                    found.insert(*place);
                }
            }
        }
        found
    }

    /// Fails if one is among them that may not be.
    pub fn only(&self, place: &str, found: &BTreeSet<usize>, may: impl Fn(&Canary) -> bool) {
        let wrong: Vec<&Canary> =
            found.iter().map(|at| &self.canaries[*at]).filter(|canary| !may(canary)).collect();
        let first: Vec<&&Canary> = wrong.iter().take(5).collect();
        assert!(wrong.is_empty(), "{} canaries are in {place}: {first:#?}", wrong.len());
    }

    /// Fails if one of those that must be is not among them.
    pub fn all(&self, place: &str, found: &BTreeSet<usize>, must: impl Fn(&Canary) -> bool) {
        let each = self.canaries.iter().enumerate();
        let missing: Vec<&Canary> =
            each.filter(|(at, canary)| must(canary) && !found.contains(at)).map(|(_, it)| it).collect();
        let first: Vec<&&Canary> = missing.iter().take(5).collect();
        assert!(missing.is_empty(), "{} canaries are not in {place}: {first:#?}", missing.len());
    }
}

/// Whose value it is to be.
#[derive(Clone, Copy)]
struct Whose<'a> {
    door: &'static str,
    lot: Lot,
    record_type: &'a str,
    /// Its own, and another.
    units: (&'a str, &'a str),
}

/// A code of the field's list: of secrecy as the lot is, of sex as the citizen numbers say.
fn code_of(catalogue: &Catalogue, field: &Field, lot: Lot) -> String {
    let list = field.codes.as_deref().unwrap();
    match list {
        "do_mat" if lot == Lot::Classified => "MAT".to_owned(),
        "do_mat" => "THUONG".to_owned(),
        "gioi_tinh" => "NAM".to_owned(),
        _ => catalogue.code_list(list).unwrap().codes[0].code.clone(),
    }
}
