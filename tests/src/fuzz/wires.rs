//! The wire's messages, as prost reads them.

use lienthong_proto::wire::{enrol, sync};
use prost::Message;

use super::{Bound, Target, small};

pub(super) const TARGETS: &[Target] = &[
    Target { bound: Bound { each: 256, base: 64 << 10 }, ..small("wire_sync", all_sync, syncs) },
    Target { bound: Bound { each: 256, base: 64 << 10 }, ..small("wire_enrol", all_enrol, enrols) },
];

fn syncs() -> Vec<Vec<u8>> {
    let batch = sync::Batch {
        first: 7,
        count: 2,
        packed: vec![1, 2, 3].into(),
        checkpoint: "a.vn/33/11953/01\n9\n".to_owned(),
    };
    let hello = sync::Hello { protocol: 1, replica: vec![7; 16].into(), ..sync::Hello::default() };
    let up = |message| sync::Up { message: Some(message) }.encode_to_vec();
    let down = |message| sync::Down { message: Some(message) }.encode_to_vec();
    vec![
        up(sync::up::Message::Batch(batch)),
        up(sync::up::Message::Hello(hello)),
        up(sync::up::Message::NoticesTaken(sync::NoticesTaken { cursor: 1 })),
        down(sync::down::Message::Welcome(sync::Welcome::default())),
        down(sync::down::Message::Receipt(sync::Receipt::default())),
        down(sync::down::Message::Feed(sync::Feed::default())),
        sync::RefillPiece::default().encode_to_vec(),
    ]
}

/// A message that is read is written again and read as the same, whichever it is taken for.
fn comes_back<M: Message + Default + PartialEq>(data: &[u8]) {
    if let Ok(read) = M::decode(data) {
        let written = read.encode_to_vec();
        assert!(M::decode(written.as_slice()).is_ok_and(|again| again == read));
    }
}

fn all_sync(data: &[u8]) {
    comes_back::<sync::Up>(data);
    comes_back::<sync::Down>(data);
    comes_back::<sync::ProveRequest>(data);
    comes_back::<sync::ProveReply>(data);
    comes_back::<sync::RefillRequest>(data);
    comes_back::<sync::RefillPiece>(data);
    comes_back::<sync::RefuseRequest>(data);
    comes_back::<sync::RenewRequest>(data);
    comes_back::<sync::RenewReply>(data);
}

fn enrols() -> Vec<Vec<u8>> {
    let request = enrol::EnrolRequest {
        token_id: vec![1; 8].into(),
        token_secret: vec![2; 16].into(),
        replica: vec![3; 16].into(),
        csr: vec![4; 40].into(),
        log_key: vec![5; 32].into(),
        proof: vec![6; 64].into(),
        program: "0.1.0".to_owned(),
    };
    vec![request.encode_to_vec(), enrol::EnrolReply::default().encode_to_vec()]
}

fn all_enrol(data: &[u8]) {
    comes_back::<enrol::EnrolRequest>(data);
    comes_back::<enrol::EnrolReply>(data);
}
