//! `lienthong-hub`: the provincial hub.

#[tokio::main]
async fn main() -> std::process::ExitCode {
    Box::pin(lienthong_hub::cli::program(std::env::args_os())).await
}
