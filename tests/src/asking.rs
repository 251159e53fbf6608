//! Asking a hub and nodes in this process, as their command lines would.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a test that cannot ask has failed")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lienthong_hub::app::Hub;
use lienthong_hub::service::Request;
use lienthong_node::app::{Node, system_clock};
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use serde_json::Value as Json;

use crate::{catalogue, reopened};

/// What a hub answers.
pub async fn at_hub(hub: &Arc<Hub>, request: Request) -> Json {
    Arc::clone(hub).execute(request, Arc::new(|_| {})).await.body
}

/// What a node answers.
pub async fn at_node(node: &Arc<Node>, request: NodeRequest) -> Json {
    Arc::clone(node).execute(request, Arc::new(|_| {})).await.body
}

/// Takes a sheet in at a node; its report.
pub async fn import(node: &Arc<Node>, folder: &Path, record_type: &str, text: &str) -> Json {
    let path = folder.join("sheet.csv");
    std::fs::write(&path, text).unwrap();
    let request = RecordsRequest::Import {
        path,
        record_type: record_type.to_owned(),
        dry_run: false,
        rows: false,
        author: "lan".to_owned(),
        english: true,
    };
    at_node(node, NodeRequest::Records(request)).await
}

/// Asks until the answer is as wanted.
pub async fn until(what: &str, mut ask: impl AsyncFnMut() -> Json, wanted: impl Fn(&Json) -> bool) -> Json {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let body = ask().await;
        if wanted(&body) {
            return body;
        }
        assert!(Instant::now() < deadline, "{what}: {body:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Stops a node and opens its folder again, without a line.
pub async fn away(node: Arc<Node>, folder: &Path) -> Arc<Node> {
    node.close().await;
    drop(node);
    reopened(|| Ok(Node::open(folder, catalogue()?, system_clock)?))
}
