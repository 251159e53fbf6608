//! The list of planted faults stays true as code moves: each finds its place, and names a test that there is. That the tests
//! go red is shown by `cargo run -p lienthong-tests --bin planted` (SAFETY T54); its last table is `tests/planted/last.txt`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use lienthong_tests::planted::{Fault, faults, root};

/// All the text of a package's code, or of one file of its tests.
fn sources(fault: &Fault) -> String {
    fn below(folder: &Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, text);
            } else if path.extension().is_some_and(|end| end == "rs") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let package = root().join(fault.folder());
    match fault.target.as_str() {
        "lib" => {
            let mut text = String::new();
            below(&package.join("src"), &mut text);
            text
        }
        file => std::fs::read_to_string(package.join("tests").join(format!("{file}.rs"))).unwrap(),
    }
}

#[test]
fn t54_each_planted_fault_finds_its_place_and_names_a_test() {
    let all = faults(&root()).unwrap();
    assert!(all.len() >= 30, "{} faults", all.len());
    let names: BTreeSet<&str> = all.iter().map(|fault| fault.name.as_str()).collect();
    assert_eq!(names.len(), all.len(), "a name twice");
    for fault in &all {
        let text = std::fs::read_to_string(root().join(&fault.file)).unwrap();
        let planted = fault.planted(&text).unwrap();
        assert_ne!(planted, text, "{} changes nothing", fault.name);
        let function = fault.test.rsplit("::").next().unwrap();
        assert!(
            sources(fault).contains(&format!("fn {function}(")),
            "{}: no test {}",
            fault.name,
            fault.test
        );
    }
}
