//! The hub's program once more, so that the tests of this package have it as a file.

/// The allocator of every program of the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    Box::pin(lienthong_hub::cli::program(std::env::args_os())).await
}
