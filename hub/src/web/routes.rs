//! The pages by method and path. Each must have its row in [`crate::rights::PAGES`]: without one it is nobody's.

use std::sync::Arc;

use axum::routing::{MethodRouter, get, post};
use axum::{Router, middleware};

use super::guard::guard;
use super::pages::{
    accounts, administration, alert, alerts, conflict, conflicts, duplicate, duplicates, history, integrity,
    language, overview, password, quality, quarantine, record, records, sharing, sign_in, unit, unit_contact,
    unit_revoke, units, waiting,
};
use super::site::Site;
use super::{assets, events, health};

/// Methods and path of a route, and what answers.
type Route = (&'static str, &'static [&'static str], MethodRouter<()>);

fn routes() -> Vec<Route> {
    const GET: &[&str] = &["GET"];
    const POST: &[&str] = &["POST"];
    const BOTH: &[&str] = &["GET", "POST"];
    vec![
        ("/", GET, get(overview::page)),
        ("/live", GET, get(overview::live)),
        ("/events", GET, get(events::events)),
        ("/assets/{name}", GET, get(assets::asset)),
        ("/healthz", GET, get(health::alive)),
        ("/readyz", GET, get(health::ready)),
        ("/metrics", GET, get(health::metrics)),
        ("/language/{language}", GET, get(language::choose)),
        ("/sign-in", BOTH, get(sign_in::page).post(sign_in::password)),
        ("/sign-in/code", BOTH, get(sign_in::second).post(sign_in::code)),
        ("/sign-in/enrol", POST, post(sign_in::enrol)),
        ("/sign-out", POST, post(sign_in::out)),
        ("/account", GET, get(accounts::own)),
        ("/account/totp", POST, post(accounts::totp)),
        ("/account/password", BOTH, get(password::page).post(password::change)),
        ("/units", GET, get(units::page)),
        ("/units/{unit}", GET, get(unit::page)),
        ("/units/{unit}/live", GET, get(unit::live)),
        ("/units/{unit}/contact", BOTH, get(unit_contact::page).post(unit_contact::set)),
        ("/units/{unit}/revoke", BOTH, get(unit_revoke::page).post(unit_revoke::revoke)),
        ("/alerts", GET, get(alerts::page)),
        ("/alerts/live", GET, get(alerts::live)),
        ("/alerts/{id}", GET, get(alert::page)),
        ("/alerts/{id}/acknowledge", POST, post(alert::acknowledge)),
        ("/sharing", GET, get(sharing::page)),
        ("/sharing/agencies", POST, post(sharing::agency)),
        ("/sharing/grants", POST, post(sharing::propose_one)),
        ("/sharing/grants/{number}", GET, get(sharing::grant)),
        ("/sharing/grants/{number}/approve", POST, post(sharing::approve)),
        ("/sharing/grants/{number}/revoke", POST, post(sharing::revoke)),
        ("/sharing/grants/{number}/bundle", POST, post(sharing::bundle)),
        ("/records", GET, get(records::page)),
        ("/records/{type}/{id}", GET, get(record::page)),
        ("/records/{type}/{id}/why", GET, get(history::why_page)),
        ("/records/{type}/{id}/transfer", POST, post(record::transfer)),
        ("/conflicts", GET, get(conflicts::page)),
        ("/conflicts/handovers", GET, get(conflicts::handovers)),
        ("/conflicts/{type}/{id}", BOTH, get(conflict::page).post(conflict::resolve)),
        ("/duplicates", GET, get(duplicates::page)),
        ("/duplicates/decided", GET, get(duplicates::decided)),
        ("/duplicates/{type}/{first}/{second}", GET, get(duplicate::page)),
        ("/duplicates/{type}/{first}/{second}/merge", POST, post(duplicate::merge)),
        ("/duplicates/{type}/{first}/{second}/separate", POST, post(duplicate::separate)),
        ("/duplicates/{type}/{first}/{second}/undo", POST, post(duplicate::undo)),
        ("/quarantine", GET, get(quarantine::page)),
        ("/quarantine/{number}", GET, get(waiting::page)),
        ("/quarantine/{number}/release", POST, post(waiting::release)),
        ("/quarantine/{number}/separate", POST, post(waiting::separate)),
        ("/quality", GET, get(quality::page)),
        ("/integrity", GET, get(integrity::page)),
        ("/integrity/live", GET, get(integrity::live)),
        ("/integrity/verify", POST, post(integrity::verify)),
        ("/administration", GET, get(administration::page)),
        ("/administration/tokens", POST, post(administration::create)),
        ("/administration/tokens/{id}/revoke", POST, post(administration::revoke)),
        ("/administration/accounts", BOTH, get(accounts::page).post(accounts::add)),
        ("/administration/accounts/{name}/disable", POST, post(accounts::disable)),
        ("/administration/accounts/{name}/totp", POST, post(accounts::reset)),
    ]
}

/// Every page there is, by method and path.
#[must_use]
pub fn list() -> Vec<(&'static str, &'static str)> {
    routes()
        .into_iter()
        .flat_map(|(path, methods, _)| methods.iter().map(move |method| (*method, path)))
        .collect()
}

pub(super) fn router(site: &Arc<Site>) -> Router {
    let router =
        routes().into_iter().fold(Router::new(), |router, (path, _, answers)| router.route(path, answers));
    router
        .fallback(|| async { axum::http::StatusCode::NOT_FOUND })
        .layer(middleware::from_fn_with_state(Arc::clone(site), guard))
        .nest(super::api::BASE, super::api::router(site))
}
