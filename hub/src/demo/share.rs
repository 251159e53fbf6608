//! The third act: an agency is granted a part, gets it in one file, and checks it offline.

use anyhow::{Context as _, ensure};
use lienthong_node::cli::Tongue;
use lienthong_node::service::Request as NodeRequest;
use lienthong_proto::disclosure::Day;
use lienthong_proto::time::UnixMillis;
use serde_json::Value as Json;

use super::checks::Check;
use super::{Stage, TYPE, once};
use crate::accounts::{AccountRole, Credentials};
use crate::service::{Asked, Request, SharingRequest};

const AGENCY: &str = "TTT";
const APPROVER: &str = "lanh-dao";
/// What the agency may have; the citizen number, for one, it may not.
const FIELDS: [&str; 3] = ["ho_ten", "chi_bo", "ma_xa"];

impl Stage {
    /// A grant by two accounts, a bundle, and its check by somebody who trusts nobody's word.
    pub(super) async fn sharing(&self, tongue: Tongue) -> anyhow::Result<Vec<Check>> {
        for node in &self.nodes {
            let tally = NodeRequest::LogTally { actor: "demo".to_owned() };
            ensure!(node.daemon.ask(&tally).await?.exit == 0, "{}: no tally", node.unit);
        }
        self.converge(0).await?;
        let agency = self.folder.join("agency");
        std::fs::create_dir(&agency)?;
        let path = |name: &str| agency.join(name).display().to_string();
        let (key, policy, bundle) = (path("co-quan.key"), path("policy.txt"), path("goi.lienthong"));
        let (made, _) = once(&self.program, &["as-node", "key", "pair", &key], &agency).await?;
        let public = made["recipient"].as_str().context("no key")?.to_owned();
        let number = self.granted(public).await?;
        let handed =
            SharingRequest::Bundle { grant: number, out: bundle.clone().into(), actor: String::new() };
        self.share(handed, None).await?;
        let said = self.share(SharingRequest::LedgerPolicy, None).await?;
        std::fs::write(&policy, said["policy"].as_str().context("no policy")?)?;
        let arguments = ["as-node", "verify", &bundle, "--trust", &policy, "--key", &key];
        let (verified, code) = once(&self.program, &arguments, &agency).await?;
        let mut checks = vec![Check::new(
            tongue.pick("cơ quan kiểm gói, không cần mạng", "the agency checks its bundle offline"),
            "0 · 0 missing",
            format!("{code} · {} missing", missing(&verified)),
        )];
        let mut altered = std::fs::read(&bundle)?;
        let middle = altered.len() / 2;
        if let Some(byte) = altered.get_mut(middle) {
            *byte ^= 1;
        }
        std::fs::write(&bundle, altered)?;
        let (refused, code) = once(&self.program, &arguments, &agency).await?;
        checks.push(Check::new(
            tongue.pick("sửa một byte của gói: bị từ chối", "one byte of it altered: refused"),
            "1 · false",
            format!("{code} · {}", refused["valid"]),
        ));
        checks.extend(self.live(AGENCY, number, &policy).await?);
        Ok(checks)
    }

    async fn granted(&self, key: String) -> anyhow::Result<u64> {
        let agency = SharingRequest::AgencyAdd {
            code: AGENCY.parse()?,
            name: Some("Thanh tra tỉnh".to_owned()),
            contact: None,
            key: Some(key),
            actor: String::new(),
        };
        self.share(agency, None).await?;
        let (from, until) = (today(0)?, today(90)?);
        let text = format!(
            "agency = '{AGENCY}'\npurpose = 'đối chiếu'\ndocument = '12/CV-TTT'\nfrom = {from}\nuntil = {until}\n\
             [[share]]\ntype = '{TYPE}'\nfields = {FIELDS:?}\n"
        );
        let proposed = self.share(SharingRequest::GrantPropose { text, actor: String::new() }, None).await?;
        let number = proposed["number"].as_u64().context("no grant")?;
        let approver = self.account(APPROVER, AccountRole::Approver).await?;
        let approve = SharingRequest::GrantApprove { number, actor: String::new() };
        self.share(approve, Some(approver)).await?;
        Ok(number)
    }

    pub(super) async fn share(
        &self,
        request: SharingRequest,
        credentials: Option<Credentials>,
    ) -> anyhow::Result<Json> {
        let asked = Asked { credentials, request: Request::Sharing(request) };
        let answer = self.hub.ask(&asked).await?;
        ensure!(answer.exit == 0, "{}", answer.body);
        Ok(answer.body)
    }
}

/// Changes of the granted type that were shown neither open nor counted, or whose number nobody has signed for.
fn missing(verified: &Json) -> u64 {
    let logs = verified["report"]["logs"].as_array().map_or(&[][..], Vec::as_slice);
    let counts = logs.iter().flat_map(|log| log["types"].as_object()).flatten();
    counts
        .map(|(_, count)| {
            let number = |name: &str| count[name].as_u64().unwrap_or(0);
            number("written") - number("signed_for").min(number("written"))
        })
        .sum()
}

/// The day so many days from now, quoted.
fn today(ahead: u64) -> anyhow::Result<String> {
    let at = lienthong_node::app::system_clock().0 + ahead * 86_400_000;
    Ok(serde_json::to_string(&Day::of(UnixMillis(at)))?)
}
