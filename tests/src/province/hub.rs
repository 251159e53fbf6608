//! The hub's host: the product's hub, served over the simulated network; its writer has a turn whenever a disk would be
//! done.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lienthong_hub::accept::AcceptLimits;
use lienthong_hub::app::Hub;
use lienthong_hub::ingest::Committer;
use lienthong_hub::pki::Role;
use lienthong_node::identity::Token;
use lienthong_node::store::{MemoryView, View};
use lienthong_proto::ids::UnitCode;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use tokio::time::{Instant, sleep};
use turmoil::net::TcpListener;

use super::agency::grants;
use super::node::{catalogue, journal_options};
use super::place::{Door, PORT, clock, note};
use crate::simulation::{Random, draft};

/// What happens once a second happens every so often.
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// A round of the ledger's witnesses is closed every so often: as the product does, only sooner.
const ROUND: Duration = Duration::from_secs(15);

/// What outlasts a crash of the hub.
pub(super) struct HubPlace {
    /// Its folder.
    pub(super) data: PathBuf,
    /// A commit takes so long.
    pub(super) commit: Duration,
    /// The units that have nodes.
    pub(super) units: Vec<UnitCode>,
    /// The agency's second grant is taken back then.
    pub(super) revoked_at: UnixMillis,
    /// While it runs.
    pub(super) running: RefCell<Option<Arc<Hub>>>,
    /// What the province's people do next.
    pub(super) random: RefCell<Random>,
    /// Whether people still work.
    pub(super) at_work: Cell<bool>,
}

impl HubPlace {
    /// A token for a unit or an agency, as somebody at the province gives it by phone; none while the hub is down, or does
    /// not know the agency.
    pub(super) fn token(&self, unit: &UnitCode, role: Role) -> anyhow::Result<Option<Token>> {
        let Some(hub) = self.running.borrow().clone() else { return Ok(None) };
        if role == Role::Auditor && !hub.committer.books().read().sharing.agencies.contains_key(unit) {
            return Ok(None);
        }
        let (expires, actor) = (UnixMillis(clock().0 + 3_600_000), "minh".to_owned());
        Ok(Some(hub.tokens.create(&hub.secrets, unit.clone(), role, expires, actor)?))
    }
}

/// Runs it until it is killed.
pub(super) async fn host(place: Rc<HubPlace>) -> turmoil::Result {
    let view: Arc<dyn View> = Arc::new(MemoryView::default());
    let over = (view, journal_options(true));
    let (hub, writer) = Hub::without_threads(&place.data, catalogue()?, over, clock)?;
    note("hub up", format_args!("{}", hub.head().size));
    place.running.replace(Some(Arc::clone(&hub)));
    let door = Door(TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?);
    hub.serve(door, AcceptLimits::default()).await?;
    tokio::task::spawn_local(people(Rc::clone(&place), Arc::clone(&hub)));
    tokio::task::spawn_local(grants(Arc::clone(&hub), place.revoked_at));
    tokio::spawn(rounds(Arc::clone(&hub)));
    write(&place, &hub, writer).await
}

/// The writer's turns; each group of commits takes as long as a disk.
async fn write(place: &HubPlace, hub: &Hub, mut writer: Committer) -> turmoil::Result {
    let (mut settled, mut head) = (Instant::now(), hub.head());
    loop {
        sleep(place.commit).await;
        let due = settled.elapsed() >= SECOND;
        if !writer.turn(due) {
            return Err(format!("the hub takes no writes: {:?}", hub.committer.failure()).into());
        }
        if due {
            settled = Instant::now();
            hub.quality.settle()?;
            hub.keep_heartbeats();
        }
        if hub.head() != head {
            head = hub.head();
            note("ledger", format_args!("{}", head.size));
        }
    }
}

async fn rounds(hub: Arc<Hub>) {
    loop {
        sleep(ROUND).await;
        match hub.close_round().await {
            Ok(closed) => note("round", format_args!("{:?}", closed.map(|checkpoint| checkpoint.size))),
            Err(error) => note("no round", format_args!("{error}")),
        }
    }
}

/// The province writes of people that communes write of, too: what it says goes to them.
async fn people(place: Rc<HubPlace>, hub: Arc<Hub>) {
    while place.at_work.get() {
        let (rest, draft) = {
            let random = &mut *place.random.borrow_mut();
            let mut draft = draft(&hub.secrets.profile.province, &[], random);
            if let Some(unit) = random.pick(&place.units) {
                draft.values.insert("ma_xa".to_owned(), Value::Unit(unit.clone()));
            }
            (1_000 + random.below(6_000), draft)
        };
        sleep(Duration::from_millis(rest)).await;
        let written = hub.committer.write(vec![draft]).await;
        note("province writes", format_args!("{}", written.iter().filter(|written| written.is_ok()).count()));
    }
}
