//! gRPC health (`grpc.health.v1`) beside the services, behind the same TLS as they are.

use std::sync::Arc;

use lienthong_node::rpc::sync::sync_server::SyncServer;
use tonic::server::NamedService as _;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};

use crate::app::Hub;
use crate::rpc::SyncService;

impl Hub {
    /// The health service: it serves while the ledger takes writes, and no longer than the hub.
    pub(crate) async fn health(self: &Arc<Self>) -> HealthServer<impl Health> {
        let (reporter, service) = tonic_health::server::health_reporter();
        reporter.set_serving::<SyncServer<SyncService>>().await;
        let mut failed = self.committer.failed();
        let stop = self.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = failed.wait_for(Option::is_some) => {}
            }
            for service in ["", SyncServer::<SyncService>::NAME] {
                reporter.set_service_status(service, ServingStatus::NotServing).await;
            }
        });
        service
    }
}
