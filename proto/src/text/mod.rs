//! Vietnamese text hygiene: one form for storing, folds for comparing and searching.

mod fold;
mod guard;
mod lettering;
mod normal;
mod syllable;
mod tone;

pub use fold::{fold, fold_name};
pub use guard::{
    control_character, formula_like, is_cell_error, is_placeholder, neutralise_formula, restore_formula,
};
pub use lettering::{Clue, Lettering, LetteringCensus, Reading};
pub use normal::{normalise, normalise_long, title_case_name};
pub use syllable::is_syllable;

/// What is said in both tongues, as `vi · en`, with a reason that is said in both too, or alike in each.
#[must_use]
pub fn in_both(vi: &str, en: &str, reason: &str) -> String {
    let (reason_vi, reason_en) = reason.split_once(" · ").unwrap_or((reason, reason));
    format!("{vi}: {reason_vi} · {en}: {reason_en}")
}
