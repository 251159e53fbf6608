//! `lienthong-hub`: the provincial hub.

use clap::Parser as _;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    lienthong_node::cli::traces();
    let cli = lienthong_hub::cli::Cli::parse();
    let tongue = lienthong_node::cli::Tongue::of(cli.lang.as_deref());
    match Box::pin(lienthong_hub::cli::run(cli)).await {
        Ok(exit) => exit.into(),
        Err(error) => {
            lienthong_node::cli::complain(&error, tongue);
            std::process::ExitCode::FAILURE
        }
    }
}
