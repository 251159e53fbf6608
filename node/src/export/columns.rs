//! What a sheet of records holds: its columns, and a record's cells.

use jiff::civil::Date;
use lienthong_proto::catalogue::{Class, Field, FieldKind, RecordType};
use lienthong_proto::text::neutralise_formula;
use serde_json::Value;

/// The titles before the fields': what the record is, and whose.
const OWN: [&str; 2] = ["id", "unit"];

/// What stands in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Headers {
    /// Field names.
    Names,
    /// Vietnamese labels.
    LabelsVi,
    /// English labels.
    LabelsEn,
}

/// The fields that are columns of a sheet: the record's own, then those of one item of it. Neither what no
/// cell holds, nor anything of class C4.
pub fn sheet_fields(record_type: &RecordType) -> impl Iterator<Item = &Field> {
    let own = record_type.fields.iter().filter(|field| field.fields.is_empty());
    let of_items = record_type.fields.iter().filter(|field| field.class != Class::C4);
    own.chain(of_items.flat_map(|field| &field.fields))
        .filter(|field| field.class != Class::C4 && field.kind != FieldKind::Attachment)
}

/// Whether a header's first titles say that the sheet is one of our exports.
#[must_use]
pub fn is_own_header(first: Option<&str>, second: Option<&str>) -> bool {
    [first, second] == OWN.map(Some)
}

/// What a cell says, whatever the file's format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Blank,
    /// Text no spreadsheet runs as a formula.
    Text(String),
    /// A number, by its digits.
    Number(String),
    /// A day.
    Day(Date),
    /// Yes or no.
    Boolean(bool),
}

impl Cell {
    fn of(kind: FieldKind, value: &Value) -> Self {
        let text = |text: &str| Self::Text(neutralise_formula(text).into_owned());
        match (kind, value) {
            (_, Value::Null) => Self::Blank,
            (_, Value::Bool(yes)) => Self::Boolean(*yes),
            (_, Value::Number(number)) => Self::Number(number.to_string()),
            (FieldKind::Decimal, Value::String(digits)) => Self::Number(digits.clone()),
            (FieldKind::Date, Value::String(day)) => day.parse().map_or_else(|_| text(day), Self::Day),
            (_, Value::String(value)) => text(value),
            (_, Value::Array(values)) => text(&values.iter().map(plain).collect::<Vec<_>>().join("; ")),
            (_, Value::Object(_)) => text(&value.to_string()),
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

struct Column {
    /// The items field it belongs to.
    items: Option<String>,
    name: String,
    title: String,
    kind: FieldKind,
}

/// The columns of a type, and what its records put into them.
pub struct Table {
    columns: Vec<Column>,
}

impl Table {
    /// The table of a type.
    #[must_use]
    pub fn new(record_type: &RecordType, headers: Headers) -> Self {
        let items = |field: &Field| {
            let parent = record_type
                .fields
                .iter()
                .find(|parent| parent.fields.iter().any(|subfield| std::ptr::eq(subfield, field)));
            parent.map(|parent| parent.name.clone())
        };
        let column = |field: &Field| Column {
            items: items(field),
            name: field.name.clone(),
            title: match headers {
                Headers::Names => &field.name,
                Headers::LabelsVi => &field.label.vi,
                Headers::LabelsEn => &field.label.en,
            }
            .clone(),
            kind: field.kind,
        };
        Self { columns: sheet_fields(record_type).map(column).collect() }
    }

    /// The titles: `id` and `unit`, then the fields'.
    pub fn titles(&self) -> impl Iterator<Item = &str> {
        OWN.into_iter().chain(self.columns.iter().map(|column| column.title.as_str()))
    }

    /// What each column holds.
    pub fn kinds(&self) -> impl Iterator<Item = FieldKind> {
        OWN.map(|_| FieldKind::Text).into_iter().chain(self.columns.iter().map(|column| column.kind))
    }

    /// The rows of a record `{id, unit, fields: {…}}`: one for each of its items, at least one.
    #[must_use]
    pub fn rows(&self, record: &Value) -> Vec<Vec<Cell>> {
        let fields = record.get("fields");
        let value = |name: &str| fields.and_then(|fields| fields.get(name));
        let items = |name: &str| value(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let parents = self.columns.iter().filter_map(|column| column.items.as_deref());
        let count = parents.map(|parent| items(parent).len()).max().unwrap_or(0).max(1);
        let cell = |kind, value: Option<&Value>| value.map_or(Cell::Blank, |value| Cell::of(kind, value));
        let row = |place: usize| {
            let own = OWN.iter().map(|name| cell(FieldKind::Text, record.get(*name)));
            let columns = self.columns.iter().map(|column| match &column.items {
                None => cell(column.kind, value(&column.name)),
                Some(parent) => {
                    let item = items(parent).get(place);
                    cell(column.kind, item.and_then(|item| item.get(&column.name)))
                }
            });
            own.chain(columns).collect()
        };
        (0..count).map(row).collect()
    }
}
