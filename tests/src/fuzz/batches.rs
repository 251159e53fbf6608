//! Batches, feeds and what else is packed: bombs stay within their limit.

use lienthong_proto::batch;
use lienthong_proto::bytes::{Reader, Writer};
use lienthong_proto::feed::{self, FeedNote};
use lienthong_proto::ids::Sequence;
use lienthong_proto::limits;
use lienthong_proto::time::UnixMillis;
use lienthong_proto::verdict::{QuarantineReason, Verdict};

use super::{Bound, Target, one_form, small};

pub(super) const TARGETS: &[Target] = &[
    Target {
        name: "batch",
        run: packed,
        seeds: packs,
        // What is opened at once, and that again for the places of its entries.
        bound: Bound { each: 8, base: 2 * limits::BATCH_BYTES_MAX + (64 << 10) },
        rounds: 2_000,
    },
    small("feed", notes, feeds),
];

fn packs() -> Vec<Vec<u8>> {
    let bomb = batch::pack_plain(&vec![0; 64 << 20]).unwrap();
    let zeros = batch::pack_plain(&[0, 0, 0, 0].repeat(limits::BATCH_ENTRIES_MAX + 1)).unwrap();
    vec![
        batch::pack([&b"one"[..], b"", &[7; 300]]).unwrap(),
        batch::pack_plain(&vec![0; limits::BATCH_BYTES_MAX + 1]).unwrap(),
        zeros,
        bomb,
        [0, 0, 0, 3, b'o', b'n', b'e'].to_vec(),
    ]
}

/// What opens is within the limit; entries are the bytes they are framed in, and packed again open to the same.
fn packed(data: &[u8]) {
    for plain in [batch::unpack(data).unwrap_or_default(), data.to_vec()] {
        assert!(plain.len() <= limits::BATCH_BYTES_MAX.max(data.len()));
        let Ok(entries) = batch::entries(&plain) else { continue };
        assert!(entries.len() <= limits::BATCH_ENTRIES_MAX);
        let framed: usize = entries.iter().map(|entry| 4 + entry.len()).sum();
        assert_eq!(framed, plain.len());
        if plain.len() <= limits::BATCH_BYTES_MAX && plain.len() < 64 << 10 {
            let again = batch::unpack(&batch::pack(entries.iter().copied()).unwrap()).unwrap();
            assert!(again == plain, "a batch opens to other bytes than were packed");
        }
    }
}

fn feeds() -> Vec<Vec<u8>> {
    let unit = || "11953".parse().unwrap();
    let accepted = UnixMillis(1_790_000_000_000);
    let verdict = Verdict::Quarantined(QuarantineReason::IdentityGuard);
    let notes = FeedNote::encode(&[
        FeedNote::Change { unit: unit(), accepted, proposal: false },
        FeedNote::Verdict { sequence: Sequence(4), accepted, verdict },
        FeedNote::Change { unit: unit(), accepted, proposal: true },
    ]);
    let mut piece = Writer::default();
    [&notes[..], b"entry one", b"entry two"].iter().for_each(|element| piece.framed(element));
    vec![notes, piece.into_bytes()]
}

/// Notes have one form, and fit their entries one by one.
fn notes(data: &[u8]) {
    one_form(FeedNote::decode(data), |notes| FeedNote::encode(notes), data);
    let mut input = Reader::new(data);
    let mut elements = Vec::new();
    while let Ok(element) = input.framed() {
        elements.push(element);
    }
    if let Ok(items) = feed::items(&elements) {
        let entries = items.iter().filter(|item| item.entry.is_some()).count();
        assert_eq!(entries + 1, elements.len(), "an entry without its note");
        for (place, entry) in items.iter().filter_map(|item| item.entry) {
            assert_eq!(elements[usize::from(place)], entry);
        }
    }
}
