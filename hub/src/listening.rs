//! The servers nodes reach: synchronisation, and enrolment apart from it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use lienthong_node::rpc::enrol::enrolment_server::EnrolmentServer;
use lienthong_node::rpc::sync::sync_server::SyncServer;
use lienthong_proto::limits;
use tokio::net::TcpListener;
use tokio_stream::wrappers::ReceiverStream;

use crate::accept::{AcceptLimits, Listener, TlsConfigs, accept};
use crate::app::{Hub, StartError};
use crate::rpc::{EnrolmentService, SyncService};

/// Streams a connection may have reset, or make the hub reset, before it is ended.
const RESETS_MAX: usize = 64;
/// Of a call's head; ours are below 1 KiB.
const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// A call of enrolment takes no longer, and its connection twice that.
const ENROLMENT_TIME: Duration = Duration::from_secs(30);

impl Hub {
    /// Listens for nodes on `listen` until stopped; returns the address taken.
    ///
    /// # Errors
    /// [`StartError`] if the address is not to be had.
    pub async fn listen(self: &Arc<Self>, listen: &str) -> Result<SocketAddr, StartError> {
        self.listen_within(listen, AcceptLimits::default()).await
    }

    /// As [`Hub::listen`], with other bounds than the usual.
    ///
    /// # Errors
    /// As [`Hub::listen`].
    // Boxed here, the servers are compiled once, and not again in each program that calls it.
    pub fn listen_within<'a>(
        self: &'a Arc<Self>,
        listen: &'a str,
        limits: AcceptLimits,
    ) -> BoxFuture<'a, Result<SocketAddr, StartError>> {
        Box::pin(self.bind(listen, limits))
    }

    async fn bind(self: &Arc<Self>, listen: &str, limits: AcceptLimits) -> Result<SocketAddr, StartError> {
        let io = |source| StartError::Io { what: format!("listening on {listen}"), source };
        let listener = TcpListener::bind(listen).await.map_err(io)?;
        let address = listener.local_addr().map_err(io)?;
        self.addresses.write().insert("nodes".to_owned(), address.to_string());
        // One that was cut short, or a ledger that was begun anew.
        if let Err(error) = self.name_receipt_key("hub").await {
            tracing::error!(%error, "the key of receipts is not in the ledger; receipts go on by the one before");
        }
        tokio::spawn(Arc::clone(self).keep_handing_over());
        tokio::spawn(Arc::clone(self).keep_certified());
        tokio::spawn(Arc::clone(self).keep_witnessed());
        tokio::spawn(Arc::clone(self).keep_erased());
        self.serve(listener, limits).await?;
        Ok(address)
    }

    /// Serves nodes on the lines that come in, within those bounds, until stopped.
    ///
    /// # Errors
    /// [`StartError`] if TLS cannot be set up.
    pub async fn serve(
        self: &Arc<Self>,
        listener: impl Listener,
        limits: AcceptLimits,
    ) -> Result<(), StartError> {
        let tls = TlsConfigs::new(&self.secrets, &self.server_certificate)?;
        let incoming = accept(listener, tls, limits, Arc::clone(&self.observed.meters), self.stop.clone());
        let sync = SyncServer::new(SyncService::new(Arc::clone(self)))
            .max_decoding_message_size(limits::MESSAGE_BYTES_MAX);
        let enrol = EnrolmentServer::new(EnrolmentService::new(Arc::clone(self)))
            .max_decoding_message_size(64 * 1024);
        // By its old certificate a unit goes on as a new replica, once that was approved.
        let again = EnrolmentServer::new(EnrolmentService::new(Arc::clone(self)))
            .max_decoding_message_size(64 * 1024);
        let builder = || {
            tonic::transport::Server::builder()
                .max_concurrent_streams(Some(32))
                // Left alone, tonic sets none for those the peer provokes (CVE-2025-8671).
                .http2_max_local_error_reset_streams(Some(RESETS_MAX))
                .http2_max_pending_accept_reset_streams(Some(RESETS_MAX))
                .http2_max_header_list_size(Some(HEADER_BYTES_MAX))
                .http2_keepalive_interval(Some(Duration::from_secs(60)))
                .http2_keepalive_timeout(Some(Duration::from_secs(20)))
                .initial_stream_window_size(Some(512 * 1024))
                .initial_connection_window_size(Some(1024 * 1024))
        };
        let health = self.health().await;
        let stop = self.stop.clone();
        let server = builder()
            .add_service(health)
            .add_service(sync)
            .add_service(again)
            .serve_with_incoming_shutdown(ReceiverStream::new(incoming.sync), async move {
                stop.cancelled().await
            });
        let stop = self.stop.clone();
        let enrolment = builder()
            .timeout(ENROLMENT_TIME)
            // Then it is closed, whatever goes on: enrolling takes two short calls.
            .max_connection_age(ENROLMENT_TIME)
            .max_connection_age_grace(ENROLMENT_TIME)
            .add_service(enrol)
            .serve_with_incoming_shutdown(ReceiverStream::new(incoming.enrol), async move {
                stop.cancelled().await
            });
        tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the synchronisation server ended");
            }
        });
        tokio::spawn(async move {
            if let Err(error) = enrolment.await {
                tracing::error!(%error, "the enrolment server ended");
            }
        });
        Ok(())
    }
}
