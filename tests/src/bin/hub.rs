//! The hub's program once more, so that the tests of this package have it as a file.

/// The allocator of every program of the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    lienthong_hub::cli::program(std::env::args_os().collect())
}
