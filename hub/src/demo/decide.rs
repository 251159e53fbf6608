//! The second act: a steward settles the conflict, and a member moves to another commune.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use lienthong_node::cli::Tongue;
use lienthong_node::records::Page;
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use serde_json::Value as Json;

use super::checks::Check;
use super::{CONVERGE_MAX, DemoNode, Stage, TYPE};
use crate::accounts::{AccountRole, Credentials};
use crate::service::{Asked, Request, Resolution, Transfer};

const STEWARD: &str = "thuong-truc";

fn get(id: &str) -> RecordsRequest {
    RecordsRequest::Get { record_type: TYPE.to_owned(), id: id.to_owned(), unit: None }
}

impl Stage {
    /// What a steward decides, and what arrives of it where.
    pub(super) async fn decisions(&self, tongue: Tongue) -> anyhow::Result<Vec<Check>> {
        let steward = self.account(STEWARD, AccountRole::Steward).await?;
        let mut checks = Vec::new();
        let contested = match &self.contested {
            Some(contested) => {
                let record = self.at_hub(&contested.number).await?;
                checks.extend(self.settle(&steward, &record, tongue).await?);
                record["id"].as_str().unwrap_or_default().to_owned()
            }
            None => String::new(),
        };
        checks.push(self.transfer(&steward, &contested, tongue).await?);
        Ok(checks)
    }

    /// An account of a role: the one that made the hub keeps accounts, and may neither decide nor approve.
    pub(super) async fn account(&self, name: &str, role: AccountRole) -> anyhow::Result<Credentials> {
        let password: u128 = rand::random();
        let credentials =
            Credentials { user: name.to_owned(), password: format!("{password:032x}"), code: None };
        let request = Request::UserAdd {
            name: name.to_owned(),
            roles: vec![role],
            uid: None,
            password: Some(credentials.password.clone()),
            actor: "demo".to_owned(),
        };
        let added = self.hub.ask(&request).await?;
        ensure!(added.exit == 0, "{}", added.body);
        Ok(credentials)
    }

    /// An account for who looks at the pages: its name and password.
    pub(super) async fn visitor(&self) -> anyhow::Result<(&'static str, String)> {
        let name = "khach";
        let words = lienthong_proto::fingerprint::words(&rand::random());
        let password = words.split(' ').take(3).collect::<Vec<_>>().join("-");
        let request = Request::UserAdd {
            name: name.to_owned(),
            roles: vec![AccountRole::Operator, AccountRole::Steward],
            uid: None,
            password: Some(password.clone()),
            actor: "demo".to_owned(),
        };
        let added = self.hub.ask(&request).await?;
        ensure!(added.exit == 0, "{}", added.body);
        Ok((name, password))
    }

    async fn as_steward(&self, steward: &Credentials, request: Request) -> anyhow::Result<Json> {
        let answer = self.hub.ask(&Asked { credentials: Some(steward.clone()), request }).await?;
        ensure!(answer.exit == 0, "{}", answer.body);
        Ok(answer.body)
    }

    async fn at_hub(&self, id: &str) -> anyhow::Result<Json> {
        Ok(self.hub.ask(&Request::Records(get(id))).await?.body)
    }

    async fn settle(
        &self,
        steward: &Credentials,
        record: &Json,
        tongue: Tongue,
    ) -> anyhow::Result<Vec<Check>> {
        let conflicts = record["conflicts"].as_array().context("no conflicts")?;
        let names = conflicts.iter().find(|conflict| conflict["field"] == "ho_ten").context("no conflict")?;
        let right = names["siblings"][0]["value"].as_str().context("no name")?.to_owned();
        let (owner, id) = (&record["unit"], record["id"].as_str().unwrap_or_default());
        let proposer = names["siblings"].as_array().into_iter().flatten().map(|sibling| &sibling["unit"]);
        let proposer = proposer.into_iter().find(|unit| *unit != owner).context("no other side")?;
        let resolution = Resolution {
            id: id.to_owned(),
            field: Some("ho_ten".to_owned()),
            pick: Some(1),
            value: None,
            seen: None,
            reason: tongue.pick("theo giấy khai sinh", "by the birth certificate").to_owned(),
            actor: String::new(),
        };
        self.as_steward(steward, Request::ConflictsResolve(resolution)).await?;
        let decided = self.at_hub(id).await?;
        let left = decided["conflicts"].as_array().into_iter().flatten().filter(|c| c["field"] == "ho_ten");
        let arrived = self.arrives(owner, async |node: &DemoNode| {
            let record = node.daemon.ask(&NodeRequest::Records(get(id))).await?.body;
            // Until then it shows what it showed before.
            let shown = record["fields"]["ho_ten"].as_str().map(str::to_owned);
            let open =
                record["conflicts"].as_array().is_none_or(|open| open.iter().any(|c| c["field"] == "ho_ten"));
            let stands = record["sources"].as_array().map_or(0, Vec::len);
            Ok(shown.filter(|shown| *shown == right && !open && stands > 0))
        });
        let heard = self.arrives(proposer, async |node: &DemoNode| {
            let notices = node.daemon.ask(&NodeRequest::Notices { page: Page::default() }).await?.body;
            let mut kinds = notices["items"].as_array().into_iter().flatten().map(|notice| &notice["kind"]);
            Ok(kinds.any(|kind| kind == "DECISION").then(|| "DECISION".to_owned()))
        });
        let (arrived, heard) = tokio::try_join!(arrived, heard)?;
        let settled = tongue.pick("xung đột được tỉnh quyết định", "the conflict is settled by the province");
        let told = tongue.pick("quyết định tới cả hai xã", "the decision reaches both communes");
        let found = format!(
            "{} · {} {}",
            decided["fields"]["ho_ten"].as_str().unwrap_or_default(),
            left.count(),
            "open"
        );
        Ok(vec![
            Check::new(settled, format!("{right} · 0 open"), found),
            Check::new(told, format!("{right} · DECISION"), format!("{arrived} · {heard}")),
        ])
    }

    /// Moves one member of the first commune to the second.
    async fn transfer(
        &self,
        steward: &Credentials,
        contested: &str,
        tongue: Tongue,
    ) -> anyhow::Result<Check> {
        let [from, to, ..] = self.nodes.as_slice() else { anyhow::bail!("two communes are needed") };
        let list = NodeRequest::Records(RecordsRequest::List {
            record_type: TYPE.to_owned(),
            listing: lienthong_node::records::Listing { limit: Some(5), ..Default::default() },
        });
        let list = from.daemon.ask(&list).await?.body;
        let mut items = list["items"].as_array().into_iter().flatten();
        let moved = items.find(|record| record["unit"] == from.unit.as_str() && record["id"] != contested);
        let id = moved.and_then(|record| record["id"].as_str()).context("nobody to move")?.to_owned();
        let transfer = Transfer {
            record_type: TYPE.to_owned(),
            id: id.clone(),
            unit: None,
            to: to.unit.clone(),
            reason: tongue.pick("chuyển sinh hoạt đảng", "moved there").to_owned(),
            actor: String::new(),
        };
        self.as_steward(steward, Request::RecordTransfer(transfer)).await?;
        let expected = self.at_hub(&id).await?["fields"].to_string();
        let there = Json::from(to.unit.as_str());
        let found = self.arrives(&there, async |node: &DemoNode| {
            let record = node.daemon.ask(&NodeRequest::Records(get(&id))).await?.body;
            Ok((record["unit"] == to.unit.as_str()).then(|| record["fields"].to_string()))
        });
        let found = found.await?;
        let name = tongue.pick("đảng viên chuyển đến nguyên vẹn", "a member moved, and arrived whole");
        let (found, expected) = (found == expected, true);
        Ok(Check::new(name, expected, found))
    }

    /// Asks a unit's node until it has what is wanted.
    async fn arrives(
        &self,
        unit: &Json,
        mut ask: impl AsyncFnMut(&DemoNode) -> anyhow::Result<Option<String>>,
    ) -> anyhow::Result<String> {
        let node = self.nodes.iter().find(|node| *unit == node.unit.as_str()).context("no such commune")?;
        let deadline = Instant::now() + CONVERGE_MAX;
        loop {
            if let Some(found) = ask(node).await? {
                return Ok(found);
            }
            ensure!(Instant::now() < deadline, "{}: nothing arrived", node.unit);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}
