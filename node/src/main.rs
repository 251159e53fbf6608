//! `lienthong-node`: a commune's replica.

use clap::Parser as _;

/// The allocator of every program of the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let cli = lienthong_node::cli::Cli::parse();
    let tongue = lienthong_node::cli::Tongue::of(cli.lang.as_deref());
    match Box::pin(lienthong_node::cli::run(cli)).await {
        Ok(exit) => exit.into(),
        Err(error) => {
            lienthong_node::cli::complain(&error, tongue);
            std::process::ExitCode::FAILURE
        }
    }
}
