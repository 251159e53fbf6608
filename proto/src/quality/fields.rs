//! Checks of single values: DOMAIN 2.4's reason classes, held against what is stored.

use super::builtin::Builtin;
use super::plan::{Check, FieldPlan};
use crate::catalogue::{FieldKind, Units};
use crate::rules::{
    CitizenFault, CitizenNumber, is_party_card, is_person_name, is_sha256, names_a_sender, phone_digits,
    unit_fault,
};
use crate::text;
use crate::value::Value;

/// Days of 1/1/1800 and 31/12/2200: beyond, a date is a slip.
const DATES: std::ops::RangeInclusive<i32> = -62_091..=84_370;

/// What is wrong with a value; the first thing found.
pub(super) fn fault_of(plan: &FieldPlan, value: &Value, units: &Units, today: i32) -> Option<Builtin> {
    match (plan.field.kind, value) {
        (FieldKind::List, Value::List(values)) => {
            values.iter().find_map(|value| single(plan, value, units, today))
        }
        (FieldKind::List, _) | (_, Value::List(_)) => Some(Builtin::TypeMismatch),
        _ => single(plan, value, units, today),
    }
}

fn single(plan: &FieldPlan, value: &Value, units: &Units, today: i32) -> Option<Builtin> {
    match (plan.kind, value) {
        (FieldKind::Text | FieldKind::LongText, Value::Text(text)) => text_fault(plan, text),
        (FieldKind::Integer, Value::Integer(number)) | (FieldKind::Money, Value::Money(number)) => {
            let fits = match plan.check {
                Check::Positive => *number >= 0,
                Check::Year => (1_945..=2_200).contains(number),
                _ => true,
            };
            (!fits).then_some(Builtin::NumRange)
        }
        (FieldKind::Date, Value::Date(day)) if !DATES.contains(day) => Some(Builtin::DateInvalid),
        (FieldKind::Date, Value::Date(day)) => {
            (plan.check == Check::Past && *day > today).then_some(Builtin::DateFuture)
        }
        (FieldKind::Code, Value::Code(code)) if !plan.codes.contains(code) => Some(Builtin::EnumUnknown),
        (FieldKind::Code, Value::Code(code)) => {
            (plan.check == Check::Secrecy && code != "THUONG").then_some(Builtin::Classified)
        }
        (FieldKind::Unit, Value::Unit(code)) => unit_fault(units, code).and_then(Builtin::of_id),
        (FieldKind::Decimal, Value::Decimal(_))
        | (FieldKind::Timestamp, Value::Timestamp(_))
        | (FieldKind::Boolean, Value::Boolean(_))
        | (FieldKind::Reference, Value::Reference(_))
        | (FieldKind::Attachment, Value::Attachment(_)) => None,
        _ => Some(Builtin::TypeMismatch),
    }
}

fn text_fault(plan: &FieldPlan, text: &str) -> Option<Builtin> {
    if text::is_placeholder(text) {
        return Some(Builtin::Placeholder);
    }
    // Characters are counted only where the bytes leave it open.
    if text.len() > plan.chars_max && text.chars().count() > plan.chars_max {
        return Some(Builtin::TextTooLong);
    }
    if text::control_character(text).is_some() {
        return Some(Builtin::TextControl);
    }
    match plan.check {
        Check::PersonName => (!is_person_name(text)).then_some(Builtin::NameInvalid),
        Check::Citizen => match CitizenNumber::parse(text) {
            Ok(number) if number.digits != text => Some(Builtin::CccdFormat),
            Ok(number) => number.is_abroad().then_some(Builtin::CccdAbroad),
            Err(CitizenFault::FormerCard) => Some(Builtin::CccdIsCmnd),
            Err(CitizenFault::Province) => Some(Builtin::CccdProvince),
            Err(_) => Some(Builtin::CccdFormat),
        },
        Check::Phone => phone_digits(text).is_none().then_some(Builtin::PhoneInvalid),
        Check::PartyCard => (!is_party_card(text)).then_some(Builtin::PartyCard),
        Check::Sha256 => (!is_sha256(text)).then_some(Builtin::TypeMismatch),
        Check::Letter => names_a_sender(text).then_some(Builtin::SenderLike),
        _ => None,
    }
}
