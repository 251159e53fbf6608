//! The ledger's hash tiles and its latest witnessed checkpoint, for whoever verifies (C2SP tlog-tiles).
//!
//! A door of its own, open only where the operator asks for it, and without a sign-in: hashes and checkpoints say how
//! much was logged, and nothing of what. Entry bundles would hold contents, and are not served.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use lienthong_proto::hash::Digest;
use lienthong_proto::merkle::{Frontier, Hashes};
use tokio::net::TcpListener;

use super::listen::{self, WebAddress};
use super::{Pages, Scheme};
use crate::app::{Hub, StartError};

/// Hashes of a full tile.
const WIDTH: u64 = 256;
/// Tiles of higher levels stand over more entries than there will ever be.
const LEVEL_MAX: u8 = 5;

/// A tile that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tile {
    level: u8,
    index: u64,
    width: u64,
}

impl Tile {
    /// Reads `<L>/<N>[.p/<W>]` in its only form.
    fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.split_once('/')?;
        let level: u8 = level.parse().ok().filter(|level| *level <= LEVEL_MAX)?;
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse().ok().filter(|width| (1..WIDTH).contains(width))?),
            None => (rest, WIDTH),
        };
        let mut number: u64 = 0;
        for group in index.split('/') {
            let digits = group.strip_prefix('x').unwrap_or(group);
            let digits: u64 = Some(digits).filter(|digits| digits.len() == 3)?.parse().ok()?;
            number = number.checked_mul(1_000)?.checked_add(digits)?;
        }
        let tile = Self { level, index: number, width };
        (tile.path() == path).then_some(tile)
    }

    /// How it is asked for.
    fn path(&self) -> String {
        let mut index = format!("{:03}", self.index % 1_000);
        let mut rest = self.index / 1_000;
        while rest > 0 {
            index = format!("x{:03}/{index}", rest % 1_000);
            rest /= 1_000;
        }
        let partial = if self.width < WIDTH { format!(".p/{}", self.width) } else { String::new() };
        format!("{}/{index}{partial}", self.level)
    }

    /// Its hashes in a tree of `size` entries; nothing if it has not so many.
    fn hashes(&self, hashes: &dyn Hashes, size: u64) -> Option<Vec<u8>> {
        let there = size >> (8 * u32::from(self.level));
        let first = self.index.checked_mul(WIDTH)?;
        if first.checked_add(self.width)? > there {
            return None;
        }
        let found: Option<Vec<Digest>> =
            (first..first + self.width).map(|index| hash_at(hashes, self.level, index)).collect();
        found.map(|found| found.as_flattened().to_vec())
    }
}

/// The root of the 256^level leaves from index · 256^level on.
fn hash_at(hashes: &dyn Hashes, level: u8, index: u64) -> Option<Digest> {
    if level == 0 {
        return hashes.leaf(index);
    }
    if let Some(stored) = hashes.tile(level, index) {
        return Some(stored);
    }
    let mut group = Frontier::new();
    for below in 0..WIDTH {
        group.push(hash_at(hashes, level - 1, index * WIDTH + below)?);
    }
    Some(group.root())
}

async fn checkpoint(State(hub): State<Arc<Hub>>) -> Response {
    match hub.witnessed() {
        Some(witnessed) => {
            let kind =
                [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
            (kind, witnessed.note.clone()).into_response()
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, "no checkpoint has been witnessed yet\n").into_response(),
    }
}

async fn tile(State(hub): State<Arc<Hub>>, Path(path): Path<String>) -> Response {
    let found = hub.witnessed().and_then(|witnessed| {
        let tile = Tile::parse(&path)?;
        // A tile is some pages of a file; nothing behind the checkpoint is shown.
        tokio::task::block_in_place(|| tile.hashes(hub.hashes.as_ref(), witnessed.checkpoint.size))
    });
    match found {
        Some(bytes) => {
            // Not for ever: a ledger that takes over has other tiles at the same place.
            let kind = [
                (header::CONTENT_TYPE, "application/octet-stream"),
                (header::CACHE_CONTROL, "public, max-age=3600"),
            ];
            (kind, bytes).into_response()
        }
        None => (StatusCode::NOT_FOUND, "there is no such tile\n").into_response(),
    }
}

impl Hub {
    /// Serves checkpoint and tiles until stopped; returns where. In clear on loopback only, else over the hub's own TLS.
    ///
    /// # Errors
    /// [`StartError`] as for the pages.
    pub async fn serve_tiles(self: &Arc<Self>, listen: &str) -> Result<Pages, StartError> {
        let io = |source| StartError::Io { what: format!("tiles on {listen}"), source };
        let asked: WebAddress = listen.parse().unwrap_or_else(|never| match never {});
        let listener = TcpListener::bind(asked.address()).await.map_err(io)?;
        let address = listener.local_addr().map_err(io)?;
        let denied = |error| io(std::io::Error::new(std::io::ErrorKind::PermissionDenied, error));
        let scheme = asked.scheme(address).map_err(denied)?;
        let tls = match scheme {
            Scheme::Https => Some(listen::tls(&self.server_certificate)?),
            Scheme::Http => None,
        };
        self.addresses.write().insert("tiles".to_owned(), address.to_string());
        let router = Router::new()
            .route("/checkpoint", get(checkpoint))
            .route("/tile/{*path}", get(tile))
            .with_state(Arc::clone(self));
        let door = listen::Door::new(router, tls, self.stop.clone());
        tokio::spawn(listen::accept(listener, door));
        Ok(Pages { scheme, address })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use lienthong_proto::merkle::leaf_hash;

    use super::*;

    #[test]
    fn a_path_has_one_form() {
        let tile = |level, index, width| Some(Tile { level, index, width });
        assert_eq!(Tile::parse("0/000"), tile(0, 0, 256));
        assert_eq!(Tile::parse("1/x001/x234/067"), tile(1, 1_234_067, 256));
        assert_eq!(Tile::parse("0/x001/067.p/8"), tile(0, 1_067, 8));
        let wrong = [
            "",
            "0",
            "0/",
            "0/0",
            "0/0000",
            "00/000",
            "6/000",
            "-1/000",
            "+1/000",
            "0/x000/001",
            "0/001/002",
            "0/x001",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/08",
            "0/000.p/",
            "entries/000",
            "0/x001/0a0",
            "0/../000",
            "0/+01",
            "0/x999/x999/x999/x999/x999/x999/x999/999",
        ];
        for path in wrong {
            assert_eq!(Tile::parse(path), None, "{path}");
        }
    }

    struct Leaves(u64);

    impl Hashes for Leaves {
        fn leaf(&self, index: u64) -> Option<Digest> {
            (index < self.0).then(|| leaf_hash(&index.to_be_bytes()))
        }

        fn tile(&self, _level: u8, _index: u64) -> Option<Digest> {
            None
        }
    }

    #[test]
    fn a_tile_has_what_stands_in_the_tree_and_no_more() {
        let leaves = Leaves(600);
        let at = |path: &str, size| Tile::parse(path).unwrap().hashes(&leaves, size);
        assert_eq!(at("0/001", 512).unwrap().len(), 256 * 32);
        assert_eq!(at("0/001", 511), None, "not full yet");
        assert_eq!(at("0/002.p/88", 600).unwrap().len(), 88 * 32);
        assert_eq!(at("0/002.p/89", 600), None, "behind the checkpoint");
        let mut group = Frontier::new();
        (0..256).for_each(|index| group.push(leaves.leaf(index).unwrap()));
        assert_eq!(at("1/000.p/2", 600).unwrap().first_chunk::<32>(), Some(&group.root()));
        assert_eq!(at("1/000", 600), None);
        assert_eq!(at("5/000.p/1", 600), None);
    }
}
