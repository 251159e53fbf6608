//! T44: what leaves under a grant is what the grant says, field by field, held against a second reading of the rules.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lienthong_hub::service::{Request as HubRequest, SharingRequest};
use lienthong_node::app::Node;
use lienthong_node::dataset::Payload;
use lienthong_node::records::Listing;
use lienthong_node::service::{RecordsRequest, Request};
use lienthong_proto::batch;
use lienthong_proto::catalogue::{Catalogue, Class, Field, FieldKind, RecordType};
use lienthong_proto::change::{Change, path};
use lienthong_proto::disclosure::Line;
use lienthong_proto::entry::Entry;
use lienthong_proto::hash::Digest;
use lienthong_proto::ids::{RecordId, Sequence};
use lienthong_tests::asking::{at_hub, at_node};
use lienthong_tests::aviary::{Aviary, Lot};
use lienthong_tests::sharing::{HERE, Shared, THERE, ask, grant, opened, who};
use lienthong_tests::{acknowledged, brisk, catalogue, make_node};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, IteratorRandom as _};
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

/// Records of each type at each of the two units.
const RECORDS: usize = 3;
/// Decisions (a field of a change under a grant) that are looked at.
const DECISIONS: usize = 10_000;
const SEED: u64 = 44;

/// What anybody who is granted a type sees of its every change, and what of those that are meant.
const OF_ALL: [&str; 3] = [path::NUMBER, path::TYPE, path::YEAR];
const OF_MEANT: [&str; 3] = [path::META, path::UNIT, path::WITHDRAWN];

/// A share, as the one who draws it up means it.
struct Drawn {
    record_type: String,
    units: Vec<&'static str>,
    year: Option<u16>,
    opened: BTreeSet<String>,
    only: Option<(String, String)>,
    text: String,
}

/// The registers of a type by name, items by their subfields.
fn leaves(declared: &RecordType) -> Vec<(String, &Field)> {
    let mut found = Vec::new();
    for field in &declared.fields {
        if field.kind == FieldKind::Items {
            found.extend(field.fields.iter().map(|sub| (format!("{}/{}", field.name, sub.name), sub)));
        } else {
            found.push((field.name.clone(), field));
        }
    }
    found
}

impl Drawn {
    fn new(random: &mut StdRng, declared: &RecordType, changes: &BTreeMap<Digest, Change>) -> Self {
        let leaves = leaves(declared);
        let units = [&[][..], &[HERE], &[THERE], &[HERE, THERE]].choose(random).unwrap().to_vec();
        let own = changes.values().filter(|change| change.record_type == declared.name);
        let one = own.choose(random).unwrap();
        let year = [None, Some(one.year), Some(one.year - 1)].choose(random).copied().flatten();
        let ceiling =
            [None, Some(Class::C0), Some(Class::C1), Some(Class::C2)].choose(random).copied().flatten();
        let named: Vec<&(String, &Field)> = leaves
            .iter()
            .filter(|(_, field)| field.class < Class::C4)
            .filter(|_| random.random_bool(0.3))
            .collect();
        let mut opened: BTreeSet<String> = BTreeSet::new();
        for (name, field) in &leaves {
            let long = field.member_kind() == FieldKind::LongText;
            let under = ceiling.is_some_and(|ceiling| field.class <= ceiling) && !long;
            let stated = named.iter().any(|(wanted, _)| wanted == name);
            if (under || stated) && field.member_kind() != FieldKind::Reference {
                opened.insert(name.clone());
            }
        }
        // A value of one of its records, so that some are meant and some are not.
        let plain = one.writes.iter().filter(|write| {
            let field = declared.field(&write.path);
            field.is_some_and(|field| {
                matches!(field.kind, FieldKind::Text | FieldKind::Code | FieldKind::Boolean)
            })
        });
        let only = random.random_bool(0.3).then(|| plain.choose(random)).flatten();
        let only = only.map(|write| (write.path.clone(), write.value.to_text()));
        let mut text = format!("[[share]]\ntype = '{}'\nunits = {units:?}\n", declared.name);
        text.extend(year.map(|year| format!("years = [{year}]\n")));
        text.extend(ceiling.map(|ceiling| format!("ceiling = '{ceiling}'\n")));
        text += &format!("fields = {:?}\n", named.iter().map(|(name, _)| name).collect::<Vec<_>>());
        text.extend(
            only.iter().map(|(field, is)| format!("[[share.only]]\nfield = '{field}'\nis = [{is:?}]\n")),
        );
        Self { record_type: declared.name.clone(), units, year, opened, only, text }
    }

    /// Whether a record is meant that has just this change.
    fn means(&self, change: &Change) -> bool {
        let owner = change.unit().unwrap().as_str();
        let holds = |(field, is): &(String, String)| {
            change.writes.iter().any(|write| write.path == *field && write.value.to_text() == *is)
        };
        (self.units.is_empty() || self.units.contains(&owner)) && self.only.as_ref().is_none_or(holds)
    }

    /// The names a disclosure of a change may open, of those it has.
    fn allowed(&self, change: &Change, in_dataset: bool, all: &BTreeSet<String>) -> BTreeSet<String> {
        let meant = in_dataset && self.means(change) && self.year.is_none_or(|year| year == change.year);
        let open = |name: &str| match name.split('/').collect::<Vec<_>>()[..] {
            _ if OF_ALL.contains(&name) => true,
            _ if !meant => false,
            _ if name.starts_with('_') => OF_MEANT.contains(&name),
            [items, _, "_gone"] => self.opened.iter().any(|leaf| leaf.starts_with(&format!("{items}/"))),
            [items, _, sub] => self.opened.contains(&format!("{items}/{sub}")),
            _ => self.opened.contains(name),
        };
        all.iter().filter(|name| open(name)).cloned().collect()
    }
}

/// Every change a node wrote, by its leaf, with the names it holds.
fn written(node: &Node, into: &mut BTreeMap<Digest, Change>, names: &mut BTreeMap<Digest, BTreeSet<String>>) {
    let mut take = |bytes: &[u8]| {
        let entry = Entry::decode(bytes).unwrap();
        let Ok(change) = Change::of(&entry) else { return };
        names.insert(entry.leaf_hash(), entry.opened().map(|(name, _)| name.to_owned()).collect());
        into.insert(entry.leaf_hash(), change);
    };
    for frame in node.replica.reader().clone().scan(Sequence(0)) {
        let (_, frame) = frame.unwrap();
        match Payload::parse(&frame.payload).unwrap() {
            Payload::Entry(entry) => take(entry),
            Payload::Batch(packed) | Payload::Accepted { packed, .. } => {
                let plain = batch::unpack(packed).unwrap();
                batch::entries(&plain).unwrap().into_iter().for_each(&mut take);
            }
        }
    }
}

/// A record of each type with a value in every field.
async fn written_by(node: &Arc<Node>, aviary: &mut Aviary, units: (&str, &str)) {
    let embedded: &Catalogue = &catalogue().unwrap();
    for declared in embedded.record_types() {
        let rows = (0..RECORDS).filter_map(|_| aviary.row(embedded, declared, ("put", Lot::Good), units));
        let put = RecordsRequest::Put {
            values: rows.map(|row| row.object).collect(),
            record_type: declared.name.clone(),
            author: who("lan"),
            english: true,
        };
        let answer = at_node(node, Request::Records(put)).await;
        assert_eq!(answer["created"], json!(RECORDS), "{}: {answer:#}", declared.name);
    }
    acknowledged(node).await.unwrap();
}

/// The records of the dataset, those with a grave defect left out.
async fn in_dataset(shared: &Shared) -> BTreeSet<(String, RecordId)> {
    let hub = shared.hub();
    hub.committer.flush().await;
    hub.quality.settle_until_now(&mut |_| ()).unwrap();
    let mut found = BTreeSet::new();
    for declared in catalogue().unwrap().record_types() {
        let listing = Listing { limit: Some(1_000), ..Listing::default() };
        let list = RecordsRequest::List { record_type: declared.name.clone(), listing };
        let list = at_hub(hub, HubRequest::Records(list)).await;
        for item in list["items"].as_array().unwrap() {
            let id = item["id"].as_str().unwrap().to_owned();
            let get = RecordsRequest::Get { record_type: declared.name.clone(), id: id.clone(), unit: None };
            let record = at_hub(hub, HubRequest::Records(get)).await;
            let defects = record["defects"].as_array().unwrap();
            if defects.iter().all(|defect| defect["severity"] != "error") {
                found.insert((declared.name.clone(), id.parse().unwrap()));
            }
        }
    }
    found
}

/// Goal (T44): of ten thousand decisions none opens a field too many, and none a field too few. Method: records of every
/// type with a value in each field, at two units; grants drawn at random, with units, years, ceilings, named fields and
/// conditions; each bundle's every entry held against what the one who drew the grant meant.
#[tokio::test(flavor = "multi_thread")]
async fn t44_what_leaves_is_what_the_grant_says() {
    let shared = Shared::set().await;
    let there =
        make_node(shared.hub(), &shared.province.address, &shared.path("there"), THERE).await.unwrap();
    there.start_sync(brisk());
    let mut aviary = Aviary::default();
    written_by(&shared.node, &mut aviary, (HERE, THERE)).await;
    written_by(&there, &mut aviary, (THERE, HERE)).await;
    let (mut changes, mut names) = (BTreeMap::new(), BTreeMap::new());
    written(&shared.node, &mut changes, &mut names);
    written(&there, &mut changes, &mut names);
    let dataset = in_dataset(&shared).await;
    let own = shared.node.identity.replica();
    let embedded = catalogue().unwrap();
    let mut random = StdRng::seed_from_u64(SEED);
    let (mut decisions, mut values, mut drawn_up, mut refused) = (0, 0, 0, 0);
    while decisions < DECISIONS {
        let types = random.random_range(1..=4);
        let declared = embedded.record_types().choose_multiple(&mut random, types);
        let drawn: Vec<Drawn> =
            declared.into_iter().map(|declared| Drawn::new(&mut random, declared, &changes)).collect();
        let text = grant(&drawn.iter().map(|share| share.text.as_str()).collect::<String>());
        drawn_up += 1;
        let propose = SharingRequest::GrantPropose { text: text.clone(), actor: who("minh") };
        let proposed = ask(shared.hub(), propose).await;
        let Some(number) = proposed["number"].as_u64() else {
            // One that opens nothing, or part of an item without what names it.
            assert_eq!(proposed["rule"], "GRANT_FILE", "{text}: {proposed:#}");
            refused += 1;
            assert!(refused * 2 < drawn_up + 20, "{text}: {proposed:#}");
            continue;
        };
        let approve = SharingRequest::GrantApprove { number, actor: who("hoa") };
        assert_eq!(ask(shared.hub(), approve).await["state"], "active");
        let bundle = shared.bundle(number, &format!("bundle-{number}")).await;
        let mut seen = BTreeSet::new();
        for line in opened(&bundle, &shared.identity).lines() {
            let Line::Entry(shown) = Line::parse(line).unwrap() else { continue };
            let entry = Entry::decode(&shown.entry.0).unwrap();
            let leaf = entry.leaf_hash();
            let Some(change) = changes.get(&leaf) else { continue };
            let share = drawn.iter().find(|share| share.record_type == change.record_type);
            let share = share.unwrap_or_else(|| panic!("{} is not granted: {text}", change.record_type));
            let kept = dataset.contains(&(change.record_type.clone(), change.record));
            let allowed = share.allowed(change, kept, &names[&leaf]);
            let open: BTreeSet<String> = entry.opened().map(|(name, _)| name.to_owned()).collect();
            assert_eq!(open, allowed, "{} under {text}", change.record_type);
            decisions += names[&leaf].len();
            values += open.iter().filter(|name| !name.starts_with('_')).count();
            seen.insert(leaf);
        }
        // Of units that no share means there is no log in it.
        let whose = |change: &Change| if change.dot.replica == own { HERE } else { THERE };
        let granted = |change: &Change| {
            drawn.iter().any(|share| share.record_type == change.record_type)
                && drawn.iter().any(|share| share.units.is_empty() || share.units.contains(&whose(change)))
        };
        let all: BTreeSet<Digest> =
            changes.iter().filter(|(_, change)| granted(change)).map(|(leaf, _)| *leaf).collect();
        assert_eq!(seen, all, "each change of the types is open or counted: {text}");
    }
    println!("{decisions} decisions under {} grants, {values} values opened", drawn_up - refused);
    assert!(values * 10 > decisions && values * 2 < decisions, "some are open, most are not: {values}");
    there.close().await;
}
