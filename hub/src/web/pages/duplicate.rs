//! Two records beside each other: they are one, they are two, or neither after all.

use std::collections::BTreeSet;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use lienthong_node::dataset::Record;
use lienthong_proto::catalogue::{Class, RecordType};
use lienthong_proto::ids::RecordId;
use lienthong_proto::value::Value;
use maud::{Markup, html};
use serde_json::Value as Json;

use super::super::shown::{headline, named, record_link, record_of, stated, type_of};
use super::super::trouble::Trouble;
use super::super::view::{Fields, View, go_to};
use crate::rights::Right;
use crate::service::{Pairing, Request};

type Names = Path<(String, String, String)>;

/// Where a pair's page is: the lower id first.
pub(super) fn address(record_type: &str, one: RecordId, other: RecordId) -> String {
    let (first, second) = if one < other { (one, other) } else { (other, one) };
    format!("/duplicates/{record_type}/{first}/{second}")
}

/// What was decided of a pair.
#[derive(PartialEq, Eq)]
enum Decided {
    Nothing,
    /// The first leads to the second, or the other way round.
    One {
        first_left: bool,
    },
    Two,
}

struct Pair<'a> {
    view: &'a View,
    declared: &'a RecordType,
    first: Record,
    second: Record,
}

/// What a form was sent with, what it was about, and what is wrong with it.
struct Sent<'a> {
    fields: &'a Fields,
    wrong: &'a str,
}

impl<'a> Pair<'a> {
    fn of(view: &'a View, Path((name, first, second)): &Names) -> Result<Self, Trouble> {
        let declared = type_of(view, name)?;
        let (one, other) = (record_of(view, name, first)?, record_of(view, name, second)?);
        if one.id == other.id {
            return Err(Trouble::missing(second));
        }
        let (first, second) = if one.id < other.id { (one, other) } else { (other, one) };
        Ok(Self { view, declared, first, second })
    }

    fn address(&self) -> String {
        address(&self.declared.name, self.first.id, self.second.id)
    }

    fn decided(&self) -> Decided {
        let leads =
            |one: &Record, other: &Record| one.merging().is_some_and(|merging| merging.into == other.id);
        if leads(&self.first, &self.second) {
            Decided::One { first_left: true }
        } else if leads(&self.second, &self.first) {
            Decided::One { first_left: false }
        } else if self.first.is_apart_from(self.second.id) {
            Decided::Two
        } else {
            Decided::Nothing
        }
    }

    fn page(&self, status: StatusCode, sent: Option<&Sent<'_>>) -> Result<Response, Trouble> {
        let view = self.view;
        let likeness = view.site.hub.quality.likeness(&self.first, &self.second);
        let likeness = likeness.map_err(|error| Trouble::internal(&error))?;
        let title = view.t("Hai bản ghi có phải là một?", "Are these two one?");
        let decided = self.decided();
        let main = html! {
            p.crumbs {
                a href="/duplicates" { (view.t("Trùng lặp", "Duplicates")) } " › " (view.label(&self.declared.label))
            }
            h1 { (title) }
            @if let Some(sent) = sent { p.wrong role="alert" { (sent.wrong) } }
            (self.standing(&decided))
            @if let (Decided::Nothing, Some(likeness)) = (&decided, &likeness) { (self.reasons(likeness)) }
            section { h2 { (view.t("Cạnh nhau", "Side by side")) } (self.fields()) }
            @if view.may(Right::Decide) {
                @if decided == Decided::Nothing { div.columns { (self.merge_form(sent)) (self.separate_form(sent)) } }
                @else { (self.undo_form(sent)) }
            } @else { p.quiet { (view.t("Người quản lý dữ liệu quyết định.", "A steward decides.")) } }
        };
        Ok(view.page_with(status, title, &main))
    }

    fn standing(&self, decided: &Decided) -> Markup {
        let view = self.view;
        let link = |record: &Record| record_link(view, &self.declared.name, &record.id.to_string());
        html! {
            @match decided {
                Decided::Nothing => {},
                Decided::One { first_left } => {
                    @let (left, stays) = if *first_left { (&self.first, &self.second) } else { (&self.second, &self.first) };
                    p.done role="status" { (link(left)) (view.t(" đã gộp vào ", " was merged into ")) (link(stays)) "." }
                },
                Decided::Two => { p.done role="status" { (view.t("Đã quyết định: đây là hai bản ghi khác nhau.", "Decided: these are two.")) } },
            }
        }
    }

    fn reasons(&self, likeness: &Json) -> Markup {
        let view = self.view;
        let reasons = likeness.get("reasons").and_then(Json::as_array).into_iter().flatten();
        html! {
            section {
                h2 { (view.t("Giống nhau ", "Likeness ")) (likeness.get("score").and_then(Json::as_u64).unwrap_or(0)) }
                ul { @for reason in reasons.filter_map(Json::as_str) { li { (self.reason(reason)) } } }
            }
        }
    }

    /// A reason as it is kept, `field Agreement +points`, in words.
    fn reason(&self, reason: &str) -> Markup {
        let mut parts = reason.rsplitn(3, ' ');
        let (points, agreement) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let field = parts.next().unwrap_or_default();
        html! { (named(self.view, self.declared, field)) ": " (agreed(self.view, agreement)) " (" (points) ")" }
    }

    fn fields(&self) -> Markup {
        let view = self.view;
        let records = [&self.first, &self.second];
        let known = self.declared.fields.iter().filter(|field| field.class < Class::C4);
        let mut names: Vec<&str> = known.map(|field| field.name.as_str()).collect();
        let items: BTreeSet<&str> = records
            .iter()
            .flat_map(|record| record.values())
            .map(|(name, _)| name)
            .filter(|name| name.contains('/'))
            .collect();
        names.extend(items);
        let said =
            |record: &Record, name: &str| record.shown(name).filter(|value| **value != Value::Null).cloned();
        html! {
            div.scroll tabindex="0" role="region" aria-label=(view.t("Cạnh nhau", "Side by side")) {
                table.rows.pair {
                    thead { tr {
                        th scope="col" { (view.t("Trường", "Field")) }
                        @for record in records { th scope="col" { (record_link(view, &self.declared.name, &record.id.to_string())) } }
                    } }
                    tbody {
                        tr {
                            td data-label=(view.t("Trường", "Field")) { (view.t("Đơn vị quản lý", "Owning unit")) }
                            @for record in records { td data-label=(self.whose(record)) { @if let Some(owner) = &record.owner { (view.unit(owner.as_str())) } } }
                        }
                        @for name in names {
                            @let both = (said(&self.first, name), said(&self.second, name));
                            @if both.0.is_some() || both.1.is_some() {
                                tr.differs[both.0 != both.1] {
                                    td data-label=(view.t("Trường", "Field")) { (named(view, self.declared, name)) }
                                    @for (record, value) in records.into_iter().zip([&both.0, &both.1]) {
                                        td data-label=(self.whose(record)) {
                                            @match value { Some(value) => (stated(view, self.declared, name, &value.to_json())), None => "–" }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The values of a record's key.
    fn key(&self, record: &Record) -> String {
        let shown = |name: &String| Some(record.shown(name)?.to_text());
        self.declared.key.fields.iter().filter_map(shown).collect::<Vec<_>>().join(" ")
    }

    /// Which of the two it is, where there is room for little.
    fn whose(&self, record: &Record) -> String {
        let one = if record.id == self.first.id { 1 } else { 2 };
        let owner = record.owner.as_ref().map_or_else(String::new, |owner| self.view.tree().title(owner));
        format!("{one}: {owner}")
    }

    fn reason_field(&self, sent: Option<&Sent<'_>>) -> Markup {
        let (view, before) = (self.view, sent.map_or("", |sent| sent.fields.text("reason")));
        html! {
            label { span { (view.t("Lý do (ghi vào sổ cái)", "Reason (goes into the ledger)")) }
                textarea name="reason" required rows="2" maxlength="300" { (before) } }
        }
    }

    fn merge_form(&self, sent: Option<&Sent<'_>>) -> Markup {
        let view = self.view;
        let keep = sent.map_or("", |sent| sent.fields.text("keep"));
        html! {
            section {
                h2 { (view.t("Là một: gộp", "They are one: merge")) }
                p.quiet { (view.t("Bản ghi kia dẫn tới bản ghi giữ lại, và cho nó những gì nó chưa có. Không mất gì; hoàn tác được.",
                    "The other one leads to the one that stays, which gets what only the other had. Nothing is lost; it can be taken back.")) }
                form.stacked method="post" action={ (self.address()) "/merge" } {
                    (view.csrf_field())
                    fieldset {
                        legend { (view.t("Giữ lại bản ghi nào", "Which one stays")) }
                        @for record in [&self.first, &self.second] {
                            @let id = record.id.to_string();
                            label.choice { input type="radio" name="keep" value=(id) required checked[keep == id];
                                span { (headline(view, record)) " · " (self.key(record)) " " span.quiet { @if let Some(owner) = &record.owner { (view.tree().title(owner)) } } } }
                        }
                    }
                    (self.reason_field(sent))
                    div { button.main { (view.t("Gộp", "Merge")) } }
                }
            }
        }
    }

    fn separate_form(&self, sent: Option<&Sent<'_>>) -> Markup {
        let view = self.view;
        html! {
            section {
                h2 { (view.t("Là hai: tách", "They are two: separate")) }
                p.quiet { (view.t("Cặp này sẽ không được nêu lại.", "The pair is not proposed again.")) }
                form.stacked method="post" action={ (self.address()) "/separate" } {
                    (view.csrf_field()) (self.reason_field(sent))
                    div { button.main { (view.t("Là hai bản ghi khác nhau", "They are two")) } }
                }
            }
        }
    }

    fn undo_form(&self, sent: Option<&Sent<'_>>) -> Markup {
        let view = self.view;
        html! {
            section {
                h2 { (view.t("Hoàn tác", "Take it back")) }
                form.stacked.narrow method="post" action={ (self.address()) "/undo" } {
                    (view.csrf_field()) (self.reason_field(sent))
                    div { button.danger { (view.t("Hoàn tác", "Take it back")) } }
                }
            }
        }
    }

    async fn decide(&self, fields: &Fields, request: fn(Pairing) -> Request) -> Result<Response, Trouble> {
        let keep = Some(fields.text("keep").to_owned()).filter(|keep| !keep.is_empty());
        let pairing = Pairing {
            record_type: self.declared.name.clone(),
            first: self.first.id.to_string(),
            second: Some(self.second.id.to_string()),
            keep,
            unit: None,
            reason: fields.text("reason").to_owned(),
            actor: String::new(),
        };
        match self.view.ask(request(pairing)).await {
            Ok(_) => Ok(go_to(&self.address())),
            Err(trouble) if trouble.status == StatusCode::UNPROCESSABLE_ENTITY => {
                let wrong = self.view.t(&trouble.what.0, &trouble.what.1);
                let settled =
                    ["RECORD_MERGED", "RECORD_WITHDRAWN", "NOTHING_TO_UNDO"].contains(&&*trouble.rule);
                let status = if settled { StatusCode::CONFLICT } else { trouble.status };
                self.page(status, Some(&Sent { fields, wrong }))
            }
            Err(trouble) => Err(trouble),
        }
    }
}

fn agreed<'a>(view: &View, agreement: &'a str) -> &'a str {
    let (vi, en) = match agreement {
        "Same" => ("giống hệt", "the same"),
        "Near" => ("gần giống", "nearly the same"),
        "Differs" => ("khác", "differs"),
        other => return other,
    };
    view.tongue.pick(vi, en)
}

/// The page.
pub(in super::super) async fn page(view: View, names: Names) -> Result<Response, Trouble> {
    tokio::task::block_in_place(|| Pair::of(&view, &names)?.page(StatusCode::OK, None))
}

/// They are one.
pub(in super::super) async fn merge(view: View, names: Names, fields: Fields) -> Result<Response, Trouble> {
    Pair::of(&view, &names)?.decide(&fields, Request::DuplicatesMerge).await
}

/// They are two.
pub(in super::super) async fn separate(
    view: View,
    names: Names,
    fields: Fields,
) -> Result<Response, Trouble> {
    Pair::of(&view, &names)?.decide(&fields, Request::DuplicatesSeparate).await
}

/// Neither, after all.
pub(in super::super) async fn undo(view: View, names: Names, fields: Fields) -> Result<Response, Trouble> {
    Pair::of(&view, &names)?.decide(&fields, Request::DuplicatesUndo).await
}
