//! Who is signed in. In memory only: a restart signs everybody out.

use std::collections::HashMap;

use lienthong_proto::hash::{Digest, sha256};
use lienthong_proto::time::UnixMillis;
use parking_lot::Mutex;

use crate::accounts::totp::Seed;

/// A session ends after so long without a request by a person.
pub(super) const IDLE_MILLIS: u64 = 30 * 60 * 1_000;
/// A session ends after so long whatever happens: a working day.
pub(super) const WHOLE_MILLIS: u64 = 10 * 60 * 60 * 1_000;
/// So long may pass between the password and the second factor.
const HALFWAY_MILLIS: u64 = 10 * 60 * 1_000;
/// Sessions of one account at once; one more ends the oldest.
const OF_ACCOUNT_MAX: usize = 8;

/// How far a sign-in has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// The password was right; the code is to come.
    Code,
    /// The password was right; an authenticator is to be set up with this seed.
    Enrol(Seed),
    /// In; with a seed offered while an authenticator is being set up of one's own will.
    In(Option<Seed>),
}

/// One sign-in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// Whose.
    pub(super) account: String,
    /// How far it has come.
    pub(super) stage: Stage,
    /// What every form of it carries.
    pub(super) csrf: String,
    begun: UnixMillis,
    seen: UnixMillis,
}

impl Session {
    fn is_over(&self, now: UnixMillis) -> bool {
        let whole = if matches!(self.stage, Stage::In(_)) { WHOLE_MILLIS } else { HALFWAY_MILLIS };
        now.since(self.begun) >= whole || now.since(self.seen) >= IDLE_MILLIS
    }
}

/// All of them, by the hash of their secret: what is in memory opens nothing.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    sessions: Mutex<HashMap<Digest, Session>>,
}

/// A secret for a cookie or a form.
#[must_use]
pub(super) fn secret() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

fn key(secret: &str) -> Digest {
    sha256(&[b"lienthong session\n", secret.as_bytes()])
}

impl Sessions {
    /// Begins a session of an account; the secret that its cookie carries.
    pub(super) fn begin(&self, account: &str, stage: Stage, now: UnixMillis) -> String {
        let mut sessions = self.sessions.lock();
        sessions.retain(|_, session| !session.is_over(now));
        let mut own: Vec<(UnixMillis, Digest)> = sessions
            .iter()
            .filter(|(_, session)| session.account == account)
            .map(|(key, session)| (session.begun, *key))
            .collect();
        own.sort_unstable();
        let over = (own.len() + 1).saturating_sub(OF_ACCOUNT_MAX);
        for (_, oldest) in own.iter().take(over) {
            sessions.remove(oldest);
        }
        let cookie = secret();
        let session = Session { account: account.to_owned(), stage, csrf: secret(), begun: now, seen: now };
        sessions.insert(key(&cookie), session);
        cookie
    }

    /// The session of a cookie, if it is not over. What a page asks for by itself is no sign of a person.
    #[must_use]
    pub(super) fn find(&self, cookie: &str, now: UnixMillis, by_person: bool) -> Option<Session> {
        let key = key(cookie);
        let mut sessions = self.sessions.lock();
        let session = sessions.get_mut(&key)?;
        if session.is_over(now) {
            sessions.remove(&key);
            return None;
        }
        if by_person {
            session.seen = now;
        }
        Some(session.clone())
    }

    /// Offers a seed within a session.
    pub(super) fn set_stage(&self, cookie: &str, stage: Stage) {
        if let Some(session) = self.sessions.lock().get_mut(&key(cookie)) {
            session.stage = stage;
        }
    }

    /// Ends all sessions of an account but this one.
    pub(super) fn end_others(&self, account: &str, cookie: &str) {
        let own = key(cookie);
        self.sessions.lock().retain(|key, session| *key == own || session.account != account);
    }

    /// Ends a session.
    pub(super) fn end(&self, cookie: &str) {
        self.sessions.lock().remove(&key(cookie));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn later(millis: u64) -> UnixMillis {
        UnixMillis(NOW.0 + millis)
    }

    #[test]
    fn a_session_ends_when_nobody_asks_and_at_the_end_of_the_day() {
        let sessions = Sessions::default();
        let idle = sessions.begin("lan", Stage::In(None), NOW);
        assert!(
            sessions.find(&idle, later(IDLE_MILLIS - 1), false).is_some(),
            "not yet, and this does not count"
        );
        assert!(sessions.find(&idle, later(IDLE_MILLIS), true).is_none());
        assert!(sessions.find(&idle, NOW, true).is_none(), "over is over");
        let busy = sessions.begin("lan", Stage::In(None), NOW);
        let mut now = 0;
        while now + IDLE_MILLIS / 2 < WHOLE_MILLIS {
            now += IDLE_MILLIS / 2;
            assert!(sessions.find(&busy, later(now), true).is_some(), "{now}");
        }
        assert!(sessions.find(&busy, later(WHOLE_MILLIS), true).is_none());
    }

    #[test]
    fn half_a_sign_in_does_not_last() {
        let sessions = Sessions::default();
        let half = sessions.begin("lan", Stage::Code, NOW);
        assert!(sessions.find(&half, later(HALFWAY_MILLIS - 1), true).is_some());
        assert!(sessions.find(&half, later(HALFWAY_MILLIS), true).is_none());
    }

    #[test]
    fn an_account_has_so_many_sessions_and_the_oldest_goes() {
        let sessions = Sessions::default();
        let other = sessions.begin("minh", Stage::In(None), NOW);
        let cookies: Vec<String> =
            (0..=OF_ACCOUNT_MAX as u64).map(|n| sessions.begin("lan", Stage::In(None), later(n))).collect();
        let stands = |cookie: &String| sessions.find(cookie, later(100), true).is_some();
        assert!(!stands(cookies.first().unwrap()));
        assert!(cookies.iter().skip(1).all(stands) && stands(&other));
        assert!(sessions.find("", later(100), true).is_none());
        assert!(!sessions.sessions.lock().keys().any(|key| cookies.contains(&hex::encode(key))));
    }
}
