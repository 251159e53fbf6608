//! Processes in which what the system is asked for has the same answers each time: random bytes, and the date.
//!
//! The order in which tasks that are ready have their turn, and in which hash maps are gone through, comes of random
//! bytes of the system's; nothing in safe Rust can give others. So the program is run again with a few lines of C loaded
//! before the C library, compiled where it runs by the compiler that also links programs here.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::BEGIN_SECONDS;

/// Marks the process that runs so.
const STEADY: &str = "LIENTHONG_STEADY";
/// All the processor has, but for the instruction that gives random numbers.
const NO_RDRAND: &str = "~0x4000000000000000";

/// Whether this process is one.
#[must_use]
pub fn is_steady() -> bool {
    std::env::var_os(STEADY).is_some()
}

/// What makes processes so.
#[derive(Debug)]
pub struct Steady(tempfile::TempDir);

impl Steady {
    /// Compiles it.
    ///
    /// # Errors
    /// If there is no C compiler.
    pub fn build() -> anyhow::Result<Self> {
        let steady = Self(tempfile::tempdir()?);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("preload/steady.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", &format!("-DBEGIN={BEGIN_SECONDS}"), "-o"]);
        let output = compiler.arg(steady.library()).arg(source).output();
        let output = output.context("a C compiler, cc, is needed")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(steady)
    }

    fn library(&self) -> std::path::PathBuf {
        self.0.path().join("steady.so")
    }

    /// This program once more, as such a process.
    ///
    /// # Errors
    /// If it is not known where this program is.
    pub fn again(&self) -> anyhow::Result<Command> {
        let mut program = Command::new(std::env::current_exe()?);
        program.env(STEADY, "1").env("LD_PRELOAD", self.library());
        // The cryptography asks the processor beside the system, unless it believes that it has no instruction for that.
        program.env("OPENSSL_ia32cap", NO_RDRAND);
        Ok(program)
    }
}
