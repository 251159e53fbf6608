//! `lienthong-node`: a commune's replica.

/// The allocator of every program of the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    lienthong_node::cli::program(std::env::args_os().collect())
}
