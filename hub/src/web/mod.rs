//! The hub's pages: server-rendered, in Vietnamese first, live by server-sent events, with nothing from elsewhere.
//!
//! A request's way: `listen` takes the connection, over TLS with the hub's own certificate or in clear on loopback;
//! `guard` looks at the host, the session, the page's row in [`crate::rights`] and what was sent; a page of `pages`
//! asks the hub what the command line asks, and draws the answer with `layout` and `table`; `trouble` says what is the
//! matter when it cannot.
//!
//! Programs, and the pages' own scripts, come by `api`, which has its own guard.
//!
//! A new page is a file in `pages`, a line in `routes` and a row in [`crate::rights::PAGES`]; `layout` shows it in the
//! navigation once it is there, and links to it come alive by themselves.

pub mod api;
mod assets;
mod events;
mod format;
mod guard;
mod health;
mod layout;
mod listen;
mod lockout;
mod pages;
mod qr;
mod routes;
mod session;
mod shown;
mod site;
mod table;
mod tiles;
mod trouble;
mod verification;
mod view;
mod words;

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::app::{Hub, StartError};

pub use listen::{NotLoopback, Pages, WebAddress};
pub use routes::list as routes;
pub use site::Scheme;

impl Hub {
    /// Serves the pages until stopped; returns where.
    ///
    /// # Errors
    /// [`StartError`] if the address is not to be had, or is not loopback and was asked for in clear.
    pub async fn serve_web(self: &Arc<Self>, listen: &str) -> Result<Pages, StartError> {
        let io = |source| StartError::Io { what: format!("pages on {listen}"), source };
        let asked: WebAddress = listen.parse().unwrap_or_else(|never| match never {});
        let listener = TcpListener::bind(asked.address()).await.map_err(io)?;
        let address = listener.local_addr().map_err(io)?;
        let denied = |error| io(std::io::Error::new(std::io::ErrorKind::PermissionDenied, error));
        let scheme = asked.scheme(address).map_err(denied)?;
        let tls = match scheme {
            Scheme::Https => Some(listen::tls(&self.server_certificate)?),
            Scheme::Http => None,
        };
        self.addresses.write().insert("web".to_owned(), address.to_string());
        let site = Arc::new(site::Site::new(Arc::clone(self), scheme, address.port()));
        let door = listen::Door::new(routes::router(&site), tls, self.stop.clone());
        tokio::spawn(listen::accept(listener, door));
        Ok(Pages { scheme, address })
    }
}
