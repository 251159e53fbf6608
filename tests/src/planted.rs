//! Faults that are planted one at a time, each with the test that must go red: `tests/planted/faults.toml`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// One fault.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What it is called.
    pub name: String,
    /// The promise it breaks.
    pub breaks: String,
    /// The file it is planted in.
    pub file: PathBuf,
    /// What stands there, once.
    pub find: String,
    /// What stands there instead.
    pub replace: String,
    /// The package of the test.
    pub package: String,
    /// Its program: `lib`, or a file of `tests`.
    pub target: String,
    /// The test that goes red.
    pub test: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    fault: Vec<Fault>,
}

/// The tree this was built from.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// All faults of a tree, in order of importance.
///
/// # Errors
/// If the list cannot be read.
pub fn faults(tree: &Path) -> anyhow::Result<Vec<Fault>> {
    let list: List = toml::from_str(&std::fs::read_to_string(tree.join("tests/planted/faults.toml"))?)?;
    Ok(list.fault)
}

impl Fault {
    /// The file's text with the fault in it.
    ///
    /// # Errors
    /// If what is to be replaced does not stand there just once.
    pub fn planted(&self, text: &str) -> anyhow::Result<String> {
        let times = text.matches(&self.find).count();
        anyhow::ensure!(
            times == 1,
            "{}: its text stands {times} times in {}",
            self.name,
            self.file.display()
        );
        Ok(text.replacen(&self.find, &self.replace, 1))
    }

    /// What cargo is told to run its test, and to only build it.
    #[must_use]
    pub fn arguments(&self) -> Vec<&str> {
        let mut arguments = vec!["test", "--quiet", "--offline", "-p", &self.package];
        match self.target.as_str() {
            "lib" => arguments.push("--lib"),
            file => arguments.extend(["--test", file]),
        }
        arguments
    }

    /// The folder of the package whose test it names.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.package.strip_prefix("lienthong-").unwrap_or(&self.package)
    }
}
