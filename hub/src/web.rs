//! The read-only pages on loopback: health, metrics, and one live overview.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use futures::Stream;
use futures::stream::unfold;
use lienthong_node::observe;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::civil;
use maud::{DOCTYPE, Markup, html};
use tokio::net::TcpListener;

use crate::app::{Hub, StartError};
use crate::status::UnitStatus;

/// The page looks again at most this often.
const REFRESH: Duration = Duration::from_secs(1);

const STYLE: &str = include_str!("web.css");
const SCRIPT: &str = include_str!("web.js");

impl Hub {
    /// Serves the pages on a loopback address until stopped; returns the address taken.
    ///
    /// # Errors
    /// [`StartError::Io`] if the address is not loopback or not to be had.
    pub async fn serve_web(self: &Arc<Self>, listen: &str) -> Result<SocketAddr, StartError> {
        let io = |source| StartError::Io { what: format!("pages on {listen}"), source };
        let listener = TcpListener::bind(listen).await.map_err(io)?;
        let address = listener.local_addr().map_err(io)?;
        if !address.ip().is_loopback() {
            let reason = "these pages have no sign-in yet: only a loopback address is served";
            return Err(io(std::io::Error::new(std::io::ErrorKind::PermissionDenied, reason)));
        }
        self.addresses.write().insert("web".to_owned(), address.to_string());
        let pages = Router::new()
            .route("/", get(overview))
            .route("/units", get(units))
            .route("/events", get(events))
            .route("/style.css", get(|| async { ([(header::CONTENT_TYPE, "text/css")], STYLE) }))
            .route("/script.js", get(|| async { ([(header::CONTENT_TYPE, "text/javascript")], SCRIPT) }))
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .layer(axum::middleware::map_response(guard))
            .with_state(Arc::clone(self));
        let stop = self.stop.clone();
        tokio::spawn(async move {
            let served =
                axum::serve(listener, pages).with_graceful_shutdown(async move { stop.cancelled().await });
            if let Err(error) = served.await {
                tracing::error!(%error, "the pages ended");
            }
        });
        Ok(address)
    }
}

async fn guard(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

async fn ready(State(hub): State<Arc<Hub>>) -> Response {
    observe::answer(&hub.readiness())
}

async fn metrics(State(hub): State<Arc<Hub>>) -> Response {
    let text = tokio::task::block_in_place(|| crate::observe::render(&hub));
    ([(header::CONTENT_TYPE, observe::Exposition::CONTENT_TYPE)], text).into_response()
}

/// Says that something changed, at most once a second; the page then asks for the units again.
async fn events(State(hub): State<Arc<Hub>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let head = hub.committer.head();
    let stop = hub.stop.clone();
    let changes = unfold((head, stop), |(mut head, stop)| async move {
        tokio::time::sleep(REFRESH).await;
        tokio::select! {
            () = stop.cancelled() => None,
            changed = head.changed() => changed.ok().map(|()| (Ok(Event::default().data("changed")), (head, stop))),
            // Silence is news too: a unit that left changes nothing in the ledger.
            () = tokio::time::sleep(REFRESH * 5) => Some((Ok(Event::default().data("look")), (head, stop))),
        }
    });
    Sse::new(changes).keep_alive(KeepAlive::default())
}

async fn units(State(hub): State<Arc<Hub>>) -> Html<String> {
    Html(main_part(&hub).into_string())
}

async fn overview(State(hub): State<Arc<Hub>>) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="vi" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Liên Thông · Hưng Yên" }
                link rel="stylesheet" href="/style.css";
                script src="/script.js" defer {}
            }
            body {
                header { h1 { "Liên Thông" } p { "Kiểm tra, giám sát · Đảng bộ tỉnh Hưng Yên" } }
                main id="units" { (main_part(&hub)) }
            }
        }
    };
    Html(page.into_string())
}

fn main_part(hub: &Hub) -> Markup {
    let units = hub.units();
    let totals = hub.dataset.totals();
    let quarantined = hub.committer.books().read().quarantine.len();
    let enrolled = units.iter().filter(|unit| unit.state != "never").count();
    let online = units.iter().filter(|unit| unit.state == "online").count();
    let needing: Vec<&UnitStatus> = units.iter().filter(|unit| !unit.attention.is_empty()).collect();
    html! {
        section.counters {
            (counter("Bản ghi", totals.records))
            (counter("Đang trực tuyến", online as u64))
            (counter("Đã ghi danh", enrolled as u64))
            (counter("Xung đột đang mở", totals.conflicts_open))
            (counter("Chưa nhập được", quarantined as u64))
        }
        section {
            h2 { "Cần người xử lý" }
            @if needing.is_empty() { p { "Không có." } } @else {
                table {
                    thead { tr { th { "Đơn vị" } th { "Trạng thái" } th { "Lý do" } th { "Thấy lần cuối" } } }
                    tbody {
                        @for unit in needing {
                            tr {
                                td { (unit.name) }
                                td { span class=(unit.state) { (state_vi(unit.state)) } }
                                td { (unit.attention.join("; ")) }
                                td { (unit.last_seen.map_or_else(|| "–".to_owned(), local)) }
                            }
                        }
                    }
                }
            }
        }
        section {
            h2 { "Tất cả đơn vị" }
            ul.tiles {
                @for unit in &units {
                    @let title = format!("{} · {} · {} bản ghi", unit.name, state_vi(unit.state), unit.records);
                    li class=(unit.state) title=(title) { b { (unit.name) } span { (unit.records) } }
                }
            }
        }
    }
}

/// An instant as people in Vietnam read it: 07:05 ngày 24/11/2026.
fn local(at: UnixMillis) -> String {
    let seconds = at.seconds() + 7 * 3_600;
    let days = i32::try_from(seconds / 86_400).unwrap_or(i32::MAX);
    let (hour, minute) = (seconds / 3_600 % 24, seconds / 60 % 60);
    match civil(days) {
        Some(date) => {
            let (day, month, year) = (date.day(), date.month(), date.year());
            format!("{hour:02}:{minute:02} ngày {day:02}/{month:02}/{year}")
        }
        None => at.rfc3339(),
    }
}

fn counter(label: &str, value: u64) -> Markup {
    html! { div { b { (value) } span { (label) } } }
}

fn state_vi(state: &str) -> &'static str {
    match state {
        "online" => "trực tuyến",
        "silent" => "im lặng",
        "offline" => "mất kết nối",
        "stopped" => "đã dừng",
        "revoked" => "đã thu hồi",
        _ => "chưa ghi danh",
    }
}
