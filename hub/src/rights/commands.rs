//! The command line × what it needs: the requests each command makes, or that it needs the folder itself.
//!
//! A command that makes a request is judged by it ([`super::REQUESTS`]), at the daemon or where it opens the store itself.
//! What makes none works on the folder: whoever may read it, which is the operating-system user it belongs to, may do that.

/// What a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// The right of each request it may make, by name.
    Requests(&'static [&'static str]),
    /// The folder, which is 0700; no account is asked.
    Folder,
    /// Nothing of a hub's.
    Nothing,
}

use Doing::{Folder, Nothing, Requests};

/// Every command of the hub.
pub const COMMANDS: &[(&str, Doing)] = &[
    ("agency add", Requests(&["agency_add"])),
    ("agency list", Requests(&["agency_list"])),
    ("agency signer", Requests(&["agency_signer"])),
    ("alerts acknowledge", Requests(&["alerts_acknowledge"])),
    ("alerts list", Requests(&["alerts_list"])),
    ("api-token create", Requests(&["api_token_create"])),
    ("api-token list", Requests(&["api_token_list"])),
    ("api-token revoke", Requests(&["api_token_revoke"])),
    ("as-node", Nothing),
    ("authority retire", Requests(&["authority_retire"])),
    ("authority rotate", Requests(&["authority_rotate"])),
    ("authority show", Requests(&["authority_show"])),
    ("backup", Requests(&["backup"])),
    ("bundle", Requests(&["bundle"])),
    ("catalogue check", Requests(&["catalogue_check"])),
    ("catalogue publish", Requests(&["catalogue_publish"])),
    ("catalogue show", Requests(&["catalogue_show"])),
    ("certificate renew", Requests(&["certificate_renew"])),
    ("certificate show", Requests(&["certificate_show"])),
    ("check", Folder),
    ("confirm-succession", Requests(&["confirm_succession"])),
    ("conflicts list", Requests(&["conflicts_list"])),
    ("conflicts resolve", Requests(&["conflicts_resolve"])),
    ("conflicts show", Requests(&["conflicts_show"])),
    ("demo", Nothing),
    ("duplicates list", Requests(&["duplicates_list"])),
    ("duplicates merge", Requests(&["duplicates_merge"])),
    ("duplicates separate", Requests(&["duplicates_separate"])),
    ("duplicates undo", Requests(&["duplicates_undo"])),
    ("erase", Requests(&["erase_approve", "erase_list", "erase_propose", "erase_propose, dry"])),
    ("erase export", Requests(&["erase_export"])),
    ("erase list", Requests(&["erase_list"])),
    ("erase notice", Requests(&["erase_notice"])),
    ("erase refuse", Requests(&["erase_refuse"])),
    ("export", Requests(&["records"])),
    ("grant approve", Requests(&["grant_approve"])),
    ("grant list", Requests(&["grant_list"])),
    ("grant notice", Requests(&["grant_notice", "grant_notice, dry"])),
    ("grant propose", Requests(&["grant_propose"])),
    ("grant revoke", Requests(&["grant_revoke"])),
    ("grant show", Requests(&["grant_show"])),
    ("grant template", Nothing),
    ("handovers", Requests(&["handovers"])),
    ("import", Requests(&["records, written"])),
    ("init", Folder),
    ("key new", Nothing),
    ("key pair", Nothing),
    ("key rotate", Requests(&["key_rotate"])),
    ("ledger checkpoint", Requests(&["ledger_checkpoint"])),
    ("ledger policy", Requests(&["ledger_policy"])),
    ("ledger show", Requests(&["ledger_show"])),
    ("ledger verify", Requests(&["ledger_verify"])),
    ("put", Requests(&["records, written"])),
    ("quality", Requests(&["quality", "quality_on"])),
    ("quarantine list", Requests(&["quarantine_list"])),
    ("quarantine release", Requests(&["quarantine_release"])),
    ("quarantine separate", Requests(&["quarantine_separate"])),
    ("quarantine show", Requests(&["quarantine_show"])),
    ("rebuild", Folder),
    ("receipt add", Requests(&["receipt_add"])),
    ("receipt-key rotate", Requests(&["receipt_key_rotate", "receipt_key_show"])),
    ("receipt-key show", Requests(&["receipt_key_show"])),
    ("reconcile", Requests(&["reconcile", "reconcile, mended"])),
    ("record get", Requests(&["records"])),
    ("record history", Requests(&["records"])),
    ("record list", Requests(&["records"])),
    ("record why", Requests(&["records"])),
    ("record withdraw", Requests(&["records, written"])),
    ("restore", Folder),
    ("serve", Folder),
    ("status", Requests(&["status", "status_on"])),
    ("template", Requests(&["records"])),
    ("token create", Requests(&["token_create"])),
    ("token list", Requests(&["token_list"])),
    ("token revoke", Requests(&["token_revoke"])),
    ("transfer", Requests(&["record_transfer"])),
    ("unit add", Requests(&["reorganise", "reorganise, dry"])),
    ("unit approve-recovery", Requests(&["unit_approve_recovery"])),
    ("unit approve-renewal", Requests(&["unit_approve_renewal"])),
    ("unit contact", Requests(&["unit_contact"])),
    ("unit dissolve", Requests(&["reorganise", "reorganise, dry"])),
    ("unit lineage", Requests(&["lineage_list", "lineage_undo", "lineage_undo, dry"])),
    ("unit lineage list", Requests(&["lineage_list"])),
    ("unit list", Requests(&["unit_list"])),
    ("unit merge", Requests(&["reorganise", "reorganise, dry"])),
    ("unit rename", Requests(&["reorganise", "reorganise, dry"])),
    ("unit revoke", Requests(&["unit_revoke"])),
    ("unit show", Requests(&["unit_show"])),
    ("unit split", Requests(&["reorganise", "reorganise, dry"])),
    ("user add", Requests(&["user_add"])),
    ("user disable", Requests(&["user_disable"])),
    ("user list", Requests(&["user_list"])),
    ("user totp", Requests(&["user_totp_reset"])),
    ("waiver add", Requests(&["waiver_add"])),
    ("waiver end", Requests(&["waiver_end"])),
    ("waiver list", Requests(&["waiver_list"])),
];

/// What a command needs; one in no row is nobody's.
#[must_use]
pub fn of_command(path: &str) -> Option<Doing> {
    COMMANDS.iter().find(|(name, _)| *name == path).map(|(_, doing)| *doing)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;
    use crate::rights::REQUESTS;

    /// Asked by pages, the API and other programs alone.
    const PAGES_ONLY: [&str; 4] = ["defects", "quality_rows", "record_source", "state_digest"];

    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let below: Vec<_> = command.get_subcommands().filter(|below| below.get_name() != "help").collect();
        // One with commands below it may stand alone as well.
        if below.is_empty() || (!path.is_empty() && !command.is_subcommand_required_set()) {
            found.push(path.trim().to_owned());
        }
        for command in below {
            leaves(command, &format!("{path} {}", command.get_name()), found);
        }
    }

    /// Goal (P9): a command without a row is noticed, and so is a row without its command.
    #[test]
    fn p9_every_command_has_one_row() {
        let mut found = Vec::new();
        leaves(&crate::cli::Cli::command(), "", &mut found);
        let rows: BTreeSet<&str> = COMMANDS.iter().map(|(name, _)| *name).collect();
        assert_eq!(rows.len(), COMMANDS.len(), "one row each");
        let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, rows);
        assert_eq!(of_command("no such command"), None);
    }

    /// Goal (P9): what a command may ask for stands in the table of requests, and what stands there is for some command, or
    /// for the pages and the API alone.
    #[test]
    fn p9_commands_ask_for_what_the_table_knows() {
        let mut asked = BTreeSet::new();
        for (name, doing) in COMMANDS {
            let Requests(requests) = doing else { continue };
            assert!(!requests.is_empty(), "{name}");
            asked.extend(requests.iter().copied());
        }
        let known: BTreeSet<&str> = REQUESTS.iter().map(|(name, _)| *name).collect();
        assert_eq!(asked.difference(&known).collect::<Vec<_>>(), [&""; 0]);
        let pages_only: Vec<_> = known.difference(&asked).copied().collect();
        assert_eq!(pages_only, PAGES_ONLY);
    }
}
