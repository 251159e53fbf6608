//! A process in which what the system is asked for has the same answers each time: random bytes, and the date.
//!
//! The order in which tasks that are ready have their turn, and in which hash maps are gone through, comes of random
//! bytes of the system's; nothing in safe Rust can give others. So the program is run again with a few lines of C loaded
//! before the C library, compiled where it runs by the compiler that built the rest.

use std::ffi::OsString;
use std::process::{Command, ExitStatus};

use anyhow::{Context as _, ensure};

use super::BEGIN_SECONDS;

/// Marks the process that runs so, with what it answers by.
const STEADY: &str = "LIENTHONG_STEADY";
/// All the processor has, but for the instruction that gives random numbers.
const NO_RDRAND: &str = "~0x4000000000000000";
const SOURCE: &str = include_str!("steady.c");

/// Whether this process is one.
#[must_use]
pub fn is_steady() -> bool {
    std::env::var_os(STEADY).is_some()
}

/// Runs this program again as such a process, with these arguments.
///
/// # Errors
/// If there is no C compiler, or the program does not start.
pub fn again(args: impl IntoIterator<Item = OsString>) -> anyhow::Result<ExitStatus> {
    let folder = tempfile::tempdir()?;
    let (source, library) = (folder.path().join("steady.c"), folder.path().join("steady.so"));
    std::fs::write(&source, SOURCE)?;
    let begin = format!("-DBEGIN={BEGIN_SECONDS}");
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.args(["-shared", "-fPIC", "-O2", &begin, "-o"]).arg(&library).arg(&source);
    ensure!(compiler.status().context("no C compiler (cc, or $CC)")?.success(), "steady.c does not compile");
    let mut program = Command::new(std::env::current_exe()?);
    program.args(args).env(STEADY, "1").env("LD_PRELOAD", &library);
    // The cryptography asks the processor beside the system, unless it believes that it has no instruction for that.
    program.env("OPENSSL_ia32cap", NO_RDRAND);
    Ok(program.status()?)
}
