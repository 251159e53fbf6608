//! Conditions in CEL over a record's values.
//!
//! Every declared field is bound, absent ones as null; dates are days since 1970, instants milliseconds, codes,
//! units and decimals text, references hexadecimal text; items are lists of maps. `today` and `this_year` are
//! bound too; `x__year` is the year that field `x` speaks of, `x__start` the first day of it, `x__adult` the day on which
//! somebody born on `x` is 18, `x__next_year` the same day of the next, `x__workday` the number of the last working day until `x` ([`Calendar::number`]), `x__before` that of the last before it. In a
//! rule over each item, the item's subfields come before the record's fields.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cel::common::types::{CelBool, CelInt, CelList, CelNull, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, Env, Program};

use super::plain::{Plain, Term};
use crate::catalogue::Calendar;
use crate::rules::{adult_on, months_on};
use crate::value::{Value, civil, days_of};

/// Characters of a condition.
const SOURCE_CHARS_MAX: usize = 2_000;
/// Brackets in one another: CEL's parser recurses, and 12 exhaust a thread's 2 MiB in a debug build.
const DEPTH_MAX: usize = 5;
/// Comparing, reckoning and selecting operators: a chain of 55 does the same.
const OPERATORS_MAX: usize = 20;

/// One item's values by subfield.
pub(super) type Item<'a> = BTreeMap<&'a str, &'a Value>;
/// The items of one items field, by item key.
pub(super) type Items<'a> = BTreeMap<&'a str, Item<'a>>;

/// What evaluating a condition comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Holds,
    Fails,
    /// An error, e.g. null compared with a number: not applicable, never a defect.
    Undefined,
}

/// A compiled condition.
#[derive(Debug)]
pub(super) struct Expression {
    program: Program,
    /// The short way, where there is one.
    plain: Option<Plain>,
    /// The fields it names, in the order of the text.
    pub(super) fields: Vec<String>,
    /// Its outcome may change at midnight.
    pub(super) daily: bool,
    /// Its outcome may change at New Year.
    pub(super) yearly: bool,
}

impl Expression {
    /// Compiles a condition that may name `known` fields.
    pub(super) fn compile(env: &Env, source: &str, known: &BTreeSet<&str>) -> Result<Self, String> {
        let length = source.chars().count();
        if length > SOURCE_CHARS_MAX {
            return Err(format!(
                "dài {length} ký tự, tối đa {SOURCE_CHARS_MAX} · is {length} characters long, at most {SOURCE_CHARS_MAX} are taken"
            ));
        }
        let (depth, operators) = (depth_of(source), operators_of(source));
        if depth > DEPTH_MAX {
            return Err(format!(
                "lồng {depth} ngoặc, tối đa {DEPTH_MAX} · nests {depth} brackets, at most {DEPTH_MAX} are taken"
            ));
        }
        if operators > OPERATORS_MAX {
            return Err(format!(
                "có {operators} phép toán, tối đa {OPERATORS_MAX} · has {operators} operators, at most {OPERATORS_MAX} are taken"
            ));
        }
        let program = env.compile(source).map_err(|error| error.to_string())?;
        let references = program.references();
        let loops = loop_variables(source);
        let named: BTreeSet<&str> =
            references.variables().into_iter().filter(|name| !loops.contains(name)).collect();
        if let Some(unknown) = named.iter().find(|name| !known.contains(base(name)) && !is_clock(name)) {
            return Err(format!(
                "nêu {unknown}, không phải trường ở đây · names {unknown}, which is no field here"
            ));
        }
        let mut fields: Vec<String> = Vec::new();
        for word in source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if named.contains(word) && !is_clock(word) && !fields.iter().any(|known| known == base(word)) {
                fields.push(base(word).to_owned());
            }
        }
        let (daily, yearly) = (named.contains("today"), named.contains("this_year"));
        drop(references);
        let plain = Plain::of(program.expression());
        Ok(Self { program, plain, fields, daily, yearly })
    }

    /// Evaluates it; never panics, whatever the values.
    pub(super) fn evaluate(&self, env: &Arc<Env>, scope: &Scope<'_>) -> Outcome {
        self.shortly(scope).unwrap_or_else(|| self.interpret(env, scope))
    }

    /// The outcome without the interpreter, where it is beyond doubt.
    pub(super) fn shortly(&self, scope: &Scope<'_>) -> Option<Outcome> {
        match self.plain.as_ref()?.evaluate(scope)? {
            Term::Boolean(true) => Some(Outcome::Holds),
            Term::Boolean(false) => Some(Outcome::Fails),
            _ => None,
        }
    }

    /// The outcome by CEL's interpreter.
    pub(super) fn interpret(&self, env: &Arc<Env>, scope: &Scope<'_>) -> Outcome {
        let mut context = Context::with_env(Arc::clone(env));
        context.set_variable_resolver(scope);
        match self.program.execute(&context) {
            Ok(cel::Value::Bool(true)) => Outcome::Holds,
            Ok(cel::Value::Bool(false)) => Outcome::Fails,
            _ => Outcome::Undefined,
        }
    }
}

/// How deep brackets stand in one another; those inside of text count too, which is on the safe side.
fn depth_of(source: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for c in source.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn operators_of(source: &str) -> usize {
    let single = source.chars().filter(|c| matches!(c, '<' | '>' | '+' | '-' | '*' | '/' | '%' | '.'));
    single.count()
        + ["==", "!=", " in "].map(|operator| source.matches(operator).count()).iter().sum::<usize>()
}

fn is_clock(name: &str) -> bool {
    matches!(name, "today" | "this_year")
}

/// The field behind a name that stands for something of its value.
fn base(name: &str) -> &str {
    ["__year", "__start", "__adult", "__next_year", "__workday", "__before"]
        .into_iter()
        .find_map(|of| name.strip_suffix(of))
        .unwrap_or(name)
}

/// The variables that `exists`, `all` and their kin bind.
fn loop_variables(source: &str) -> BTreeSet<&str> {
    let macros = ["exists(", "all(", "exists_one(", "map(", "filter("];
    let pieces = macros.into_iter().flat_map(|name| source.split(name).skip(1));
    pieces.filter_map(|piece| piece.split_once(',')).map(|(variable, _)| variable.trim()).collect()
}

/// The values a condition sees.
pub(super) struct Scope<'a> {
    /// The record's fields: absent ones are null.
    pub(super) known: &'a BTreeSet<String>,
    /// The record's values by path.
    pub(super) values: &'a BTreeMap<String, Value>,
    /// The record's items.
    pub(super) items: &'a BTreeMap<&'a str, Items<'a>>,
    /// The item that is judged, and its subfields' names.
    pub(super) item: Option<(&'a Item<'a>, &'a BTreeSet<String>)>,
    pub(super) today: i32,
    pub(super) this_year: i16,
    pub(super) calendar: &'a Calendar,
}

impl Scope<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        match self.item {
            Some((item, names)) if names.contains(name) => item.get(name).copied(),
            _ => self.values.get(name),
        }
    }

    /// The value of a name that no field has: the clock, a year, or null for an absent field.
    fn derived(&self, name: &str) -> Option<Option<i64>> {
        let subfield = self.item.is_some_and(|(_, names)| names.contains(name));
        if subfield || self.known.contains(name) {
            return Some(None);
        }
        match name {
            "today" => return Some(Some(i64::from(self.today))),
            "this_year" => return Some(Some(i64::from(self.this_year))),
            _ => {}
        }
        let day = |name: &str| match self.value(name) {
            Some(Value::Date(day)) => Some(*day),
            _ => None,
        };
        if let Some(born) = name.strip_suffix("__adult") {
            return Some(day(born).and_then(adult_on).map(i64::from));
        }
        if let Some(name) = name.strip_suffix("__next_year") {
            return Some(day(name).and_then(|day| months_on(day, 12)).map(i64::from));
        }
        if let Some(name) = name.strip_suffix("__workday") {
            return Some(day(name).map(|day| i64::from(self.calendar.number(day))));
        }
        if let Some(name) = name.strip_suffix("__before") {
            return Some(day(name).map(|day| i64::from(self.calendar.number(day.saturating_sub(1)))));
        }
        let year = self.value(base(name)).and_then(year_of);
        if name.ends_with("__year") {
            Some(year.map(i64::from))
        } else if name.ends_with("__start") {
            let start = year.and_then(|year| jiff::civil::Date::new(year, 1, 1).ok()).map(days_of);
            Some(start.map(i64::from))
        } else {
            None
        }
    }

    /// What a name stands for, if it is plain.
    pub(super) fn term(&self, name: &str) -> Option<Term<'_>> {
        if let Some(value) = self.value(name) {
            return Term::of(value);
        }
        if self.items.contains_key(name) {
            return None;
        }
        self.derived(name).map(|number| number.map_or(Term::Null, Term::Number))
    }
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        if let Some(value) = self.value(name) {
            return Some(CowVal::Owned(bound(value)));
        }
        if let Some(items) = self.items.get(name) {
            return Some(CowVal::Owned(bound_items(items)));
        }
        let number = self.derived(name)?;
        Some(number.map_or_else(|| CowVal::owned(CelNull), |number| CowVal::owned(CelInt::from(number))))
    }
}

fn bound(value: &Value) -> Box<dyn Val + '_> {
    match value {
        Value::Text(text) | Value::Decimal(text) | Value::Code(text) => {
            Box::new(CelString::from(text.as_str()))
        }
        Value::Unit(unit) => Box::new(CelString::from(unit.as_str())),
        Value::List(values) => Box::new(CelList::from(values.iter().map(bound).collect::<Vec<_>>())),
        Value::Boolean(yes) => Box::new(CelBool::from(*yes)),
        Value::Reference(_) | Value::Attachment(_) => Box::new(CelString::from(value.to_text())),
        _ => whole_number(value).map_or_else(
            || Box::new(CelNull) as Box<dyn Val>,
            |number| Box::new(CelInt::from(number)) as Box<dyn Val>,
        ),
    }
}

fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) | Value::Money(number) => Some(*number),
        Value::Date(days) => Some(i64::from(*days)),
        Value::Timestamp(at) => Some(i64::try_from(at.0).unwrap_or(i64::MAX)),
        _ => None,
    }
}

fn bound_items<'b>(items: &Items<'_>) -> Box<dyn Val + 'b> {
    let maps = items.values().map(|item| {
        let entries = item.iter().map(|(name, value)| ((*name).into(), free(value)));
        let map = cel::objects::Map { map: Arc::new(entries.collect()) };
        let map: Result<Box<dyn Val>, _> = cel::Value::Map(map).try_into();
        map.unwrap_or_else(|_| Box::new(CelNull))
    });
    Box::new(CelList::from(maps.collect::<Vec<_>>()))
}

/// The value by itself, for maps of items.
fn free(value: &Value) -> cel::Value {
    match value {
        Value::Boolean(yes) => cel::Value::Bool(*yes),
        _ => match whole_number(value) {
            Some(number) => cel::Value::Int(number),
            None if *value == Value::Null => cel::Value::Null,
            None => cel::Value::String(Arc::new(value.to_text())),
        },
    }
}

/// The year a value speaks of: a date's, a number, or the only year in a text (`Năm 2026`).
pub(super) fn year_of(value: &Value) -> Option<i16> {
    let year = match value {
        Value::Date(day) => civil(*day)?.year(),
        Value::Integer(number) => i16::try_from(*number).ok()?,
        Value::Text(text) => {
            let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|part| part.len() == 4);
            let mut years = numbers.filter_map(|part| part.parse().ok()).filter(|year| is_year(*year));
            let year = years.next()?;
            return years.next().is_none().then_some(year);
        }
        _ => return None,
    };
    is_year(year).then_some(year)
}

fn is_year(year: i16) -> bool {
    (1_945..=2_200).contains(&year)
}
