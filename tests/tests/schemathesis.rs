//! Both APIs against their descriptions by schemathesis, which makes up what a description allows and forbids.
//!
//! It is looked for as `schemathesis`, or where `LIENTHONG_SCHEMATHESIS` says (`pip install schemathesis` in a venv).
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use lienthong_hub::accounts::AccountRole;
use lienthong_node::api;
use lienthong_tests::{Province, acknowledged, brisk, make_node, member};

fn tool() -> Option<PathBuf> {
    let named = std::env::var_os("LIENTHONG_SCHEMATHESIS").map(PathBuf::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|dir| dir.join("schemathesis")).find(|path| path.exists());
    let tool = named.or(found);
    if tool.is_none() {
        eprintln!("SKIPPED: no schemathesis here (pip install schemathesis, or LIENTHONG_SCHEMATHESIS=PATH)");
    }
    tool
}

/// Runs it over a description; the same requests every time.
async fn judge(tool: &Path, description: &str, token: &str, folder: &Path) {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis.toml");
    let ran = tokio::process::Command::new(tool)
        .arg("--config-file")
        .arg(config)
        .args(["run", description, "--phases", "coverage,fuzzing", "--max-examples", "8", "--seed", "1"])
        .args(["--generation-deterministic", "--continue-on-failure"])
        .args(["--no-color", "--request-timeout", "60", "-H", &format!("Authorization: Bearer {token}")])
        // What it leaves behind stays with the rest.
        .current_dir(folder)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let tested = said.lines().any(|line| line.contains("Tested: ") && !line.ends_with(" 0"));
    assert!(ran.status.success() && tested, "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
}

/// Goal: whatever the description allows is taken or refused as described, and nothing it forbids is taken; of both
/// programs. Method: a province with a record and a token that may do nearly everything.
#[tokio::test(flavor = "multi_thread")]
async fn p8_both_apis_are_as_they_say() {
    let Some(tool) = tool() else { return };
    let Province { dir, hub, address } = Province::set().await.unwrap();
    let node = make_node(&hub, &address, &dir.path().join("node"), "11953").await.unwrap();
    node.start_sync(brisk());
    node.write(vec![member("11953", "033075001234", "Nguyễn Văn An").unwrap()]).await;
    acknowledged(&node).await.unwrap();

    let roles = vec![AccountRole::Operator, AccountRole::Steward, AccountRole::Approver];
    hub.accounts.add("lan", roles, None, Some("mật khẩu đủ dài"), hub.now()).unwrap();
    let token = hub.api_tokens.create("schemathesis", "lan", hub.now()).unwrap();
    let pages = hub.serve_web("127.0.0.1:0").await.unwrap();
    judge(&tool, &format!("{pages}/api/v1/openapi.json"), &token, dir.path()).await;

    let listens = api::serve(&node, "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let token = node.api_tokens.create("schemathesis", node.now()).unwrap();
    judge(&tool, &format!("http://{listens}/v1/openapi.json"), &token, dir.path()).await;
}
