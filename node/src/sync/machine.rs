//! What a node does about its hub, decided from events; time and randomness are arguments.

use std::collections::VecDeque;

use lienthong_proto::hash::Digest;
use lienthong_proto::time::UnixMillis;

use crate::replica::Head;

/// Where roots of the own log's prefixes are found.
pub trait Roots {
    /// The root of the first `size` entries, if the log is that long.
    fn root_at(&self, size: u64) -> Option<Digest>;
}

/// Bounds and rhythms.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// A heartbeat after so long without another message.
    pub heartbeat_millis: u64,
    /// The connection is given up after so long without hearing anything.
    pub silence_millis: u64,
    /// First and longest wait before another dial.
    pub retry_millis: (u64, u64),
    /// Batch bytes that may be unacknowledged.
    pub flight_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat_millis: 30_000,
            silence_millis: 90_000,
            retry_millis: (500, 60_000),
            flight_bytes_max: lienthong_proto::limits::FLIGHT_BYTES_MAX,
        }
    }
}

/// Exponential with full jitter: a storm of nodes spreads over the whole wait.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The next wait; `random` is any number.
    pub fn next(&mut self, settings: &Settings, random: u64) -> u64 {
        let (first, longest) = settings.retry_millis;
        let ceiling = first.saturating_mul(1 << self.attempts.min(20)).min(longest).max(1);
        self.attempts = self.attempts.saturating_add(1);
        random % ceiling + 1
    }

    /// Starts over.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

/// Where the node stands with its hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not connected; the next dial is due at the time given.
    Waiting(UnixMillis),
    /// Connecting.
    Dialling,
    /// Connected, the hub's welcome is awaited.
    Greeting,
    /// In step.
    Streaming,
    /// The hub holds something this log contradicts: no more writes, no more dialling.
    Regressed,
}

/// What happens to the node.
#[derive(Debug, Clone)]
pub enum Event {
    /// The stream to the hub is open.
    Connected,
    /// The stream is lost, or the dial failed.
    Lost,
    /// The hub answered the hello: what it holds of this log.
    Welcome {
        /// Entries.
        held: Head,
        /// Bytes it lets fly.
        flight_bytes_max: u64,
    },
    /// The hub accepted everything below `size`.
    Receipt {
        /// Entries.
        size: u64,
    },
    /// The hub says wait.
    Busy {
        /// How long.
        retry_after_millis: u64,
    },
    /// The hub has fenced this replica.
    Fenced,
    /// The hub's ledger is neither the one known nor its successor: nothing goes there.
    Estranged,
    /// Anything else was heard.
    Heard,
    /// The log grew.
    Grown(Head),
    /// A batch that was asked for is on its way.
    Sent {
        /// The log size with it.
        end: u64,
        /// Its packed bytes.
        bytes: usize,
    },
    /// Time passed.
    Tick,
    /// A person wants it now.
    DialNow,
    /// The certificate is another now: the line is made again with it, at once.
    Redial,
}

/// What the client must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a stream.
    Dial,
    /// Close it.
    HangUp,
    /// Greet with the log's head.
    Hello(Head),
    /// Read, pack and send the next batch from this sequence.
    SendBatch {
        /// Its first sequence.
        from: u64,
    },
    /// Send a signed checkpoint of the whole log.
    Heartbeat,
    /// Send the own checkpoint at this size: the roots differ there.
    ProveFork {
        /// Entries.
        size: u64,
    },
    /// The log contradicts what the hub holds: go read-only and tell people.
    Regress,
}

/// The node's side of synchronisation.
#[derive(Debug)]
pub struct Machine {
    settings: Settings,
    phase: Phase,
    backoff: Backoff,
    head: Head,
    acknowledged: u64,
    sent: u64,
    sending: bool,
    flight: VecDeque<(u64, usize)>,
    flight_bytes: usize,
    flight_bytes_max: usize,
    heard: UnixMillis,
    spoke: UnixMillis,
    /// Since when it waits, if it does.
    waits_since: UnixMillis,
}

impl Machine {
    /// A machine that dials at once.
    #[must_use]
    pub fn new(settings: Settings, head: Head, acknowledged: u64, now: UnixMillis) -> Self {
        Self {
            settings,
            phase: Phase::Waiting(now),
            backoff: Backoff::default(),
            head,
            acknowledged,
            sent: acknowledged,
            sending: false,
            flight: VecDeque::new(),
            flight_bytes: 0,
            flight_bytes_max: settings.flight_bytes_max,
            heard: now,
            spoke: now,
            waits_since: now,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Entries the hub has acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// When [`Event::Tick`] is due.
    #[must_use]
    pub fn wake_at(&self) -> Option<UnixMillis> {
        match self.phase {
            Phase::Waiting(at) => Some(at),
            Phase::Dialling | Phase::Greeting => {
                Some(UnixMillis(self.heard.0 + self.settings.silence_millis))
            }
            Phase::Streaming => Some(UnixMillis(
                (self.spoke.0 + self.settings.heartbeat_millis)
                    .min(self.heard.0 + self.settings.silence_millis),
            )),
            Phase::Regressed => None,
        }
    }

    /// Decides; `random` spreads the waits.
    pub fn handle(&mut self, now: UnixMillis, random: u64, event: Event, roots: &dyn Roots) -> Vec<Action> {
        if self.phase == Phase::Regressed {
            return Vec::new();
        }
        self.follow(now);
        if matches!(event, Event::Welcome { .. } | Event::Receipt { .. } | Event::Heard | Event::Connected) {
            self.heard = now;
        }
        match event {
            Event::Connected if self.phase == Phase::Dialling => {
                self.phase = Phase::Greeting;
                self.spoke = now;
                vec![Action::Hello(self.head)]
            }
            Event::Lost => self.lost(now, random, None),
            Event::Busy { retry_after_millis } => {
                let mut actions = self.lost(now, random, Some(retry_after_millis));
                actions.insert(0, Action::HangUp);
                actions
            }
            Event::Estranged => {
                let mut actions = self.lost(now, random, None);
                actions.insert(0, Action::HangUp);
                actions
            }
            Event::Fenced => {
                self.phase = Phase::Regressed;
                vec![Action::HangUp, Action::Regress]
            }
            Event::Welcome { held, flight_bytes_max } if self.phase == Phase::Greeting => {
                self.welcome(now, held, flight_bytes_max, roots)
            }
            Event::Receipt { size } if self.phase == Phase::Streaming => self.receipt(now, size),
            Event::Grown(head) => {
                self.head = head;
                self.pump(now)
            }
            Event::Sent { end, bytes } if self.phase == Phase::Streaming => {
                self.sending = false;
                self.sent = end;
                self.spoke = now;
                self.flight.push_back((end, bytes));
                self.flight_bytes += bytes;
                self.pump(now)
            }
            Event::Tick => self.tick(now, random),
            Event::DialNow => {
                if let Phase::Waiting(_) = self.phase {
                    self.dial(now)
                } else {
                    Vec::new()
                }
            }
            // A dial that is under way may have taken the one before.
            Event::Redial if matches!(self.phase, Phase::Dialling | Phase::Greeting | Phase::Streaming) => {
                let mut actions = self.lost(now, random, None);
                self.backoff.reset();
                actions.push(Action::HangUp);
                actions.extend(self.dial(now));
                actions
            }
            Event::Redial => self.handle(now, random, Event::DialNow, roots),
            _ => Vec::new(),
        }
    }

    /// A clock that was set back: nothing is due by what it showed before, only by how long it takes from now on.
    fn follow(&mut self, now: UnixMillis) {
        self.heard = self.heard.min(now);
        self.spoke = self.spoke.min(now);
        if let Phase::Waiting(at) = self.phase
            && now < self.waits_since
        {
            self.phase = Phase::Waiting(UnixMillis(now.0 + at.since(self.waits_since)));
            self.waits_since = now;
        }
    }

    fn welcome(
        &mut self,
        now: UnixMillis,
        held: Head,
        flight_bytes_max: u64,
        roots: &dyn Roots,
    ) -> Vec<Action> {
        match roots.root_at(held.size) {
            Some(root) if root == held.root => {
                self.backoff.reset();
                self.phase = Phase::Streaming;
                self.acknowledged = held.size;
                self.sent = held.size;
                self.sending = false;
                self.flight.clear();
                self.flight_bytes = 0;
                let allowed = usize::try_from(flight_bytes_max).unwrap_or(usize::MAX);
                self.flight_bytes_max = self.settings.flight_bytes_max.min(allowed);
                let mut actions = self.pump(now);
                if actions.is_empty() {
                    // Says at once that there is nothing more: idle and silent are different things.
                    self.spoke = now;
                    actions.push(Action::Heartbeat);
                }
                actions
            }
            Some(_) => {
                self.phase = Phase::Regressed;
                vec![Action::ProveFork { size: held.size }, Action::Regress]
            }
            None => {
                self.phase = Phase::Regressed;
                vec![Action::HangUp, Action::Regress]
            }
        }
    }

    fn receipt(&mut self, now: UnixMillis, size: u64) -> Vec<Action> {
        // A receipt for what was never sent is not believed; one that came before changes nothing.
        if size > self.sent || size <= self.acknowledged {
            return Vec::new();
        }
        self.acknowledged = size;
        while self.flight.front().is_some_and(|(end, _)| *end <= size) {
            if let Some((_, bytes)) = self.flight.pop_front() {
                self.flight_bytes = self.flight_bytes.saturating_sub(bytes);
            }
        }
        self.pump(now)
    }

    fn pump(&mut self, _now: UnixMillis) -> Vec<Action> {
        let open = self.flight.is_empty() || self.flight_bytes < self.flight_bytes_max;
        if self.phase == Phase::Streaming && !self.sending && open && self.sent < self.head.size {
            self.sending = true;
            return vec![Action::SendBatch { from: self.sent }];
        }
        Vec::new()
    }

    fn tick(&mut self, now: UnixMillis, random: u64) -> Vec<Action> {
        match self.phase {
            Phase::Waiting(at) if now >= at => self.dial(now),
            Phase::Dialling | Phase::Greeting | Phase::Streaming
                if now.since(self.heard) >= self.settings.silence_millis =>
            {
                let mut actions = vec![Action::HangUp];
                actions.extend(self.lost(now, random, None));
                actions
            }
            Phase::Streaming if now.since(self.spoke) >= self.settings.heartbeat_millis => {
                self.spoke = now;
                vec![Action::Heartbeat]
            }
            _ => Vec::new(),
        }
    }

    fn dial(&mut self, now: UnixMillis) -> Vec<Action> {
        self.phase = Phase::Dialling;
        self.heard = now;
        vec![Action::Dial]
    }

    fn lost(&mut self, now: UnixMillis, random: u64, at_least: Option<u64>) -> Vec<Action> {
        let wait = self.backoff.next(&self.settings, random) + at_least.unwrap_or(0);
        self.phase = Phase::Waiting(UnixMillis(now.0 + wait));
        self.waits_since = now;
        self.sending = false;
        self.flight.clear();
        self.flight_bytes = 0;
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Log(Vec<Digest>);

    impl Roots for Log {
        fn root_at(&self, size: u64) -> Option<Digest> {
            self.0.get(usize::try_from(size).unwrap()).copied()
        }
    }

    const NOW: UnixMillis = UnixMillis(1_000);

    fn log(size: u8) -> Log {
        Log((0..=size).map(|n| [n; 32]).collect())
    }

    fn head(size: u8) -> Head {
        Head { size: u64::from(size), root: [size; 32] }
    }

    fn streaming(size: u8, held: u8) -> (Machine, Log) {
        let log = log(size);
        let mut machine = Machine::new(Settings::default(), head(size), 0, NOW);
        assert_eq!(machine.handle(NOW, 0, Event::Tick, &log), [Action::Dial]);
        assert_eq!(machine.handle(NOW, 0, Event::Connected, &log), [Action::Hello(head(size))]);
        machine.handle(NOW, 0, Event::Welcome { held: head(held), flight_bytes_max: 1 << 20 }, &log);
        (machine, log)
    }

    #[test]
    fn continues_from_what_the_hub_holds() {
        let log = log(5);
        let mut machine = Machine::new(Settings::default(), head(5), 0, NOW);
        machine.handle(NOW, 0, Event::Tick, &log);
        machine.handle(NOW, 0, Event::Connected, &log);
        let welcome = Event::Welcome { held: head(3), flight_bytes_max: 1 };
        assert_eq!(machine.handle(NOW, 0, welcome, &log), [Action::SendBatch { from: 3 }]);
        assert_eq!(machine.acknowledged(), 3);
    }

    #[test]
    fn a_hub_that_holds_more_or_other_makes_it_regressed_for_good() {
        let short = log(2);
        let mut machine = Machine::new(Settings::default(), head(2), 2, NOW);
        machine.handle(NOW, 0, Event::Tick, &short);
        machine.handle(NOW, 0, Event::Connected, &short);
        let welcome = Event::Welcome { held: head(3), flight_bytes_max: 1 };
        assert!(machine.handle(NOW, 0, welcome, &short).contains(&Action::Regress));
        assert!(machine.handle(NOW, 0, Event::DialNow, &short).is_empty());

        let mut machine = Machine::new(Settings::default(), head(2), 2, NOW);
        machine.handle(NOW, 0, Event::Tick, &short);
        machine.handle(NOW, 0, Event::Connected, &short);
        let other = Event::Welcome { held: Head { size: 1, root: [9; 32] }, flight_bytes_max: 1 };
        let actions = machine.handle(NOW, 0, other, &short);
        assert_eq!(actions, [Action::ProveFork { size: 1 }, Action::Regress]);
    }

    #[test]
    fn p6_nothing_is_sent_to_a_ledger_that_is_not_followed() {
        let log = log(5);
        let mut machine = Machine::new(Settings::default(), head(5), 0, NOW);
        machine.handle(NOW, 0, Event::Tick, &log);
        machine.handle(NOW, 0, Event::Connected, &log);
        assert_eq!(machine.handle(NOW, 0, Event::Estranged, &log), [Action::HangUp]);
        assert!(matches!(machine.phase(), Phase::Waiting(_)));
        assert!(machine.handle(NOW, 0, Event::Grown(head(5)), &log).is_empty());
    }

    #[test]
    fn p11_a_clock_that_is_set_back_delays_no_dial_and_no_heartbeat() {
        let (mut machine, log) = streaming(5, 5);
        let before = UnixMillis(0);
        assert!(machine.handle(before, 0, Event::Tick, &log).is_empty());
        let later = UnixMillis(30_000);
        assert_eq!(machine.handle(later, 0, Event::Tick, &log), [Action::Heartbeat]);
        let silent = UnixMillis(90_000);
        assert!(machine.handle(silent, 0, Event::Tick, &log).contains(&Action::HangUp));
        let Phase::Waiting(at) = machine.phase() else { panic!("it waits to dial") };
        machine.handle(before, 0, Event::Tick, &log);
        assert_eq!(machine.wake_at(), Some(UnixMillis(at.0 - silent.0)), "as long as before, from now on");
    }

    #[test]
    fn keeps_to_the_window_and_goes_on_with_receipts() {
        let (mut machine, log) = streaming(5, 0);
        let first = machine.handle(NOW, 0, Event::Sent { end: 2, bytes: 2 << 20 }, &log);
        assert!(first.is_empty(), "the window is full");
        assert_eq!(machine.handle(NOW, 0, Event::Receipt { size: 2 }, &log), [Action::SendBatch { from: 2 }]);
    }

    #[test]
    fn p2_a_receipt_twice_or_for_what_was_not_sent_changes_nothing() {
        let (mut machine, log) = streaming(5, 0);
        machine.handle(NOW, 0, Event::Sent { end: 2, bytes: 10 }, &log);
        machine.handle(NOW, 0, Event::Receipt { size: 2 }, &log);
        machine.handle(NOW, 0, Event::Receipt { size: 2 }, &log);
        machine.handle(NOW, 0, Event::Receipt { size: 5 }, &log);
        assert_eq!(machine.acknowledged(), 2);
    }

    #[test]
    fn waits_spread_over_the_whole_backoff_and_end() {
        let settings = Settings::default();
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..40).map(|n| backoff.next(&settings, n * 7_919)).collect();
        assert!(waits.iter().all(|wait| (1..=settings.retry_millis.1).contains(wait)));
    }

    #[test]
    fn p7_a_line_is_made_again_at_once_with_another_certificate_and_nothing_sent_is_forgotten() {
        let (mut machine, log) = streaming(5, 0);
        machine.handle(NOW, 0, Event::Sent { end: 5, bytes: 2 }, &log);
        assert_eq!(machine.handle(NOW, 9, Event::Redial, &log), [Action::HangUp, Action::Dial]);
        let again = machine.handle(NOW, 0, Event::Redial, &log);
        assert_eq!(again, [Action::HangUp, Action::Dial], "the dial under way may have the one before");
        machine.handle(NOW, 0, Event::Connected, &log);
        let welcome = Event::Welcome { held: head(2), flight_bytes_max: 1 };
        assert_eq!(machine.handle(NOW, 0, welcome, &log), [Action::SendBatch { from: 2 }]);
    }

    #[test]
    fn speaks_when_idle_and_gives_a_silent_hub_up() {
        let (mut machine, log) = streaming(1, 1);
        let later = UnixMillis(NOW.0 + 30_000);
        assert_eq!(machine.handle(later, 0, Event::Tick, &log), [Action::Heartbeat]);
        let late = UnixMillis(NOW.0 + 90_000);
        assert_eq!(machine.handle(late, 0, Event::Tick, &log), [Action::HangUp]);
        assert!(matches!(machine.phase(), Phase::Waiting(_)));
    }
}
