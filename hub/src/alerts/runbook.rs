//! What the operations manual says of a kind of alert: the same text as in `deploy/OPERATIONS.md`, wherever the hub runs.

use super::Kind;

const MANUAL: &str = include_str!("../../../deploy/OPERATIONS.md");

/// The section of a kind.
#[must_use]
pub fn runbook(kind: Kind) -> &'static str {
    let heading = format!("### alert-{}\n", kind.name());
    let section = MANUAL.split_once(&heading).map_or("", |(_, rest)| rest);
    section.split("\n#").next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_says_something_of_every_kind_and_no_section_runs_into_the_next() {
        for kind in Kind::ALL {
            let said = runbook(kind);
            assert!(
                said.len() > 40 && !said.contains("alert-down") && !said.contains('#'),
                "{kind:?}: {said}"
            );
        }
    }
}
