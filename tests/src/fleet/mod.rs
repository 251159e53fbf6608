//! Many enrolled units in one process, where a process for each does not fit: each has its own certificate, log,
//! witness and connection over mTLS, and does what the product's client decides. Its batches are made ahead and lie in
//! a file, so that making them is no part of what is measured.

mod client;
mod country;
mod log;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use lienthong_node::app::system_clock;
use lienthong_node::identity::{NodeIdentity, Token, enrol};
use lienthong_node::sync::{Settings, Witness};
use lienthong_proto::catalogue::Catalogue;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use self::client::Client;
pub use self::client::{Order, Standing};
pub use self::country::{Country, files_enough, free_bytes_enough, program, telling};
pub use self::log::{Author, StoredLog};
use crate::corpus::{self, Made, TYPE};

/// One unit.
#[derive(Debug)]
pub struct Member {
    /// Its log.
    pub log: Arc<Mutex<StoredLog>>,
    orders: mpsc::Sender<Order>,
    standing: watch::Receiver<Standing>,
    made: Made,
    /// Given once: it runs until the member is dropped.
    _task: tokio::task::JoinHandle<()>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Fleet {
    /// The units' ends.
    pub members: Vec<Member>,
}

impl Member {
    /// Where it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Wants something of it.
    ///
    /// # Errors
    /// If it has ended.
    pub async fn order(&self, order: Order) -> anyhow::Result<()> {
        self.orders.send(order).await.context("the client has ended")
    }

    /// Waits until it stands as wanted; when the hub last acknowledged something.
    ///
    /// # Errors
    /// At the deadline, and if the hub has refused it for good.
    pub async fn until(
        &self,
        deadline: Instant,
        wanted: impl Fn(&Standing) -> bool,
    ) -> anyhow::Result<Option<Instant>> {
        let mut standing = self.standing.clone();
        let reached = standing.wait_for(|standing| standing.fault.is_some() || wanted(standing));
        let reached = tokio::time::timeout_at(deadline.into(), reached).await;
        let Ok(reached) = reached else { bail!("it stands still: {:?}", self.standing()) };
        let reached = reached?.clone();
        if let Some(fault) = reached.fault {
            bail!("refused: {fault}");
        }
        Ok(reached.acknowledged_at)
    }
}

impl Fleet {
    /// Enrols one more unit at a hub, in a folder of its own; it stays away until it is told to dial.
    ///
    /// # Errors
    /// If the hub refuses, or the folder cannot be written.
    pub async fn enrol(
        &mut self,
        folder: &Path,
        address: &str,
        token: &Token,
        (seed, settings): (u64, Settings),
    ) -> anyhow::Result<()> {
        let site = self.members.len();
        let data: PathBuf = folder.join(format!("unit-{site}"));
        std::fs::create_dir_all(&data)?;
        enrol(&data, address, token).await?;
        let identity = Arc::new(NodeIdentity::load(&data)?.context("no identity")?);
        let witness = Arc::new(Witness::open(&data, &identity, system_clock())?);
        let log = Arc::new(Mutex::new(StoredLog::new(Arc::clone(&identity), &data)));
        let (run, orders, standing) = Client::start(identity, witness, Arc::clone(&log), settings);
        let made = Made::of(site, seed);
        self.members.push(Member { log, orders, standing, made, _task: tokio::spawn(run) });
        Ok(())
    }

    /// Makes this many records more, shared out among the units; nobody sends them yet.
    ///
    /// # Errors
    /// If one cannot be made or written.
    pub fn write(&mut self, catalogue: &Catalogue, records: usize) -> anyhow::Result<()> {
        let sites = self.members.len();
        let author = Author::of(catalogue, TYPE)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut shares: Vec<(usize, &mut Member)> = self
            .members
            .iter_mut()
            .enumerate()
            .map(|(site, member)| (corpus::share(records, sites, site), member))
            .collect();
        let chunk = shares.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            let writers: Vec<_> = shares
                .chunks_mut(chunk)
                .map(|shares| {
                    let author = &author;
                    scope.spawn(move || {
                        for (count, member) in shares {
                            member.log.lock().write(author, &mut member.made, *count)?;
                        }
                        anyhow::Ok(())
                    })
                })
                .collect();
            for writer in writers {
                writer.join().map_err(|_| anyhow::anyhow!("a writer failed"))??;
            }
            Ok(())
        })
    }

    /// Makes one record more of one unit.
    ///
    /// # Errors
    /// If there is no such unit, or it cannot be written.
    pub fn write_one(&mut self, catalogue: &Catalogue, site: usize) -> anyhow::Result<()> {
        let member = self.members.get_mut(site).context("no such unit")?;
        member.log.lock().write(&Author::of(catalogue, TYPE)?, &mut member.made, 1)
    }

    /// Wants the same of all.
    ///
    /// # Errors
    /// If one has ended.
    pub async fn order(&self, order: Order) -> anyhow::Result<()> {
        for member in &self.members {
            member.order(order).await?;
        }
        Ok(())
    }

    /// Waits until all stand as wanted; `tell` hears now and then how many do.
    ///
    /// # Errors
    /// If one does not within `patience`, or the hub has refused it for good.
    pub async fn until(
        &self,
        patience: Duration,
        wanted: impl Fn(&Member, &Standing) -> bool,
        tell: &dyn Fn(usize),
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        let mut told = Instant::now();
        for (site, member) in self.members.iter().enumerate() {
            let reached = member.until(deadline, |standing| wanted(member, standing)).await;
            reached.with_context(|| format!("unit {site}"))?;
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                tell(site + 1);
            }
        }
        Ok(())
    }

    /// Waits until the hub has acknowledged all of every log.
    ///
    /// # Errors
    /// As [`Fleet::until`].
    pub async fn acknowledged(&self, patience: Duration, tell: &dyn Fn(usize)) -> anyhow::Result<()> {
        let all =
            |member: &Member, standing: &Standing| standing.acknowledged >= member.log.lock().head().size;
        self.until(patience, all, tell).await
    }

    /// Waits until all are connected and in step.
    ///
    /// # Errors
    /// As [`Fleet::until`].
    pub async fn connected(&self, patience: Duration, tell: &dyn Fn(usize)) -> anyhow::Result<()> {
        use lienthong_node::sync::Phase;
        self.until(patience, |_, standing| standing.phase == Phase::Streaming, tell).await
    }

    /// How many entries their logs have.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.members.iter().map(|member| member.log.lock().head().size).sum()
    }

    /// How often they dialled, all together.
    #[must_use]
    pub fn dials(&self) -> u64 {
        self.members.iter().map(|member| u64::from(member.standing.borrow().dials)).sum()
    }

    /// For each, how long after `begun` the hub had acknowledged the last of its log, seconds.
    ///
    /// # Errors
    /// If it has not of one.
    pub fn times(&self, begun: Instant) -> anyhow::Result<Vec<f64>> {
        let time = |member: &Member| {
            let standing = member.standing.borrow();
            ensure!(standing.acknowledged >= member.log.lock().head().size, "one is not in step");
            let at = standing.acknowledged_at.context("nothing was acknowledged")?;
            Ok(at.saturating_duration_since(begun).as_secs_f64())
        };
        self.members.iter().map(time).collect()
    }
}

/// Between two lines of progress.
const TELL_EVERY: Duration = Duration::from_secs(10);
