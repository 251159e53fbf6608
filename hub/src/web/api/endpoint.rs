//! One endpoint: everything the router, the reader of requests and the description need of it.

use lienthong_node::api::Problem;
use lienthong_node::api::describe::UNIT_PATTERN;
use lienthong_proto::catalogue::Catalogue;
use serde_json::{Value as Json, json};

use super::given::Given;
use crate::service::Request;

/// Bytes of a cursor: it holds a value that is sorted by.
const CURSOR_BYTES_MAX: usize = 8_000;
/// Characters of a reason.
const REASON_MAX: usize = 500;

/// One method of one path.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// GET or POST.
    pub method: &'static str,
    /// Below [`super::BASE`], its parameters in braces.
    pub path: &'static str,
    /// Its row in [`crate::rights::REQUESTS`]; nothing is open to all.
    pub action: Option<&'static str>,
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) in_path: &'static [Member],
    pub(super) query: &'static [Member],
    pub(super) body: &'static [Member],
    pub(super) list: Option<List>,
    /// The schema of what is answered; of one item, where it is a list.
    pub(super) answer: &'static str,
    pub(super) does: Does,
}

/// What an endpoint does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Does {
    /// Asks the hub.
    Ask(fn(&Given) -> Result<Request, Problem>),
    /// Tells the catalogue.
    Types,
    /// Tells this description.
    Document,
}

/// A list that is filtered, sorted and paged here; the hub gives it whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    /// The member of the answer that holds the items.
    pub(super) items: &'static str,
    /// What names an item: these members together.
    pub(super) key: &'static [&'static str],
    /// What it can be sorted by; the first is how it is otherwise, from the lowest.
    pub(super) sorts: &'static [&'static str],
    /// What it can be filtered by: the item's member of that name is equal, or holds it.
    pub(super) filters: &'static [Member],
}

/// A named value of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) required: bool,
    pub(super) about: &'static str,
}

impl Member {
    pub(super) const fn new(name: &'static str, form: Form, about: &'static str) -> Self {
        Self { name, form, required: false, about }
    }

    pub(super) const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// What a value must look like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// Text of so many characters at most.
    Text(usize),
    /// A reason: text, and something in it.
    Reason,
    /// A ledger entry and the place beside it: `12.0`.
    Place,
    /// Where a list goes on, as the page before said; empty is the beginning.
    Cursor,
    /// An integer of this range.
    Whole(u64, u64),
    /// `true` or `false`.
    Flag,
    /// `yyyy-mm-dd`.
    Day,
    /// A unit's code.
    Unit,
    /// A record's id.
    Record,
    /// A record type.
    Type,
    /// One of these.
    Word(&'static [&'static str]),
}

impl Form {
    /// The JSON a path's or query's text means; nothing if it is of no such form.
    pub(super) fn of_text(self, text: &str) -> Option<Json> {
        match self {
            Self::Whole(..) => self.checked(text.parse::<u64>().ok()?.into()),
            Self::Flag => text.parse::<bool>().ok().map(Json::from),
            _ => self.checked(text.into()),
        }
    }

    /// A value, if it is of this form.
    pub(super) fn checked(self, value: Json) -> Option<Json> {
        let text = || value.as_str();
        let fits = match self {
            Self::Text(max) => text()?.chars().count() <= max && !text()?.contains('\0'),
            Self::Reason => {
                Self::Text(REASON_MAX).checked(value.clone()).is_some() && !text()?.trim().is_empty()
            }
            Self::Place => {
                let (ledger, place) = text()?.split_once('.')?;
                let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
                (1..=18).contains(&ledger.len())
                    && (1..=4).contains(&place.len())
                    && is_number(ledger)
                    && is_number(place)
            }
            Self::Cursor => text()?.len() <= CURSOR_BYTES_MAX,
            // JSON Schema has 1.0 for an integer.
            Self::Whole(min, max) => {
                let told = value.to_string();
                let whole = told.strip_suffix(".0").unwrap_or(&told).parse::<u64>().ok()?;
                return (min..=max).contains(&whole).then(|| whole.into());
            }
            Self::Flag => value.is_boolean(),
            Self::Day => text()?.parse::<jiff::civil::Date>().is_ok() && text()?.len() == 10,
            Self::Unit => text()?.parse::<lienthong_proto::ids::UnitCode>().is_ok(),
            Self::Record => text()?.parse::<lienthong_proto::ids::RecordId>().is_ok(),
            // An unknown one is said as such by whoever looks for it.
            Self::Type => text()?.len() <= 64,
            Self::Word(words) => words.contains(&text()?),
        };
        fits.then_some(value)
    }

    /// As a description has it.
    pub(super) fn schema(self, catalogue: &Catalogue) -> Json {
        match self {
            Self::Text(max) => json!({ "type": "string", "maxLength": max, "pattern": "^[^\\u0000]*$" }),
            Self::Reason => json!({
                "type": "string", "minLength": 1, "maxLength": REASON_MAX,
                "pattern": "^[^\\u0000]*[^\\s\\u0000][^\\u0000]*$",
            }),
            Self::Place => json!({ "type": "string", "pattern": "^[0-9]{1,18}\\.[0-9]{1,4}$" }),
            Self::Cursor => json!({ "type": "string", "maxLength": CURSOR_BYTES_MAX }),
            Self::Whole(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Self::Flag => json!({ "type": "boolean" }),
            Self::Day => json!({ "type": "string", "format": "date" }),
            Self::Unit => json!({ "type": "string", "pattern": UNIT_PATTERN }),
            Self::Record => json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" }),
            Self::Type => {
                let names: Vec<&str> =
                    catalogue.record_types().map(|declared| declared.name.as_str()).collect();
                json!({ "type": "string", "enum": names })
            }
            Self::Word(words) => json!({ "type": "string", "enum": words }),
        }
    }
}

impl Endpoint {
    const fn new(method: &'static str, path: &'static str, id: &'static str, about: &'static str) -> Self {
        Self {
            method,
            path,
            action: None,
            id,
            about,
            in_path: &[],
            query: &[],
            body: &[],
            list: None,
            answer: "OpenApi",
            does: Does::Document,
        }
    }

    pub(super) const fn get(path: &'static str, id: &'static str, about: &'static str) -> Self {
        Self::new("GET", path, id, about)
    }

    pub(super) const fn post(path: &'static str, id: &'static str, about: &'static str) -> Self {
        Self::new("POST", path, id, about)
    }

    /// What stands in the braces of its path.
    pub(super) const fn with(mut self, in_path: &'static [Member]) -> Self {
        self.in_path = in_path;
        self
    }

    pub(super) const fn query(mut self, query: &'static [Member]) -> Self {
        self.query = query;
        self
    }

    pub(super) const fn body(mut self, body: &'static [Member]) -> Self {
        self.body = body;
        self
    }

    pub(super) const fn list(mut self, list: List) -> Self {
        self.list = Some(list);
        self
    }

    pub(super) const fn answer(mut self, schema: &'static str) -> Self {
        self.answer = schema;
        self
    }

    pub(super) const fn does(mut self, action: &'static str, does: Does) -> Self {
        self.action = Some(action);
        self.does = does;
        self
    }

    /// Asks the hub this, which must be the request of that row.
    pub(super) const fn asks(
        self,
        action: &'static str,
        request: fn(&Given) -> Result<Request, Problem>,
    ) -> Self {
        self.does(action, Does::Ask(request))
    }
}
