//! Agencies and grants, as the ledger tells them.

use std::collections::BTreeMap;
use std::sync::Arc;

use lienthong_node::store::{Batch, Keyspace, View, ViewError};
use lienthong_proto::disclosure::{RECEIPT, ReceiptSigner, Terms, event as kind};
use lienthong_proto::event::Event;
use lienthong_proto::ids::{Sequence, UnitCode};
use lienthong_proto::time::UnixMillis;
use lienthong_proto::value::Value;
use serde::{Deserialize, Serialize};

use super::CARRIED;

/// The kind of the event that names an agency: `agency`, `name`, `contact`, the public `key` things are sealed to, and the
/// `signer` of receipts for them.
pub const AGENCY: &str = "agency";

/// An agency that may receive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agency {
    /// Its code: a unit's, of no commune.
    pub code: UnitCode,
    /// Its name.
    pub name: String,
    /// Whom to call there.
    pub contact: String,
    /// What bundles are sealed to, if it has given one.
    pub key: Option<String>,
    /// Whom receipts for bundles are signed by, if it has said so.
    #[serde(default)]
    pub signer: Option<ReceiptSigner>,
    /// Since when, as last said.
    pub at: UnixMillis,
}

/// Somebody did something at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Who.
    pub by: String,
    /// When.
    pub at: UnixMillis,
    /// Why, if that is said.
    pub reason: String,
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The ledger's entry that proposed it.
    pub number: u64,
    /// What it gives.
    pub terms: Terms,
    /// Who proposed it.
    pub proposed: Done,
    /// Who approved it.
    pub approved: Option<Done>,
    /// Who took it back, or refused it.
    pub revoked: Option<Done>,
    /// Deliveries under it.
    pub deliveries: u64,
    /// The last one.
    pub last_delivery: Option<UnixMillis>,
    /// The ledger's entry that logs it.
    #[serde(default)]
    pub last_access: Option<u64>,
    /// And of the first.
    #[serde(default)]
    pub first_access: Option<u64>,
    /// The agency was told what of it is no longer so.
    #[serde(default)]
    pub last_notice: Option<UnixMillis>,
    /// That notice tells of what the ledger says before this entry.
    #[serde(default)]
    pub last_told: Option<u64>,
    /// The last delivery the agency has signed for.
    #[serde(default)]
    pub receipt: Option<Receipt>,
    /// The bundles the agency has signed for, by the ledger's entry that logs each, and when the hub took its word.
    #[serde(default)]
    pub bundle_receipts: BTreeMap<u64, UnixMillis>,
}

/// An agency's replica has signed that a delivery reached its disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The ledger's entry that logs the delivery.
    pub access: u64,
    /// Which replica.
    pub replica: String,
    /// When the hub took its word.
    pub at: UnixMillis,
}

/// Where a grant stands on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    /// Waits for somebody else's approval.
    Proposed,
    /// Approved, its first day is to come.
    Coming,
    /// In force.
    Active,
    /// Its last day has passed.
    Expired,
    /// Taken back, or refused.
    Revoked,
}

impl Grant {
    /// Where it stands at a time.
    #[must_use]
    pub fn state(&self, at: UnixMillis) -> GrantState {
        if self.revoked.is_some() {
            GrantState::Revoked
        } else if self.terms.is_over(at) {
            GrantState::Expired
        } else if self.approved.is_none() {
            GrantState::Proposed
        } else if !self.terms.has_begun(at) {
            GrantState::Coming
        } else {
            GrantState::Active
        }
    }
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Sharing {
    /// By code.
    pub agencies: Arc<BTreeMap<UnitCode, Agency>>,
    /// By number.
    pub grants: Arc<BTreeMap<u64, Grant>>,
}

impl Sharing {
    /// As the view has it; what is not understood is left out (a rebuild brings it back).
    ///
    /// # Errors
    /// [`ViewError`] if it cannot be read.
    pub fn load(view: &dyn View) -> Result<Self, ViewError> {
        let (mut agencies, mut grants) = (BTreeMap::new(), BTreeMap::new());
        view.scan_prefix(Keyspace::Sharing, &[], &mut |key, bytes| {
            match key.first() {
                Some(&AGENCIES) => {
                    let agency: Option<Agency> = serde_json::from_slice(bytes).ok();
                    agencies.extend(agency.map(|agency| (agency.code.clone(), agency)));
                }
                _ => {
                    let grant: Option<Grant> = serde_json::from_slice(bytes).ok();
                    grants.extend(grant.map(|grant| (grant.number, grant)));
                }
            }
            true
        })?;
        Ok(Self { agencies: Arc::new(agencies), grants: Arc::new(grants) })
    }

    /// Takes an event at `place` into account; whether it changed anything.
    pub fn note(&mut self, event: &Event, place: Sequence, view: &mut Batch) -> bool {
        let done = |reason: Option<&str>| {
            let reason = reason.unwrap_or_default().to_owned();
            Done { by: event.actor.clone(), at: event.at, reason }
        };
        match event.kind.as_str() {
            AGENCY => {
                let Some(code) = unit(event, "agency") else { return false };
                let said = |name| text(event, name).unwrap_or_default().to_owned();
                let key = text(event, "key").filter(|key| !key.is_empty()).map(str::to_owned);
                let signer = text(event, "signer").and_then(|signer| signer.parse().ok());
                let agency = Agency {
                    code: code.clone(),
                    name: said("name"),
                    contact: said("contact"),
                    key,
                    signer,
                    at: event.at,
                };
                let place = [&[AGENCIES], code.as_str().as_bytes()].concat();
                view.put(Keyspace::Sharing, &place, &serde_json::to_vec(&agency).unwrap_or_default());
                Arc::make_mut(&mut self.agencies).insert(code.clone(), agency);
                true
            }
            kind::GRANT_PROPOSED => {
                let Some(Ok(terms)) = text(event, "terms").map(Terms::parse) else { return false };
                let grant = Grant {
                    number: place.0,
                    terms,
                    proposed: done(None),
                    approved: None,
                    revoked: None,
                    deliveries: 0,
                    last_delivery: None,
                    last_access: None,
                    first_access: None,
                    last_notice: None,
                    last_told: None,
                    receipt: None,
                    bundle_receipts: BTreeMap::new(),
                };
                keep(&grant, view);
                Arc::make_mut(&mut self.grants).insert(place.0, grant);
                true
            }
            kind::GRANT_APPROVED => self.change(event, view, |grant| grant.approved = Some(done(None))),
            kind::GRANT_REVOKED => {
                let revoked = done(text(event, "reason"));
                self.change(event, view, |grant| grant.revoked = Some(revoked))
            }
            kind::ACCESS => self.change(event, view, |grant| {
                grant.deliveries += 1;
                grant.last_delivery = Some(event.at);
                grant.last_access = Some(place.0);
                grant.first_access.get_or_insert(place.0);
            }),
            kind::CHANGE_NOTICE => self.change(event, view, |grant| {
                grant.last_notice = Some(event.at);
                // Of a notice under a former ledger the place is one of that: there its own counts.
                grant.last_told = match event.fields.get("until") {
                    Some(Value::Integer(until)) if !event.fields.contains_key(CARRIED) => {
                        u64::try_from(*until).ok()
                    }
                    _ => Some(place.0),
                };
            }),
            RECEIPT => self.change(event, view, |grant| {
                let Some(Value::Integer(access)) = event.fields.get("access") else { return };
                if event.fields.contains_key("signer") {
                    let access = u64::try_from(*access).unwrap_or(u64::MAX);
                    grant.bundle_receipts.insert(access, event.at);
                    return;
                }
                let replica = text(event, "replica").unwrap_or_default().to_owned();
                grant.receipt = Some(Receipt {
                    access: u64::try_from(*access).unwrap_or(u64::MAX),
                    replica,
                    at: event.at,
                });
            }),
            _ => false,
        }
    }

    fn change(&mut self, event: &Event, view: &mut Batch, change: impl FnOnce(&mut Grant)) -> bool {
        let Some(Value::Integer(number)) = event.fields.get("grant") else { return false };
        let number = u64::try_from(*number).unwrap_or(u64::MAX);
        let Some(grant) = Arc::make_mut(&mut self.grants).get_mut(&number) else { return false };
        change(grant);
        keep(grant, view);
        true
    }
}

const AGENCIES: u8 = b'a';
const GRANTS: u8 = b'g';

fn keep(grant: &Grant, view: &mut Batch) {
    let place = [&[GRANTS], grant.number.to_be_bytes().as_slice()].concat();
    view.put(Keyspace::Sharing, &place, &serde_json::to_vec(grant).unwrap_or_default());
}

fn text<'a>(event: &'a Event, name: &str) -> Option<&'a str> {
    match event.fields.get(name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

fn unit<'a>(event: &'a Event, name: &str) -> Option<&'a UnitCode> {
    match event.fields.get(name) {
        Some(Value::Unit(unit)) => Some(unit),
        _ => None,
    }
}
