//! The catalogue's rules become plans.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cel::Env;

use super::builtin::Builtin;
use super::expression::Expression;
use super::mark::MarkIndex;
use super::plan::*;
use super::steps::CoursePlan;
use super::{Expect, RuleIndex, RuleInfo, RuleKind};
use crate::catalogue::check::{month_and_day, of_rule};
use crate::catalogue::{
    Catalogue, CatalogueError, Class, Cross, Dimension, Expectation, Field, FieldKind, Matching, RecordType,
    Rule,
};
use crate::rules::text_chars_max;
use crate::text::in_both;

/// What compiling comes to.
pub(super) struct Compiler<'a> {
    catalogue: &'a Catalogue,
    pub(super) env: Arc<Env>,
    pub(super) rules: Vec<RuleInfo>,
    pub(super) types: BTreeMap<String, TypePlan>,
    pub(super) expectations: Vec<ExpectationPlan>,
    ids: BTreeSet<String>,
    /// Marks to be published: type, specification.
    published: BTreeSet<(String, String)>,
}

impl<'a> Compiler<'a> {
    pub(super) fn run(catalogue: &'a Catalogue) -> Result<Self, CatalogueError> {
        let rules = Builtin::infos();
        let ids = rules.iter().map(|rule| rule.id.clone()).collect();
        let mut compiler = Self {
            catalogue,
            env: Arc::new(Env::stdlib()),
            rules,
            types: BTreeMap::new(),
            expectations: Vec::new(),
            ids,
            published: BTreeSet::new(),
        };
        for declared in catalogue.record_types() {
            compiler.types.insert(declared.name.clone(), fields_of(catalogue, declared));
        }
        for declared in catalogue.record_types() {
            compiler.record_type(declared).map_err(|reason| CatalogueError {
                file: format!("records/{}.toml", declared.name),
                reason,
            })?;
        }
        Ok(compiler)
    }

    fn record_type(&mut self, declared: &RecordType) -> Result<(), String> {
        if let Some(days) = declared.freshness_days {
            let limited = declared.fresh_while.as_deref();
            let limited = limited.map(|source| self.expression(declared, None, source)).transpose()?;
            self.plan(&declared.name)?.freshness = Some((days_of(days), limited));
        }
        for rule in &declared.rules {
            self.rule(declared, rule).map_err(|reason| of_rule(&rule.id, &reason))?;
        }
        self.course(declared).map_err(|reason| in_both("tiến trình", "course", &reason))?;
        for field in declared.fields.iter().filter(|field| field.member_kind() == FieldKind::Reference) {
            self.reference(declared, field)?;
        }
        for expected in &declared.expectations {
            self.expectation(declared, expected).map_err(|reason| {
                in_both(&format!("chờ có {}", expected.id), &format!("expect {}", expected.id), &reason)
            })?;
        }
        if let Some(duplicates) = &declared.duplicates {
            let name = &declared.name;
            let propose = |set: &Vec<String>| {
                (MarkIndex::named(&format!("propose|{name}|{}", set.join(","))), set.clone())
            };
            let proposals = duplicates.propose.iter().map(propose).collect();
            let similar = (!duplicates.similar.is_empty())
                .then(|| (similar_index(name, &duplicates.similar), duplicates.similar.clone()));
            let plan = self.plan(name)?;
            plan.proposals = proposals;
            plan.similar = similar;
            plan.duplicates = Some(duplicates.clone());
        }
        Ok(())
    }

    fn rule(&mut self, declared: &RecordType, rule: &Rule) -> Result<(), String> {
        let expression = |source: &Option<String>| {
            source.as_deref().map(|s| self.expression(declared, rule.each.as_deref(), s)).transpose()
        };
        let (when, cel) = (expression(&rule.when)?, expression(&rule.cel)?);
        let named = cel.iter().chain(&when).flat_map(|expression| expression.fields.iter().cloned());
        let mut blame: Vec<String> = rule.field.iter().cloned().chain(named).collect();
        let judge = match (&rule.late, &rule.cross) {
            (Some(late), _) => {
                if rule.dimension != Dimension::Song {
                    return Err("`late` thuộc chiều song · `late` is of the dimension song".to_owned());
                }
                blame.insert(0, late.after.clone());
                let (after, months, days) = (late.after.clone(), late.months, days_of(late.days));
                Some(Judge::Late { after, months, days, working_days: late.working_days })
            }
            (None, Some(Cross::OneUnit {})) => Some(Judge::OneUnit),
            (None, Some(_)) => None,
            (None, None) => cel.map(Judge::Holds),
        };
        if rule.dimension == Dimension::Song && rule.late.is_none() {
            return Err("chiều song là của quy tắc `late` · the dimension song is of `late` rules".to_owned());
        }
        let kind = match &judge {
            Some(Judge::Late { .. }) => RuleKind::Late,
            None | Some(Judge::OneUnit) => RuleKind::Cross,
            Some(_) => RuleKind::Record,
        };
        let field = rule.field.clone().or_else(|| rule.cross.as_ref().and_then(field_of));
        let (severity, dimension) = (rule.severity, rule.dimension);
        let index = self.info(RuleInfo {
            id: rule.id.clone(),
            record_type: Some(declared.name.clone()),
            field,
            severity,
            dimension,
            kind,
            message: rule.message.clone(),
        })?;
        if let Some(judge) = judge {
            let at_import = rule.at_import.as_deref().map(Arc::from);
            let each = rule.each.clone();
            let plan = RulePlan { rule: index, severity, dimension, each, when, judge, blame, at_import };
            self.plan(&declared.name)?.rules.push(plan);
            return Ok(());
        }
        let Some(cross) = &rule.cross else { return Err("không xét gì · judges nothing".to_owned()) };
        let look = self.look(declared, rule, cross)?;
        self.plan(&declared.name)?.probes.push(ProbePlan {
            rule: index,
            dimension,
            when,
            look,
            at_import: rule.at_import.as_deref().map(Arc::from),
        });
        Ok(())
    }

    fn look(&mut self, declared: &RecordType, rule: &Rule, cross: &Cross) -> Result<Look, String> {
        Ok(match cross {
            Cross::Unique { by, in_unit } => {
                let when = rule.when.as_deref().unwrap_or_default();
                let name = format!("unique|{}|{}|{in_unit}|{when}", declared.name, by.join(","));
                Look::Unique { index: MarkIndex::named(&name), by: by.clone(), in_unit: *in_unit }
            }
            Cross::Agrees { by, field } => {
                let when = rule.when.as_deref().unwrap_or_default();
                let named = |more: &str| {
                    MarkIndex::named(&format!("agrees|{}|{}|{more}|{when}", declared.name, by.join(",")))
                };
                let (shared, index) = (named(""), named(field));
                Look::Agrees { shared, index, by: by.clone(), field: field.clone() }
            }
            Cross::Ranks { by, order } => {
                let when = rule.when.as_deref().unwrap_or_default();
                let (by_names, order_names) = (by.join(","), order.join(","));
                let name = format!("ranks|{}|{by_names}|{order_names}|{when}", declared.name);
                let order = order.iter().map(|field| self.order(declared, field)).collect();
                Look::Ranks { index: MarkIndex::named(&name), by: by.clone(), order }
            }
            Cross::Apart { by, from, to } => {
                let when = rule.when.as_deref().unwrap_or_default();
                let named = |part: &str| {
                    let (name, by) = (&declared.name, by.join(","));
                    MarkIndex::named(&format!("apart|{part}|{name}|{by}|{from}|{to}|{when}"))
                };
                let (under, blocks) = (named("under"), named("blocks"));
                let (from, to) = (from.clone(), to.clone());
                Look::Apart(ApartPlan { under, blocks, by: by.clone(), from, to })
            }
            Cross::Acyclic { by, to } => {
                let when = rule.when.as_deref().unwrap_or_default();
                let index = MarkIndex::named(&format!("acyclic|{}|{by}|{to}|{when}", declared.name));
                Look::Acyclic { index, by: vec![by.clone()], to: vec![to.clone()] }
            }
            Cross::Similar { by } => {
                let when = rule.when.as_deref().unwrap_or_default();
                let name = format!("{}|{when}", declared.name);
                Look::Similar { index: similar_index(&name, by), by: by.clone() }
            }
            Cross::Resolves { field } => {
                let target = declared.field(field).and_then(|field| field.target.clone());
                Look::Referred { index: self.identity(&target.unwrap_or_default())?, field: field.clone() }
            }
            Cross::Exists(matching) => {
                let least = Expect::AtLeast(matching.at_least.unwrap_or(1));
                Look::Matching(self.matching(matching, MatchExpect::Fixed(least))?)
            }
            Cross::Absent(matching) => {
                Look::Matching(self.matching(matching, MatchExpect::Fixed(Expect::AtMost(0)))?)
            }
            Cross::Counts(matching) => {
                let field = matching.equals.clone().unwrap_or_default();
                Look::Matching(self.matching(matching, MatchExpect::Field(field))?)
            }
            Cross::OneUnit {} => {
                return Err("không xét gì giữa các bản ghi · judges nothing across records".to_owned());
            }
        })
    }

    fn order(&self, declared: &RecordType, field: &str) -> OrderPlan {
        let list = declared.field(field).and_then(|field| field.codes.as_deref());
        let list = list.and_then(|list| self.catalogue.code_list(list));
        let codes = list.map(|list| list.codes.iter().map(|code| code.code.clone()).collect());
        OrderPlan { field: field.to_owned(), codes: codes.unwrap_or_default() }
    }

    fn matching(&mut self, matching: &Matching, expect: MatchExpect) -> Result<MatchPlan, String> {
        let theirs = matching.of.as_str();
        let mut fields: Vec<String> = matching.by.keys().cloned().collect();
        let choices = matching.by.values().map(|mine| mine.names().to_vec()).collect();
        if matching.in_unit {
            fields.push("_unit".to_owned());
        }
        let having = matching.having.clone().unwrap_or_default();
        let preceding = matching.preceding.as_ref();
        let year = matching.recent.clone().or_else(|| preceding.map(|years| years.field.clone()));
        let preceding = preceding.map(|years| (years.field.clone(), years.years));
        let name = format!("{}|{having}|{}", fields.join(","), year.as_deref().unwrap_or_default());
        let index = MarkIndex::named(&format!("match|{theirs}|{name}"));
        self.publish(theirs, name, index, fields, year, matching.having.as_deref())?;
        let (in_unit, or_unit, recent) = (matching.in_unit, matching.or_unit, matching.recent.is_some());
        Ok(MatchPlan { index, choices, in_unit, recent, preceding, or_unit, expect })
    }

    /// The index in which the records of a type are found by their id.
    fn identity(&mut self, of: &str) -> Result<MarkIndex, String> {
        let index = MarkIndex::named(&format!("id|{of}"));
        self.publish(of, "_id".to_owned(), index, vec!["_id".to_owned()], None, None)?;
        Ok(index)
    }

    fn publish(
        &mut self,
        of: &str,
        name: String,
        index: MarkIndex,
        fields: Vec<String>,
        year: Option<String>,
        having: Option<&str>,
    ) -> Result<(), String> {
        if !self.published.insert((of.to_owned(), name)) {
            return Ok(());
        }
        let declared = self
            .catalogue
            .record_type(of)
            .ok_or_else(|| format!("không có loại bản ghi {of} · there is no record type {of}"))?;
        let having = having.map(|source| self.expression(declared, None, source)).transpose()?;
        self.plan(of)?.publishes.push(PublishPlan { index, fields, year, having });
        Ok(())
    }

    /// A reference that no declared rule resolves is resolved all the same.
    fn reference(&mut self, declared: &RecordType, field: &Field) -> Result<(), String> {
        let done = declared.rules.iter().any(
            |rule| matches!(&rule.cross, Some(Cross::Resolves { field: named }) if *named == field.name),
        );
        let Some(target) = field.target.as_deref().filter(|_| !done && field.class != Class::C4) else {
            return Ok(());
        };
        let label = &field.label;
        let rule = self.push(RuleInfo {
            id: "REF_UNKNOWN".to_owned(),
            record_type: Some(declared.name.clone()),
            field: Some(field.name.clone()),
            severity: crate::catalogue::Severity::Warning,
            dimension: Dimension::ThongNhat,
            kind: RuleKind::Cross,
            message: crate::catalogue::Label {
                vi: format!(
                    "không tìm thấy bản ghi nêu ở “{}”: nhập bản ghi đó trước hoặc sửa lại",
                    label.vi
                ),
                en: format!(
                    "the record named in {} is not there: import it first, or mend the value",
                    label.en
                ),
            },
        })?;
        let look = Look::Referred { index: self.identity(target)?, field: field.name.clone() };
        let probe = ProbePlan { rule, dimension: Dimension::ThongNhat, when: None, look, at_import: None };
        self.plan(&declared.name)?.probes.push(probe);
        Ok(())
    }

    fn course(&mut self, declared: &RecordType) -> Result<(), String> {
        let Some(course) = &declared.course else { return Ok(()) };
        let list = declared.field(&course.state).and_then(|field| field.codes.as_deref());
        let list =
            list.and_then(|list| self.catalogue.code_list(list)).ok_or("its state has no code list")?;
        for id in course.rules() {
            if !self.ids.insert(id.to_owned()) {
                return Err(format!("{id} là mã của quy tắc khác · {id} is an id that another rule has"));
            }
        }
        let plan = CoursePlan::compile(declared, course, list, &mut |info| self.push(info))?;
        self.plan(&declared.name)?.course = Some(plan);
        Ok(())
    }

    fn expectation(&mut self, declared: &RecordType, expected: &Expectation) -> Result<(), String> {
        let rule = self.info(RuleInfo {
            id: expected.id.clone(),
            record_type: Some(declared.name.clone()),
            field: expected.year.clone(),
            severity: expected.severity,
            dimension: Dimension::Du,
            kind: RuleKind::Unit,
            message: expected.message.clone(),
        })?;
        let index = MarkIndex::named(&format!("expect|{}", expected.id));
        let (name, having) = (format!("expect|{}", expected.id), expected.having.as_deref());
        self.publish(&declared.name, name, index, vec!["_unit".to_owned()], expected.year.clone(), having)?;
        self.expectations.push(ExpectationPlan {
            rule,
            record_type: declared.name.clone(),
            units: expected.units.clone(),
            index,
            yearly: expected.year.is_some(),
            due: expected.due.as_deref().and_then(month_and_day),
        });
        Ok(())
    }

    fn expression(
        &self,
        declared: &RecordType,
        each: Option<&str>,
        source: &str,
    ) -> Result<Expression, String> {
        let items = match each {
            Some(each) => declared.field(each).map(|items| items.fields.as_slice()).ok_or("no such items")?,
            None => &[],
        };
        let known = declared.fields.iter().chain(items).map(|field| field.name.as_str()).collect();
        Expression::compile(&self.env, source, &known).map_err(|reason| in_both(source, source, &reason))
    }

    fn info(&mut self, info: RuleInfo) -> Result<RuleIndex, String> {
        if info.id == "REF_UNKNOWN" || !self.ids.insert(info.id.clone()) {
            return Err("trùng mã với quy tắc khác · has an id that another rule has".to_owned());
        }
        self.push(info)
    }

    fn push(&mut self, info: RuleInfo) -> Result<RuleIndex, String> {
        let index = u16::try_from(self.rules.len()).map_err(|_| "is one rule too many")?;
        self.rules.push(info);
        Ok(RuleIndex(index))
    }

    fn plan(&mut self, of: &str) -> Result<&mut TypePlan, String> {
        self.types
            .get_mut(of)
            .ok_or_else(|| format!("không có loại bản ghi {of} · there is no record type {of}"))
    }
}

fn similar_index(name: &str, fields: &[String]) -> MarkIndex {
    MarkIndex::named(&format!("similar|{name}|{}", fields.join(",")))
}

fn days_of(days: u32) -> i32 {
    i32::try_from(days).unwrap_or(i32::MAX)
}

/// The field a failed cross rule blames if none is declared.
fn field_of(cross: &Cross) -> Option<String> {
    match cross {
        Cross::Unique { by, .. } | Cross::Similar { by } => by.last().cloned(),
        Cross::Resolves { field } | Cross::Agrees { field, .. } => Some(field.clone()),
        Cross::Ranks { order, .. } => order.first().cloned(),
        Cross::Acyclic { to, .. } => Some(to.clone()),
        Cross::Apart { from, .. } => Some(from.clone()),
        Cross::Exists(matching) | Cross::Absent(matching) | Cross::Counts(matching) => {
            let mut mine = matching.by.values().flat_map(|mine| mine.names());
            matching.equals.clone().or_else(|| mine.find(|name| *name != "_id").cloned())
        }
        Cross::OneUnit {} => None,
    }
}

fn fields_of(catalogue: &Catalogue, declared: &RecordType) -> TypePlan {
    let named = |check: &str| {
        declared
            .fields
            .iter()
            .find(|field| field.check.as_deref() == Some(check))
            .map(|field| field.name.clone())
    };
    TypePlan {
        names: declared.fields.iter().map(|field| field.name.clone()).collect(),
        fields: plans_of(catalogue, &declared.fields),
        citizen: named("cccd"),
        birth: named("birth_date"),
        shared: declared.fields.iter().any(|field| field.class <= Class::C2),
        ..TypePlan::default()
    }
}

fn plans_of(catalogue: &Catalogue, fields: &[Field]) -> BTreeMap<String, FieldPlan> {
    let plan = |field: &Field| {
        let kind = field.member_kind();
        let codes = field.codes.as_deref().and_then(|list| catalogue.code_list(list));
        let plan = FieldPlan {
            kind,
            check: check_of(field),
            codes: codes.into_iter().flat_map(|list| &list.codes).map(|code| code.code.clone()).collect(),
            chars_max: text_chars_max(field, kind),
            fields: plans_of(catalogue, &field.fields),
            names: field.fields.iter().map(|field| field.name.clone()).collect(),
            required: field.required && field.class != Class::C4,
            field: field.clone(),
        };
        (field.name.clone(), plan)
    };
    fields.iter().map(plan).collect()
}

fn check_of(field: &Field) -> Check {
    match field.check.as_deref() {
        _ if field.codes.as_deref() == Some("do_mat") => Check::Secrecy,
        Some("person_name") => Check::PersonName,
        Some("cccd") => Check::Citizen,
        Some("phone") => Check::Phone,
        Some("party_card") => Check::PartyCard,
        Some("sha256") => Check::Sha256,
        Some("letter") => Check::Letter,
        Some("past_date" | "birth_date") => Check::Past,
        Some("positive") => Check::Positive,
        Some("year") => Check::Year,
        _ => Check::None,
    }
}
