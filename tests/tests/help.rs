//! What the commands say of themselves is said in both languages.
#![allow(clippy::unwrap_used)]

use clap::{Command, CommandFactory as _};

/// The texts of a command and of those below it that are not in both.
fn in_one_only(command: &Command, path: &str, found: &mut Vec<String>) {
    let path = format!("{path} {}", command.get_name());
    let both = |text: &str| text.is_empty() || text.contains(" · ");
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    if !both(&about) {
        found.push(format!("{path}: {about}"));
    }
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        // One that only names its values, `a | b`, says the same in any language.
        let values_only =
            help.split(" | ").count() > 1 && help.split(" | ").all(|value| !value.contains(' '));
        if !both(&help) && !values_only {
            found.push(format!("{path} {}: {help}", argument.get_id()));
        }
    }
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .for_each(|below| in_one_only(below, &path, found));
}

#[test]
fn every_command_and_argument_is_explained_in_vietnamese_and_english() {
    let mut found = Vec::new();
    for program in [lienthong_hub::cli::Cli::command(), lienthong_node::cli::Cli::command()] {
        in_one_only(&program, "", &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
