//! Who is at the page: links that open it once, and the sessions they become.

use std::collections::BTreeMap;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use lienthong_proto::hash::{Digest, sha256};
use lienthong_proto::time::UnixMillis;
use parking_lot::Mutex;
use rand::RngCore as _;

/// A link is for the person who has just asked for it.
pub(super) const LINK_MILLIS: u64 = 10 * 60 * 1_000;
/// A session ends with the working day.
const SESSION_MILLIS: u64 = 12 * 3_600 * 1_000;
/// A page nobody looks at is closed.
const IDLE_MILLIS: u64 = 2 * 3_600 * 1_000;
/// Links good at once; the oldest gives way.
const LINKS_MAX: usize = 8;
/// Sessions at once; the one silent for longest gives way.
const SESSIONS_MAX: usize = 64;

/// Somebody at the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// As whom they write.
    pub(super) user: String,
    /// What every form of theirs carries.
    pub(super) csrf: String,
    began: UnixMillis,
    seen: UnixMillis,
}

impl Session {
    fn is_over(&self, now: UnixMillis) -> bool {
        // A clock set back ends no session and makes none last longer than from now on.
        now.0.saturating_sub(self.began.0) > SESSION_MILLIS || now.0.saturating_sub(self.seen.0) > IDLE_MILLIS
    }

    /// Whether a form is of this session.
    pub(super) fn owns(&self, csrf: &str) -> bool {
        verify_slices_are_equal(self.csrf.as_bytes(), csrf.as_bytes()).is_ok()
    }
}

struct Link {
    hash: Digest,
    user: String,
    until: UnixMillis,
}

/// Only hashes of secrets are kept, in memory alone: a restart asks everybody in anew.
#[derive(Default)]
pub(super) struct Sessions {
    links: Mutex<Vec<Link>>,
    sessions: Mutex<BTreeMap<Digest, Session>>,
}

impl Sessions {
    /// A secret that opens the page once, for `user`.
    pub(super) fn link(&self, user: &str, now: UnixMillis) -> String {
        let token = secret();
        let mut links = self.links.lock();
        links.retain(|link| link.until > now);
        if links.len() >= LINKS_MAX {
            links.remove(0);
        }
        let until = UnixMillis(now.0 + LINK_MILLIS);
        links.push(Link { hash: hash(&token), user: user.to_owned(), until });
        token
    }

    /// Whose link this is; it is none from now on.
    pub(super) fn redeem(&self, token: &str, now: UnixMillis) -> Option<String> {
        let mut links = self.links.lock();
        let hash = hash(token);
        let place = links.iter().position(|link| link.hash == hash)?;
        let link = links.remove(place);
        // Also one of a clock since set back is no longer good.
        (link.until > now && link.until.0 <= now.0 + LINK_MILLIS).then_some(link.user)
    }

    /// Begins a session; returns its cookie's value.
    pub(super) fn begin(&self, user: &str, now: UnixMillis) -> String {
        let (cookie, csrf) = (secret(), secret());
        let mut sessions = self.sessions.lock();
        sessions.retain(|_, session| !session.is_over(now));
        if sessions.len() >= SESSIONS_MAX
            && let Some(oldest) =
                sessions.iter().min_by_key(|(_, session)| session.seen).map(|(hash, _)| *hash)
        {
            sessions.remove(&oldest);
        }
        let session = Session { user: user.to_owned(), csrf, began: now, seen: now };
        sessions.insert(hash(&cookie), session);
        cookie
    }

    /// Whose cookie this is.
    pub(super) fn of(&self, cookie: &str, now: UnixMillis) -> Option<Session> {
        let hash = hash(cookie);
        let mut sessions = self.sessions.lock();
        let session = sessions.get_mut(&hash)?;
        if session.is_over(now) {
            sessions.remove(&hash);
            return None;
        }
        session.seen = now;
        Some(session.clone())
    }

    /// Ends one.
    pub(super) fn end(&self, cookie: &str) {
        self.sessions.lock().remove(&hash(cookie));
    }

    /// Ends all of somebody's.
    pub(super) fn end_of(&self, user: &str) {
        self.sessions.lock().retain(|_, session| session.user != user);
    }
}

/// 256 random bits.
pub(super) fn secret() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

fn hash(secret: &str) -> Digest {
    sha256(&[secret.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000_000);

    fn later(millis: u64) -> UnixMillis {
        UnixMillis(NOW.0 + millis)
    }

    #[test]
    fn a_link_is_good_once_and_for_some_minutes() {
        let sessions = Sessions::default();
        let token = sessions.link("lan", NOW);
        assert_eq!(token.len(), 64);
        assert_eq!(sessions.redeem("", NOW), None);
        assert_eq!(sessions.redeem(&token, later(1)).as_deref(), Some("lan"));
        assert_eq!(sessions.redeem(&token, later(1)), None, "once");
        let token = sessions.link("lan", NOW);
        assert_eq!(sessions.redeem(&token, later(LINK_MILLIS)), None, "late");
        assert_eq!(sessions.redeem(&token, NOW), None, "one tried too late is spent");
        let first = sessions.link("lan", NOW);
        let others: Vec<String> = (0..LINKS_MAX).map(|_| sessions.link("minh", NOW)).collect();
        assert_eq!(sessions.redeem(&first, NOW), None, "bounded");
        assert!(others.iter().all(|token| sessions.redeem(token, NOW).is_some()));
    }

    #[test]
    fn a_session_ends_by_itself_by_its_user_and_by_whoever_ends_the_user() {
        let sessions = Sessions::default();
        let cookie = sessions.begin("lan", NOW);
        let session = sessions.of(&cookie, later(IDLE_MILLIS)).unwrap();
        assert_eq!(session.user, "lan");
        assert!(session.owns(&session.csrf) && !session.owns("") && !session.owns(&cookie));
        assert_eq!(sessions.of(&cookie, later(2 * IDLE_MILLIS + 1)), None, "nobody looked at it");
        let cookie = sessions.begin("lan", NOW);
        for step in 1..=6 {
            assert!(sessions.of(&cookie, later(step * IDLE_MILLIS)).is_some());
        }
        assert_eq!(sessions.of(&cookie, later(SESSION_MILLIS + 1)), None, "the day is over");
        let (first, second) = (sessions.begin("lan", NOW), sessions.begin("lan", NOW));
        sessions.end(&first);
        assert!(sessions.of(&first, NOW).is_none() && sessions.of(&second, NOW).is_some());
        sessions.end_of("lan");
        assert_eq!(sessions.of(&second, NOW), None);
        let first = sessions.begin("lan", NOW);
        for _ in 0..SESSIONS_MAX {
            sessions.begin("minh", later(1));
        }
        assert_eq!(sessions.of(&first, later(1)), None, "bounded");
    }
}
