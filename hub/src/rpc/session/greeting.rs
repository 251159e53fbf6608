//! How a stream begins: who greets, from where on it goes, what it is welcomed with.

use std::sync::Arc;
use std::time::Duration;

use lienthong_node::dataset::Payload;
use lienthong_node::quality::ToldCursor;
use lienthong_node::replica::Head;
use lienthong_proto::authority::FIRST;
use lienthong_proto::batch;
use lienthong_proto::checkpoint::Checkpoint;
use lienthong_proto::feed::FeedCursor;
use lienthong_proto::ids::{ReplicaId, Sequence};
use lienthong_proto::merkle::inclusion_proof;
use lienthong_proto::wire::sync as wire;
use tonic::{Status, Streaming};

use super::{End, Session};
use crate::feed::FeedReader;
use crate::ingest::{Intake, Whose};
use crate::ledger::HeldReplica;
use crate::pki::Role;
use crate::rpc::witness::Asking;

/// The greeting must come within this.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Unacknowledged batch bytes a node may have on its way.
const FLIGHT_BYTES: u64 = lienthong_proto::limits::FLIGHT_BYTES_MAX as u64;
/// What all nodes together may have on their way, should they all send at once: it waits in this process's memory. A
/// node that is left less than a batch sends one at a time.
const FLIGHTS_BYTES: u64 = 256 * 1024 * 1024;

impl Session {
    pub(super) async fn greet(&mut self, hello: wire::Hello) -> Result<(), End> {
        let replica = self.enrolled.replica;
        if hello.replica.as_ref() != replica.0 {
            return Err(Status::permission_denied("the greeting names another replica").into());
        }
        if hello.protocol != lienthong_node::sync_protocol() {
            return Err(Status::failed_precondition("this protocol version is not spoken here").into());
        }
        let key =
            self.enrolled.log_public().ok_or_else(|| Status::internal("the log key is not readable"))?;
        let held = {
            let books = self.hub.committer.books().read();
            books.replicas.get(&replica).cloned()
        };
        let held = held.unwrap_or_else(|| HeldReplica::empty(self.enrolled.unit.clone()));
        let held_size = held.frontier.size();
        let origin = self.hub.secrets.origin(&self.enrolled.unit, replica);
        let erased = Arc::new(self.hub.erased_for());
        let whose = Whose { replica, origin: origin.clone(), key, erased };
        let said = self.hub.heartbeats.get(replica);
        let intake = match Intake::greeted(whose, &held, said.as_ref(), hello.log_size) {
            Ok(intake) => intake,
            Err(contradiction) => return self.fence(&contradiction).await,
        };
        self.hub.live.greeted(replica, &hello, held_size, self.hub.now());
        if self.hub.readmits() {
            self.hub.committer.greeted(replica, hello.log_size).await;
        }
        self.notice_cursor = hello.notice_cursor;
        self.authority = hello.authority.max(FIRST);
        let writes = self.enrolled.role != Role::Auditor;
        self.feed = self.feed_reader(&hello).filter(|_| writes);
        self.told = ToldCursor { epoch: hello.told_epoch, next: hello.told_next };
        let receipt = if held_size > 0 {
            let checkpoint =
                Checkpoint { origin: origin.clone(), size: held_size, root: held.root, roll: None };
            Some(self.receipt(&checkpoint, held.ledger_index, held.at.0)?)
        } else {
            None
        };
        // What a former ledger had numbered says nothing of this one's numbers.
        let own = hello.ledger.is_empty() || hello.ledger.as_ref() == self.hub.secrets.profile.replica.0;
        let seen = if own { hello.catalogue_seen } else { 0 };
        self.receipt_keys = if own { hello.receipt_keys_seen as usize } else { 0 };
        // A node that takes no feed is of a version that takes no catalogue either.
        let feeds = self.feed.is_some() || !writes;
        let head = self.hub.head();
        let (ledger_checkpoint, successor) = self.ledger(&hello, head)?;
        let introduced = Asking::of(&self.hub, &self.enrolled, &hello, (head, own))?;
        let asking = introduced.as_ref().map(|(asking, _)| asking);
        let welcome = wire::Welcome {
            protocol: lienthong_node::sync_protocol(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            held_size,
            held_root: held.root.to_vec().into(),
            held_checkpoint: held.checkpoint.clone(),
            receipt,
            clock_millis: self.hub.now().0,
            catalogue: self.hub.catalogue.digest().to_vec().into(),
            ledger_checkpoint,
            successor,
            wants_former: self.hub.readmits(),
            held_of_unit: if self.hub.readmits() {
                self.hub.held_of_unit(&self.enrolled)
            } else {
                Vec::new()
            },
            flight_bytes_max: flight_bytes(self.hub.registry.count()),
            enrolments: self.hub.enrolments_of(&self.enrolled.unit),
            seen: asking.filter(|_| own).and_then(|_| self.hub.consistency(hello.ledger_seen, head.size)),
            witnessed: asking.and_then(|asking| asking.witnessed(&self.hub, head)),
            authority: self.unknown_authority().unwrap_or_default(),
            authority_alone: {
                let authorities = &self.hub.secrets.authorities;
                if authorities.former().is_none() { authorities.current().number } else { 0 }
            },
            receipt_keys: self.unknown_receipt_keys()?,
            answers_heartbeats: true,
        };
        self.intake = Some(intake);
        self.send(wire::down::Message::Welcome(welcome)).await?;
        if let Some((asking, introduced)) = introduced
            && asking.named(&self.hub, &self.enrolled, &introduced).await
        {
            self.witness = Some(asking);
        }
        if feeds {
            self.tell_erasures(hello.erasures_seen).await?;
        }
        match &self.hub.sent {
            Some((number, bundle)) if feeds && seen < *number => {
                let (note, packed) = (bundle.note.clone(), bundle.packed.clone().into());
                self.send(wire::down::Message::Catalogue(wire::Catalogue { note, packed })).await
            }
            _ => Ok(()),
        }
    }

    /// The statement of the authority of now, if the node has not been told of it.
    pub(super) fn unknown_authority(&mut self) -> Option<String> {
        let current = self.hub.secrets.authorities.current();
        let new = current.number > self.authority;
        self.authority = self.authority.max(current.number);
        new.then_some(current.note)
    }

    /// The further keys of receipts that the node was not told of yet.
    pub(super) fn unknown_receipt_keys(&mut self) -> Result<Option<wire::ReceiptKeys>, End> {
        let known = self.receipt_keys;
        if self.hub.receipt_keys_named() <= known {
            return Ok(None);
        }
        let unknown = self.hub.receipt_keys_from(known)?;
        self.receipt_keys += unknown.as_ref().map_or(0, |unknown| unknown.keys.len());
        Ok(unknown)
    }

    /// The ledger's checkpoint, and for a node that knows another ledger by what right this one follows it.
    pub(super) fn ledger(
        &self,
        hello: &wire::Hello,
        head: Head,
    ) -> Result<(String, Option<wire::Successor>), End> {
        let failed = || Status::internal("the ledger cannot be read");
        let profile = &self.hub.secrets.profile;
        let checkpoint = self.hub.ledger_checkpoint_at(head).map_err(|_| failed())?;
        // An older node does not say which ledger it knows, and asks nothing.
        if hello.ledger.is_empty() || hello.ledger.as_ref() == profile.replica.0 {
            return Ok((checkpoint, None));
        }
        if profile.successions.is_empty() {
            tracing::error!(unit = %self.enrolled.unit, "a node knows another ledger than this one: which hub is the right one?");
            return Ok((checkpoint, None));
        }
        let frame = self.hub.reader.clone().scan(Sequence(0)).next().ok_or_else(failed)?;
        let frame = frame.map_err(|_| failed())?.1;
        let first = match Payload::parse(&frame.payload) {
            Ok(Payload::Entry(entry)) => entry.to_vec(),
            Ok(Payload::Batch(packed)) => {
                let plain = batch::unpack(packed).map_err(|_| failed())?;
                batch::entries(&plain)
                    .ok()
                    .and_then(|entries| entries.first().map(|entry| entry.to_vec()))
                    .ok_or_else(failed)?
            }
            _ => return Err(failed().into()),
        };
        let path = inclusion_proof(self.hub.hashes.as_ref(), 0, head.size).ok_or_else(failed)?;
        let successor = wire::Successor {
            notes: profile.successions.clone(),
            entry: first.into(),
            path: path.into_iter().map(|hash| hash.to_vec().into()).collect(),
        };
        Ok((checkpoint, Some(successor)))
    }

    /// Where this replica's feed goes on; none for a node that takes none.
    pub(super) fn feed_reader(&self, hello: &wire::Hello) -> Option<FeedReader> {
        let of = ReplicaId::from_slice(&hello.feed_of)?;
        let place = u16::try_from(hello.feed_place).ok()?;
        let taken = FeedCursor { ledger: hello.feed_ledger, place };
        // What it took of another ledger says nothing about this one.
        let taken = if of == self.hub.secrets.profile.replica { taken } else { FeedCursor::default() };
        let replica = self.enrolled.replica;
        let from = self.hub.live.feed_from(replica, taken);
        let index = self.hub.committer.feed().clone();
        let records = (self.hub.dataset.clone(), Arc::clone(&self.hub.catalogue));
        Some(FeedReader::new(index, records, self.enrolled.unit.clone(), replica, taken, from))
    }
}

/// The first message of a stream.
pub(in crate::rpc) async fn greeting(up: &mut Streaming<wire::Up>) -> Result<wire::Hello, Status> {
    let first = tokio::time::timeout(HELLO_TIMEOUT, up.message())
        .await
        .map_err(|_| Status::deadline_exceeded("no greeting came"))??;
    match first.and_then(|up| up.message) {
        Some(wire::up::Message::Hello(hello)) => Ok(hello),
        _ => Err(Status::failed_precondition("a session begins with a greeting")),
    }
}

/// What one of so many enrolled nodes may have on its way.
fn flight_bytes(nodes: usize) -> u64 {
    FLIGHT_BYTES.min(FLIGHTS_BYTES / (nodes.max(1) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what all nodes may have on their way is bounded together, and a province's have all they can use.
    #[test]
    fn p10_what_flies_is_bounded_over_all_nodes() {
        assert_eq!((flight_bytes(0), flight_bytes(109)), (FLIGHT_BYTES, FLIGHT_BYTES));
        for nodes in [129, 1_000, 3_321, 1_000_000] {
            assert!(flight_bytes(nodes) * nodes as u64 <= FLIGHTS_BYTES);
        }
    }
}
