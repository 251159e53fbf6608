//! Tells systemd how the service fares (`sd_notify(3)`): one datagram to the socket it names, none if it names none.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

const SOCKET: &str = "NOTIFY_SOCKET";

/// The service takes requests.
pub fn ready() {
    tell("READY=1");
}

/// The service was told to stop and finishes what is in flight.
pub fn stopping() {
    tell("STOPPING=1");
}

fn tell(state: &str) {
    let Some(socket) = std::env::var_os(SOCKET) else { return };
    if let Err(error) = send(&socket, state) {
        tracing::warn!(%error, state, "systemd cannot be told");
    }
}

/// A path, or a name in the abstract space if it begins with `@`.
fn send(socket: &OsStr, state: &str) -> std::io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_state_goes_as_one_datagram_to_a_path_or_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let named = format!("@lienthong-test-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&named.as_bytes()[1..]).unwrap();
        for (listener, socket) in [
            (UnixDatagram::bind(&path).unwrap(), path.as_os_str()),
            (UnixDatagram::bind_addr(&abstract_name).unwrap(), OsStr::new(&named)),
        ] {
            send(socket, "READY=1").unwrap();
            let mut said = [0; 64];
            let count = listener.recv(&mut said).unwrap();
            assert_eq!(&said[..count], b"READY=1");
        }
        assert!(send(OsStr::new("/nobody/listens"), "READY=1").is_err());
    }
}
