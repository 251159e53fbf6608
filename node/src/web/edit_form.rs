//! The form of a record: a code list is a drop-down, a message stands at its field.

use axum::response::Html;
use lienthong_proto::catalogue::{Field, FieldKind};
use maud::{Markup, html};
use serde_json::Value as Json;

use super::edit::{Before, texts};
use super::form::Fields;
use super::shown::{headline, record_path, value};
use super::view::{View, sentence};

/// What a form shows beside the record.
#[derive(Default)]
pub(super) struct Shown {
    /// What was typed, if it was sent before.
    pub(super) typed: Option<Fields>,
    /// What is said of the whole.
    pub(super) note: Option<String>,
    /// What is wrong, as `import` reports it.
    pub(super) errors: Vec<Json>,
}

impl Shown {
    fn texts(&self, name: &str, field: &Field, value: Option<&Json>) -> Vec<String> {
        match &self.typed {
            Some(typed) => typed.all(name).filter(|text| !text.is_empty()).map(str::to_owned).collect(),
            None => texts(field, value),
        }
    }

    fn faults(&self, column: &str) -> Vec<String> {
        let here = |error: &&Json| error.get("column").and_then(Json::as_str) == Some(column);
        let message = |error: &Json| error.get("message").and_then(Json::as_str).map(sentence);
        self.errors.iter().filter(here).filter_map(message).collect()
    }
}

pub(super) fn form(view: &View, before: &Before<'_>, shown: &Shown) -> Html<String> {
    let t = |vi, en| view.t(vi, en);
    let id = before.record.get("id").and_then(Json::as_str).unwrap_or_default();
    let place = record_path(&before.declared.name, id);
    let columns: Vec<String> = before.fields().map(|field| field.name.clone()).collect();
    let elsewhere = shown.errors.iter().filter(|error| {
        let column = error.get("column").and_then(Json::as_str).unwrap_or_default();
        !column.contains('/') && !columns.iter().any(|known| known == column)
    });
    let title = headline(view, before.declared, &before.record);
    let body = html! {
        @if let Some(note) = &shown.note { p.note.bad role="alert" { (note) } }
        @for error in elsewhere {
            p.note.bad { (sentence(error.get("message").and_then(Json::as_str).unwrap_or_default())) }
        }
        p.quiet { (t("Chỉ ghi những ô được đổi. Xóa trắng một ô là xóa giá trị của nó.", "Only what you change is written. An emptied field is cleared.")) }
        (fixed(view, before))
        form.edit method="post" action={ (place) "/edit" } {
            (view.csrf())
            input type="hidden" name="seen" value=(before.mark());
            @for field in before.fields().filter(|field| field.kind != FieldKind::Items) {
                (plain_field(view, before, shown, field))
            }
            @for parent in before.fields().filter(|field| field.kind == FieldKind::Items) {
                (items(view, before, shown, parent))
            }
            div.actions {
                button { (t("Lưu", "Save")) }
                a.button.quiet href=(place) { (t("Thôi", "Cancel")) }
            }
        }
    };
    view.page("/records", &format!("{}: {title}", t("Sửa", "Edit")), &body)
}

/// What stays as it is: the key and the unit.
fn fixed(view: &View, before: &Before<'_>) -> Markup {
    let key = &before.declared.key.fields;
    let fields = before.declared.fields.iter().filter(|field| {
        key.contains(&field.name) || before.declared.owner_field() == Some(field.name.as_str())
    });
    html! {
        dl {
            @for field in fields {
                dt { (view.tongue.label(&field.label)) }
                dd { @if let Some(found) = before.value(&field.name) { (value(view, Some(field), found)) } @else { "–" } }
            }
        }
        p.quiet { (view.t("Khóa và đơn vị không sửa tại chỗ: nếu khóa sai, thu hồi bản ghi này rồi nhập lại; chuyển đơn vị do tỉnh làm.", "Key and unit are not edited in place: if the key is wrong, withdraw this record and take it in anew; a transfer is the province’s.")) }
    }
}

fn plain_field(view: &View, before: &Before<'_>, shown: &Shown, field: &Field) -> Markup {
    let name = format!("f.{}", field.name);
    let texts = shown.texts(&name, field, before.value(&field.name));
    html! {
        div.field {
            (labelled(view, field, &name, &texts, &shown.faults(&field.name)))
            // Of a choice of several nothing is sent when nothing is chosen.
            @if field.kind == FieldKind::List { input type="hidden" name={ "has." (field.name) } value="1"; }
            @if before.is_open(&field.name) {
                label.check {
                    input type="checkbox" name={ "keep." (field.name) } value="1";
                    (view.t("Các nơi ghi khác nhau: giá trị trên là đúng", "Others state it otherwise: the value above is right"))
                }
            }
        }
    }
}

fn items(view: &View, before: &Before<'_>, shown: &Shown, parent: &Field) -> Markup {
    let known = before.items(&parent.name);
    html! {
        @for place in 0..=known.len() {
            @let item = known.get(place);
            fieldset {
                legend {
                    (view.tongue.label(&parent.label)) " "
                    @if item.is_some() { (place + 1) } @else { (view.t("(thêm mới, để trống nếu không)", "(a new one; leave blank if none)")) }
                }
                @for field in parent.fields.iter().filter(|field| is_typed(field)) {
                    @let name = format!("i.{}.{place}.{}", parent.name, field.name);
                    @let found = item.and_then(|item| item.get(&field.name));
                    @let texts = shown.texts(&name, field, found);
                    @let faults = shown.faults(&format!("{}/{place}/{}", parent.name, field.name));
                    div.field {
                        @if item.is_some() && parent.item_key.contains(&field.name) {
                            span.label { (view.tongue.label(&field.label)) }
                            p { @if let Some(found) = found { (value(view, Some(field), found)) } @else { "–" } }
                        } @else { (labelled(view, field, &name, &texts, &faults)) }
                    }
                }
            }
        }
    }
}

fn is_typed(field: &Field) -> bool {
    use lienthong_proto::catalogue::Class;
    field.class != Class::C4 && field.kind != FieldKind::Attachment
}

fn labelled(view: &View, field: &Field, name: &str, texts: &[String], faults: &[String]) -> Markup {
    let fault = format!("{name}.fault");
    html! {
        label for=(name) {
            (view.tongue.label(&field.label))
            @if field.required { " " abbr title=(view.t("bắt buộc", "required")) { "*" } }
        }
        (input(view, field, name, texts, (!faults.is_empty()).then_some(fault.as_str())))
        @if !faults.is_empty() { div.fault id=(fault) { @for text in faults { p { (text) } } } }
    }
}

fn input(view: &View, field: &Field, name: &str, texts: &[String], fault: Option<&str>) -> Markup {
    let invalid = fault.map(|_| "true");
    let first = texts.first().map_or("", String::as_str);
    let several = field.kind == FieldKind::List;
    if let Some(choices) = choices(view, field) {
        let unknown = texts.iter().filter(|text| !choices.iter().any(|(code, _)| code == *text));
        return html! {
            select id=(name) name=(name) multiple[several] aria-invalid=[invalid] aria-describedby=[fault] {
                @if !several { option value="" { "–" } }
                @for text in unknown { option value=(text) selected { (text) } }
                @for (code, label) in &choices { option value=(code) selected[texts.contains(code)] { (label) } }
            }
        };
    }
    match field.kind {
        FieldKind::LongText => html! {
            textarea id=(name) name=(name) rows="6" aria-invalid=[invalid] aria-describedby=[fault] { "\n" (first) }
        },
        FieldKind::List => html! {
            textarea id=(name) name=(name) rows="3" aria-invalid=[invalid] aria-describedby=[fault]
                placeholder=(view.t("mỗi dòng một giá trị", "one a line")) { "\n" (texts.join("\n")) }
        },
        kind => html! {
            input id=(name) name=(name) value=(first) aria-invalid=[invalid] aria-describedby=[fault]
                inputmode=[matches!(kind, FieldKind::Integer | FieldKind::Money).then_some("numeric")]
                placeholder=[(kind == FieldKind::Date).then(|| view.t("ngày/tháng/năm", "day/month/year"))];
        },
    }
}

/// What may be chosen, if the field is not typed: code and words.
fn choices(view: &View, field: &Field) -> Option<Vec<(String, String)>> {
    match field.member_kind() {
        FieldKind::Code => {
            let list = field.codes.as_deref().and_then(|name| view.catalogue().code_list(name))?;
            let choice = |code: &lienthong_proto::catalogue::Code| {
                (code.code.clone(), view.tongue.label(&code.label).to_owned())
            };
            Some(list.codes.iter().map(choice).collect())
        }
        FieldKind::Boolean => Some(vec![
            ("true".to_owned(), view.t("có", "yes").to_owned()),
            ("false".to_owned(), view.t("không", "no").to_owned()),
        ]),
        FieldKind::Unit => {
            let units = view.catalogue().units();
            let title = |code: &lienthong_proto::ids::UnitCode| format!("{} ({code})", units.title(code));
            Some(units.iter().map(|unit| (unit.code.to_string(), title(&unit.code))).collect())
        }
        _ => None,
    }
}
