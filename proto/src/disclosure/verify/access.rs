//! The delivery's own access event: nothing was handed over that the ledger does not have.

use super::entries::is_open;
use super::{Accessed, At, Checked, Object, Verification};
use crate::disclosure::facts::{event, number, text, unit};
use crate::disclosure::line::{Access, Hash};
use crate::entry::Entry;
use crate::event::Event;
use crate::hash::Digest;
use crate::merkle::{verify_consistency, verify_inclusion};

impl Verification<'_> {
    pub(super) fn accessed(&mut self, access: &Access) -> Checked<()> {
        let object = Object("ghi nhận việc giao · the record of this delivery".to_owned());
        let begun = self.begun()?;
        let terms = self.granted()?;
        let entry =
            Entry::decode(&access.entry.0).map_err(|_| object.with("không đọc được", "it cannot be read"))?;
        // Behind what is withheld it may speak of another, to somebody else.
        let event = Event::of(&entry).ok().filter(|event| event.kind == event::ACCESS && is_open(&entry));
        let event = event.ok_or_else(|| object.with("không đọc được", "it cannot be read"))?;
        self.check_roll(event.at)?;
        let digest = self.digest.clone().finish();
        let said = number(&event, "grant") == Some(begun.head.grant)
            && unit(&event, "agency") == Some(&terms.agency)
            && number(&event, "cut") == Some(begun.cut.signed.checkpoint().size)
            && entry.header.dot.replica == begun.origin.replica();
        if !said {
            return Err(object.with("nói về lần giao khác", "it speaks of another delivery"));
        }
        if text(&event, "digest") != Some(&hex::encode(digest)) {
            return Err(object.with(
                "nội dung gói không phải nội dung đã ghi sổ khi giao",
                "the bundle is not what was logged as handed over",
            ));
        }
        if !terms.has_begun(event.at) || terms.is_over(event.at) {
            return Err(
                object.with("giao ngoài thời hạn được cấp", "it was handed over outside the grant's term")
            );
        }
        if !self.trust.is_fresh(&begun.cut, event.at) {
            return Err(object.with(
                "giao khi các nhân chứng chưa ký sổ cái trong 24 giờ trước đó",
                "no quorum of witnesses had cosigned the ledger within the 24 hours before",
            ));
        }
        let checkpoint =
            Object("điểm kiểm của sổ cái khi giao · the ledger's checkpoint at delivery".to_owned());
        let believed = self.trust.believe(access.checkpoint.as_bytes(), &begun.head.ledger);
        let believed = believed.map_err(|error| {
            checkpoint.with(&format!("chữ ký không đúng ({error})"), &format!("not signed ({error})"))
        })?;
        let (cut, now) = (begun.cut.signed.checkpoint(), believed.signed.checkpoint());
        let hashes = |hashes: &[Hash]| hashes.iter().map(|hash| hash.0).collect::<Vec<Digest>>();
        let (path, consistency) = (hashes(&access.path), hashes(&access.consistency));
        verify_consistency(cut.size, &cut.root, now.size, &now.root, &consistency).map_err(|_| {
            checkpoint.with("không nối tiếp sổ cái trước đó", "it does not go on from the ledger before")
        })?;
        let index = entry.header.dot.sequence.0;
        verify_inclusion(&entry.leaf_hash(), index, now.size, &path, &now.root)
            .map_err(|_| object.with("không có trong sổ cái", "it is not in the ledger"))?;
        if self.progress.access().is_some_and(|before| before >= index) {
            return Err(
                object.with("không mới hơn lần giao trước", "it is not newer than the delivery before")
            );
        }
        let leaf = entry.leaf_hash();
        self.access = Some(Accessed { index, leaf, at: event.at, digest: Hash(digest) });
        self.at = At::End;
        Ok(())
    }
}
