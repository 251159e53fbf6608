//! A hub with an agency and a commune that has written: what the tests of sharing begin with.
#![allow(
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot ask has failed"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lienthong_hub::app::Hub;
use lienthong_hub::pki::Role;
use lienthong_hub::service::{Request, SharingRequest};
use lienthong_node::app::{Node, system_clock};
use lienthong_node::backup::Identity;
use lienthong_node::identity::{Token, enrol};
use lienthong_node::records::{Listing, Page};
use lienthong_node::sealed::SealedReader;
use lienthong_node::service::{RecordsRequest, Request as NodeRequest};
use lienthong_node::verify::{Verified, VerifyError, verify};
use lienthong_proto::disclosure::Trust;
use lienthong_proto::disclosure::event::{ROLL, ROLL_PART};
use lienthong_proto::entry::Entry;
use lienthong_proto::ids::Sequence;
use lienthong_proto::roll::{LINE, committed};
use lienthong_proto::value::Value;
use serde_json::{Value as Json, json};

use crate::asking::{self, at_hub, at_node};
use crate::{Province, acknowledged, brisk, catalogue, make_node};

/// The commune that has written.
pub const HERE: &str = "11953";
/// Another commune.
pub const THERE: &str = "12004";
/// The head of its sheets.
pub const HEAD: &str =
    "Họ và tên,Ngày sinh,Giới tính,Số CCCD,Ngày vào Đảng,Chi bộ,Mã xã,Diện quản lý,Tình trạng,Điện thoại\n";
/// A sheet with one member.
pub fn sheet(unit: &str, number: u32) -> String {
    format!(
        "{HEAD}Nguyễn Văn An,02/03/1975,Nam,03307500000{number},01/02/2000,Chi bộ {number},{unit},CHIBO,CHINH_THUC,091234567{number}\n"
    )
}

/// A grant's file, for the agency TTT.
pub fn grant(rest: &str) -> String {
    format!(
        "agency = 'TTT'\npurpose = 'đối chiếu'\ndocument = '12/CV-TTT'\nfrom = '{}'\nuntil = '{}'\n{rest}",
        day(0),
        day(90)
    )
}

/// The day so many days from now.
pub fn day(ahead: u64) -> String {
    let at = lienthong_node::app::system_clock().0 + ahead * 86_400_000;
    lienthong_proto::time::UnixMillis(at).rfc3339()[..10].to_owned()
}

/// Logs a roll as the hub does, with whatever it is made to say: `fields` are its own and the units' lines. The places of its
/// entries.
pub async fn log_roll(hub: &Hub, fields: BTreeMap<String, Value>) -> [Sequence; 2] {
    let (lines, mut named) =
        fields.into_iter().partition::<BTreeMap<_, _>, _>(|(name, _)| name.starts_with(LINE));
    let part = hub.event(ROLL_PART, "hub", lines.clone()).await.unwrap();
    let bytes = hub.ledger_entry(part.0).unwrap();
    let entry = Entry::decode(&bytes).unwrap();
    let line = |name: &String| committed(&entry.committed(|path| path == name).next().unwrap());
    named.extend(lines.keys().map(|name| (name.clone(), line(name))));
    [part, hub.event(ROLL, "hub", named).await.unwrap()]
}

/// Asks the hub about sharing.
pub async fn ask(hub: &Arc<Hub>, request: SharingRequest) -> Json {
    at_hub(hub, Request::Sharing(request)).await
}

/// An account.
pub fn who(name: &str) -> String {
    name.to_owned()
}

/// A hub with one commune that has written, an agency with a key, and what it takes to verify.
pub struct Shared {
    /// The hub.
    pub province: Province,
    /// The commune's node.
    pub node: Arc<Node>,
    /// The agency's key.
    pub identity: Identity,
    /// The line of its key file.
    pub secret: String,
}

impl Shared {
    /// Makes all of it.
    pub async fn set() -> Self {
        Self::on(Province::set().await.unwrap()).await
    }

    /// Makes it on a hub that is there.
    pub async fn on(province: Province) -> Self {
        let (dir, hub, address) = (&province.dir, &province.hub, &province.address);
        let node = make_node(hub, address, &dir.path().join("here"), HERE).await.unwrap();
        node.start_sync(brisk());
        for number in 1..=2 {
            let text = sheet(HERE, number);
            assert_eq!(asking::import(&node, dir.path(), "dang_vien", &text).await["created"], 1);
        }
        at_node(&node, NodeRequest::LogTally { actor: who("lan") }).await;
        acknowledged(&node).await.unwrap();
        let (identity, secret) = Identity::generate().unwrap();
        let key = Some(identity.recipient().to_string());
        let (name, contact) = (Some("Thanh tra tỉnh".to_owned()), None);
        let agency = SharingRequest::AgencyAdd {
            code: "TTT".parse().unwrap(),
            name,
            contact,
            key,
            actor: who("minh"),
        };
        ask(hub, agency).await;
        Self { province, node, identity, secret: secret.to_string() }
    }

    /// The hub.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.province.hub
    }

    /// A grant, proposed and approved.
    pub async fn granted(&self, rest: &str) -> u64 {
        let proposed =
            ask(self.hub(), SharingRequest::GrantPropose { text: grant(rest), actor: who("minh") }).await;
        let number = proposed["number"].as_u64().unwrap_or_else(|| panic!("{proposed:#}"));
        let approved = ask(self.hub(), SharingRequest::GrantApprove { number, actor: who("hoa") }).await;
        assert_eq!(approved["state"], "active", "{approved:#}");
        number
    }

    /// A token for the agency's own node.
    pub async fn agency_token(&self) -> Token {
        let request = Request::TokenCreate {
            unit: "TTT".parse().unwrap(),
            role: Role::Auditor,
            ttl_seconds: 3_600,
            actor: who("minh"),
        };
        let body = at_hub(self.hub(), request).await;
        body["token"].as_str().unwrap_or_else(|| panic!("{body:#}")).parse().unwrap()
    }

    /// The agency's own node, which has begun to receive.
    pub async fn agency(&self, name: &str) -> Arc<Node> {
        let folder = self.path(name);
        std::fs::create_dir_all(&folder).unwrap();
        enrol(&folder, &self.province.address, &self.agency_token().await).await.unwrap();
        let node = Node::open(&folder, catalogue().unwrap(), system_clock).unwrap();
        node.start_sync(brisk());
        node
    }

    /// Waits until what an agency's node shows of its members is as wanted.
    pub async fn shows(&self, agency: &Arc<Node>, what: &str, wanted: impl Fn(&[Json]) -> bool) -> Vec<Json> {
        let list = || {
            let listing = Listing { all: true, ..Listing::default() };
            NodeRequest::Records(RecordsRequest::List { record_type: "dang_vien".to_owned(), listing })
        };
        let items = |body: &Json| body["items"].as_array().cloned().unwrap_or_default();
        let ask = async || at_node(agency, list()).await;
        items(&asking::until(what, ask, |body| wanted(&items(body))).await)
    }

    /// The one line an agency's node has of its grant, once it is as wanted.
    pub async fn grant_at(&self, agency: &Arc<Node>, what: &str, wanted: impl Fn(&Json) -> bool) -> Json {
        let ask =
            async || at_node(agency, NodeRequest::Grants { page: Page::default() }).await["items"][0].clone();
        asking::until(what, ask, wanted).await
    }

    /// Its first member is withdrawn at the commune, while the province writes another telephone number: neither saw the other.
    pub async fn withdrawn_unseen(self) -> Self {
        let Self { province, node, identity, secret } = self;
        let node = asking::away(node, &province.dir.path().join("here")).await;
        let values = vec![json!({ "so_cccd": "033075000001", "ma_xa": HERE, "dien_thoai": "0987654321" })];
        let (record_type, author) = ("dang_vien".to_owned(), who("minh"));
        let put = RecordsRequest::Put { values, record_type, author, english: true };
        let edited = at_hub(&province.hub, Request::Records(put)).await;
        assert_eq!(edited["updated"], 1, "{edited:#}");
        let withdrawn = at_node(&node, NodeRequest::Records(withdraw_first("nhập nhầm", "lan"))).await;
        assert_eq!(withdrawn["changed"], true, "{withdrawn:#}");
        node.start_sync(brisk());
        acknowledged(&node).await.unwrap();
        Self { province, node, identity, secret }
    }

    /// The province withdraws the first member, having seen everything.
    pub async fn withdraw_at_the_province(&self) {
        let withdrawn = at_hub(self.hub(), Request::Records(withdraw_first("đã đối chiếu", "minh"))).await;
        assert_eq!(withdrawn["changed"], true, "{withdrawn:#}");
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.province.dir.path().join(name)
    }

    /// Hands a bundle over.
    pub async fn bundle(&self, grant: u64, name: &str) -> PathBuf {
        let out = self.path(name);
        let body =
            ask(self.hub(), SharingRequest::Bundle { grant, out: out.clone(), actor: who("minh") }).await;
        assert!(body["access"].is_number(), "{body:#}");
        out
    }

    /// Whom its hub says to believe.
    pub async fn trust(&self) -> Trust {
        let policy = ask(self.hub(), SharingRequest::LedgerPolicy).await;
        Trust::parse(policy["policy"].as_str().unwrap()).unwrap()
    }

    /// Checks a bundle as the agency would.
    pub async fn verified(&self, bundle: &Path) -> Result<Verified, VerifyError> {
        verify(bundle, Some(&self.identity), &self.trust().await, &catalogue().unwrap())
    }
}

fn withdraw_first(reason: &str, author: &str) -> RecordsRequest {
    let (record_type, id) = ("dang_vien".to_owned(), "033075000001".to_owned());
    RecordsRequest::Withdraw { record_type, id, unit: None, reason: who(reason), author: who(author) }
}

/// Whether an entry among the deliveries an agency's node keeps has a value.
#[must_use]
pub fn delivered(data: &Path, value: &str) -> bool {
    let views = std::fs::read_dir(data.join("granted")).unwrap().map(|view| view.unwrap().path());
    let files = views.filter(|view| view.is_dir()).flat_map(|view| std::fs::read_dir(view).unwrap());
    let mut deliveries = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "lines"));
    deliveries.any(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        decoded(&text).iter().any(|entry| contains(entry, value.as_bytes()))
    })
}

/// A share of members, by name, chi bộ and unit.
pub const MEMBERS: &str = "[[share]]\ntype = 'dang_vien'\nfields = ['ho_ten', 'chi_bo', 'ma_xa']\n";

/// The lines of a bundle.
pub fn opened(bundle: &Path, identity: &Identity) -> String {
    let file = std::io::BufReader::new(std::fs::File::open(bundle).unwrap());
    let mut reader = SealedReader::new(file, identity).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
    text
}

/// The entries in the lines of a bundle.
#[must_use]
pub fn decoded(lines: &str) -> Vec<Vec<u8>> {
    use base64::Engine as _;
    let lines = lines.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    lines
        .filter_map(|line| {
            Some(base64::engine::general_purpose::STANDARD.decode(line["entry"].as_str()?).unwrap())
        })
        .collect()
}

/// Whether bytes have others in them.
#[must_use]
pub fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
