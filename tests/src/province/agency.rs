//! An agency in the province: its host is a node's, with the product's live views behind it, and the province grants it what
//! it may have.
#![allow(clippy::indexing_slicing, reason = "a JSON document answers every index")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use lienthong_hub::app::Hub;
use lienthong_hub::service::{Request, SharingRequest};
use lienthong_node::at_rest::KeyRing;
use lienthong_node::dataset::Record;
use lienthong_node::granted::{Subscriber, Views};
use lienthong_node::identity::NodeIdentity;
use lienthong_node::records::{LIMIT_MAX, Listing};
use lienthong_node::service::RecordsRequest;
use lienthong_proto::disclosure::{DeliveryReceipt, RECEIPT, event};
use lienthong_proto::event::Event;
use lienthong_proto::ids::UnitCode;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::{Value, civil};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::BEGIN_SECONDS;
use super::hub::SECOND;
use super::node::{catalogue, job};
use super::place::{clock, note};

/// Its code.
const CODE: &str = "TTT";
/// What it is granted of.
const MEMBERS: &str = "dang_vien";

/// Its code.
pub(super) fn code() -> anyhow::Result<UnitCode> {
    Ok(CODE.parse()?)
}

/// What the agency keeps of its grants, and the stream that brings it.
pub(super) type Granted = (Arc<Views>, Subscriber);

/// Opens what it has, and begins to receive.
pub(super) fn receive(
    data: &Path,
    identity: &Arc<NodeIdentity>,
    retry_millis: (u64, u64),
) -> anyhow::Result<Granted> {
    let views = Arc::new(Views::open(data, Arc::clone(identity), &KeyRing::default())?);
    let told = (clock as fn() -> UnixMillis, job());
    let subscriber = Subscriber::start(
        Arc::clone(&views),
        Arc::clone(identity),
        retry_millis,
        told,
        CancellationToken::new(),
    );
    Ok((views, subscriber))
}

/// What people at the province do for the agency: two grants, of which one is taken back at its time. What the hub did not do
/// before it was killed is done again.
pub(super) async fn grants(hub: Arc<Hub>, revoked_at: UnixMillis) {
    loop {
        sleep(SECOND).await;
        match due(&hub, revoked_at) {
            Ok(Some(request)) => {
                let action = request.action();
                let answer = Arc::clone(&hub).execute(Request::Sharing(request), Arc::new(|_| {})).await;
                note("granting", format_args!("{action} {}", answer.body));
            }
            Ok(None) => {}
            Err(error) => note("granting failed", format_args!("{error}")),
        }
    }
}

fn due(hub: &Hub, revoked_at: UnixMillis) -> anyhow::Result<Option<SharingRequest>> {
    let (agency, who) = (code()?, |name: &str| name.to_owned());
    let (agencies, grants) = {
        let books = hub.committer.books().read();
        (Arc::clone(&books.sharing.agencies), Arc::clone(&books.sharing.grants))
    };
    if !agencies.contains_key(&agency) {
        let (name, contact, key) = (Some("Thanh tra tỉnh".to_owned()), None, None);
        return Ok(Some(SharingRequest::AgencyAdd { code: agency, name, contact, key, actor: who("minh") }));
    }
    if grants.len() < 2 {
        let day = UnixMillis(BEGIN_SECONDS * 1_000).day();
        let day = |ahead: i32| civil(day + ahead).context("no such day");
        let text = format!(
            "agency = '{CODE}'\npurpose = 'đối chiếu'\ndocument = '12/CV-TTT'\nfrom = '{}'\nuntil = '{}'\n\
             [[share]]\ntype = '{MEMBERS}'\nceiling = 'C2'\n",
            day(-1)?,
            day(90)?
        );
        return Ok(Some(SharingRequest::GrantPropose { text, actor: who("minh") }));
    }
    if let Some(waits) = grants.values().find(|grant| grant.approved.is_none()) {
        return Ok(Some(SharingRequest::GrantApprove { number: waits.number, actor: who("hoa") }));
    }
    let second = grants.values().nth(1).filter(|grant| grant.revoked.is_none() && clock() >= revoked_at);
    Ok(second.map(|grant| {
        let (number, reason) = (grant.number, "hết việc đối chiếu".to_owned());
        SharingRequest::GrantRevoke { number, reason, actor: who("minh") }
    }))
}

/// The names of members by the grant that shows them, as the agency has them.
fn shown(views: &Views) -> anyhow::Result<BTreeMap<u64, Vec<String>>> {
    let (catalogue, mut shown) = (catalogue()?, BTreeMap::<u64, Vec<String>>::new());
    let mut listing = Listing { limit: Some(LIMIT_MAX), ..Listing::default() };
    loop {
        let request = RecordsRequest::List { record_type: MEMBERS.to_owned(), listing: listing.clone() };
        let Ok(page) = views.answer(request, &catalogue) else { bail!("the agency's node lists nothing") };
        for item in page.body["items"].as_array().context("no items")? {
            let grant = item["grant"].as_u64().context("of no grant")?;
            shown.entry(grant).or_default().push(item["fields"]["ho_ten"].to_string());
        }
        let Some(next) = page.body["next"].as_str() else { break };
        listing.after = Some(next.parse()?);
    }
    shown.values_mut().for_each(|names| names.sort());
    Ok(shown)
}

/// The names of the members a grant of all means, as the hub has them by another way than its deliveries go.
fn meant(hub: &Hub) -> anyhow::Result<Vec<String>> {
    let (mut names, today) = (Vec::new(), hub.quality.today());
    for (id, state) in hub.dataset.page(MEMBERS, None, usize::MAX)? {
        if state.standing().withdrawn
            || state.owner().is_none()
            || hub.quality.is_kept_out(MEMBERS, id, today)?
        {
            continue;
        }
        let record = Record::read(hub.dataset.entries(), &hub.catalogue, MEMBERS, id, &state)?;
        names.push(match record.shown("ho_ten") {
            Some(Value::Text(name)) => format!("{name:?}"),
            _ => "null".to_owned(),
        });
    }
    names.sort();
    Ok(names)
}

/// Whether the agency has what the grant that stands means, and nothing more comes; why not, if not.
pub(super) fn late(hub: &Hub, views: &Views) -> anyhow::Result<Option<String>> {
    let grants = Arc::clone(&hub.committer.books().read().sharing.grants);
    let standing = grants.values().find(|grant| grant.approved.is_some() && grant.revoked.is_none());
    let revoked = grants.values().filter(|grant| grant.revoked.is_some()).count();
    let Some(standing) = standing.filter(|_| revoked == 1) else {
        return Ok(Some(format!("the agency has {} grants, {revoked} of them taken back", grants.len())));
    };
    let (shown, meant) = (shown(views)?.remove(&standing.number).unwrap_or_default(), meant(hub)?);
    Ok((shown != meant).then(|| format!("the agency is shown {shown:?} of {meant:?}")))
}

/// What the ledger says of deliveries, in its order.
#[derive(Default)]
pub(super) struct Deliveries {
    /// Grant and digest of each, by its entry.
    accesses: BTreeMap<u64, (u64, String)>,
    revoked: BTreeMap<u64, u64>,
    receipts: u64,
}

impl Deliveries {
    /// Hears an entry: nothing is handed over once a grant was taken back, and a receipt is of what was.
    pub(super) fn hear(&mut self, hub: &Hub, place: u64, said: &Event) -> anyhow::Result<()> {
        let number = |name: &str| match said.fields.get(name) {
            Some(Value::Integer(number)) => u64::try_from(*number).context("a number below zero"),
            other => bail!("{name}: {other:?}"),
        };
        let words = |name: &str| match said.fields.get(name) {
            Some(Value::Text(words)) => Ok(words.clone()),
            other => bail!("{name}: {other:?}"),
        };
        match said.kind.as_str() {
            event::GRANT_REVOKED => drop(self.revoked.insert(number("grant")?, place)),
            event::ACCESS => {
                let grant = number("grant")?;
                ensure!(!self.revoked.contains_key(&grant), "{place}: handed over under a grant taken back");
                self.accesses.insert(place, (grant, words("digest")?));
            }
            RECEIPT => {
                let (grant, access, digest) = (number("grant")?, number("access")?, words("digest")?);
                ensure!(
                    self.accesses.get(&access) == Some(&(grant, digest.clone())),
                    "{place}: a receipt for nothing"
                );
                let mut bytes = [0; 32];
                hex::decode_to_slice(digest, &mut bytes)?;
                let receipt =
                    DeliveryReceipt { ledger: hub.secrets.profile.replica, grant, access, digest: bytes };
                let replica = words("replica")?.parse()?;
                let key =
                    hub.registry.get(replica).and_then(|enrolled| enrolled.log_public()).context("no key")?;
                ensure!(
                    receipt.holds(&key, &hex::decode(words("signature")?)?),
                    "{place}: a receipt nobody signed"
                );
                self.receipts += 1;
            }
            _ => {}
        }
        Ok(())
    }

    /// What the agency has stands in the ledger: each view is of a delivery that was logged, under the grant it was logged for.
    pub(super) fn check(&self, hub: &Hub, views: &Views) -> anyhow::Result<()> {
        ensure!(late(hub, views)?.is_none(), "{:?}", late(hub, views)?);
        for line in views.to_json().as_array().context("no grants")? {
            let (Some(grant), Some(access)) = (line["number"].as_u64(), line["access"].as_u64()) else {
                continue;
            };
            let logged = self.accesses.get(&access).map(|(grant, _)| *grant);
            ensure!(logged == Some(grant), "grant {grant}: what it shows was never logged ({access})");
        }
        let shown: usize = shown(views)?.values().map(Vec::len).sum();
        note("deliveries", format_args!("{} {} {shown}", self.accesses.len(), self.receipts));
        Ok(())
    }
}
