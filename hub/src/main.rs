//! `lienthong-hub`: the provincial hub.

/// The allocator of every program of the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    Box::pin(lienthong_hub::cli::program(std::env::args_os())).await
}
