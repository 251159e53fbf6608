//! The short way through a condition: nulls, whole numbers and text, where the answer is beyond doubt.
//!
//! Most conditions compare a field with null, a number or a few codes, for which CEL's interpreter is slow. What
//! is not plain (an error to be, values of several kinds, lists, macros) is left to it; that both agree is tested
//! over all conditions of the embedded catalogue.

use std::borrow::Cow;

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};

use super::expression::Scope;
use crate::value::Value;

/// A condition, or a part of one, that can be evaluated without the interpreter.
#[derive(Debug)]
pub(super) enum Plain {
    Constant(Term<'static>),
    Name(String),
    Not(Box<Plain>),
    And(Box<Plain>, Box<Plain>),
    Or(Box<Plain>, Box<Plain>),
    If(Box<[Plain; 3]>),
    Equal(Box<Plain>, Box<Plain>),
    Less(Box<Plain>, Box<Plain>),
    Plus(Box<Plain>, Box<Plain>),
    Minus(Box<Plain>, Box<Plain>),
    In(Box<Plain>, Vec<Plain>),
}

/// What a part comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Term<'a> {
    Null,
    Boolean(bool),
    Number(i64),
    Text(Cow<'a, str>),
}

impl Plain {
    /// The plain form of an expression; `None` if it has none.
    pub(super) fn of(expression: &IdedExpr) -> Option<Self> {
        match &expression.expr {
            Expr::Ident(name) => Some(Self::Name(name.clone())),
            Expr::Literal(literal) => Some(Self::Constant(match literal {
                LiteralValue::Boolean(yes) => Term::Boolean((*yes).into()),
                LiteralValue::Int(number) => Term::Number((*number).into()),
                LiteralValue::String(text) => Term::Text(Cow::Owned(String::from(text.clone()))),
                LiteralValue::Null => Term::Null,
                _ => return None,
            })),
            Expr::Call(call) if call.target.is_none() => {
                let name = call.func_name.as_str();
                match call.args.as_slice() {
                    [one] if name == operators::LOGICAL_NOT => Some(Self::Not(Box::new(Self::of(one)?))),
                    [one, other] if name == operators::IN => {
                        let Expr::List(list) = &other.expr else { return None };
                        let members: Option<Vec<Self>> = list.elements.iter().map(Self::of).collect();
                        Some(Self::In(Box::new(Self::of(one)?), members?))
                    }
                    [one, other] => {
                        let (one, other) = (Box::new(Self::of(one)?), Box::new(Self::of(other)?));
                        Some(match name {
                            operators::LOGICAL_AND => Self::And(one, other),
                            operators::LOGICAL_OR => Self::Or(one, other),
                            operators::EQUALS => Self::Equal(one, other),
                            operators::NOT_EQUALS => Self::Not(Box::new(Self::Equal(one, other))),
                            operators::LESS => Self::Less(one, other),
                            operators::GREATER => Self::Less(other, one),
                            operators::LESS_EQUALS => Self::Not(Box::new(Self::Less(other, one))),
                            operators::GREATER_EQUALS => Self::Not(Box::new(Self::Less(one, other))),
                            operators::ADD => Self::Plus(one, other),
                            operators::SUBSTRACT => Self::Minus(one, other),
                            _ => return None,
                        })
                    }
                    [one, two, three] if name == operators::CONDITIONAL => {
                        Some(Self::If(Box::new([Self::of(one)?, Self::of(two)?, Self::of(three)?])))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// What it comes to; `None` if only the interpreter can say.
    pub(super) fn evaluate<'a>(&'a self, scope: &'a Scope<'_>) -> Option<Term<'a>> {
        let truth = |part: &'a Self| match part.evaluate(scope)? {
            Term::Boolean(yes) => Some(yes),
            _ => None,
        };
        let number = |part: &'a Self| match part.evaluate(scope)? {
            Term::Number(number) => Some(number),
            _ => None,
        };
        Some(match self {
            Self::Constant(term) => term.clone(),
            Self::Name(name) => return scope.term(name),
            Self::Not(part) => Term::Boolean(!truth(part)?),
            Self::And(one, other) => Term::Boolean(truth(one)? && truth(other)?),
            Self::Or(one, other) => Term::Boolean(truth(one)? || truth(other)?),
            Self::If(parts) => {
                let [condition, one, other] = parts.as_ref();
                return if truth(condition)? { one.evaluate(scope) } else { other.evaluate(scope) };
            }
            Self::Equal(one, other) => Term::Boolean(equal(&one.evaluate(scope)?, &other.evaluate(scope)?)?),
            Self::Less(one, other) => Term::Boolean(number(one)? < number(other)?),
            Self::Plus(one, other) => Term::Number(number(one)?.checked_add(number(other)?)?),
            Self::Minus(one, other) => Term::Number(number(one)?.checked_sub(number(other)?)?),
            Self::In(one, members) => {
                let one = one.evaluate(scope)?;
                for member in members {
                    if equal(&one, &member.evaluate(scope)?)? {
                        return Some(Term::Boolean(true));
                    }
                }
                Term::Boolean(false)
            }
        })
    }
}

impl<'a> Term<'a> {
    /// The term a value is bound as; `None` for lists.
    pub(super) fn of(value: &'a Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Text(text) | Value::Decimal(text) | Value::Code(text) => Self::Text(Cow::Borrowed(text)),
            Value::Unit(unit) => Self::Text(Cow::Borrowed(unit.as_str())),
            Value::Boolean(yes) => Self::Boolean(*yes),
            Value::Integer(number) | Value::Money(number) => Self::Number(*number),
            Value::Date(days) => Self::Number(i64::from(*days)),
            Value::Reference(_) | Value::Attachment(_) => Self::Text(Cow::Owned(value.to_text())),
            Value::Timestamp(_) | Value::List(_) => return None,
        })
    }
}

/// Whether two terms of one kind are equal; null equals only itself.
fn equal(one: &Term<'_>, other: &Term<'_>) -> Option<bool> {
    match (one, other) {
        (Term::Null, Term::Null) => Some(true),
        (Term::Null, _) | (_, Term::Null) => Some(false),
        (Term::Boolean(_), Term::Boolean(_))
        | (Term::Number(_), Term::Number(_))
        | (Term::Text(_), Term::Text(_)) => Some(one == other),
        _ => None,
    }
}
