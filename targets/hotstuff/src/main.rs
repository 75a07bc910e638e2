//! `hotstuff-node CONFIG`: one replica of a key-value store on hotstuff_rs 0.4.0.
//!
//! hotstuff_rs is used as it is published. What is here is what it asks of its user: an application
//! ([`machine`], [`app`]), a network ([`network`]), a store ([`store`]), and a door for clients
//! ([`clients`]). It is made to be tested, not to be used.

mod app;
mod committed;
mod network;
mod store;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use hotstuff_rs::block_tree::accessors::public::BlockTreeCamera;
use hotstuff_rs::replica::{Configuration, Replica, ReplicaSpec};
use hotstuff_rs::types::data_types::{BlockHeight, BufferSize, ChainID, EpochLength, Power};
use hotstuff_rs::types::update_sets::AppStateUpdates;
use hotstuff_rs::types::validator_set::{ValidatorSet, ValidatorSetState};
use replica::clients;
use replica::config::{Resolved, load};
use replica::journal::Journal;
use replica::pool::Pool;
use replica::start::{draw, start};
use replica::transaction::Transaction;
use serde::Deserialize;

use crate::store::Store;

/// What `--version` says: this program's version and that of what is under test.
const VERSION: &str = concat!("hotstuff-node ", env!("CARGO_PKG_VERSION"), ", hotstuff_rs 0.4.0");

/// What hotstuff_rs wants to know besides.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Timing {
    /// After how many views all replicas meet in one.
    epoch: u32,
    /// How long a view may last. hotstuff_rs 0.4.0 counts whole seconds only
    /// (`pacemaker/implementation.rs`, `as_secs`), and a fraction is lost.
    view_seconds: u64,
    /// How long a block is looked at before it is voted for, in milliseconds.
    pace_ms: u64,
    /// Is the block sync of hotstuff_rs mended (see `store`)?
    mend_block_sync: bool,
}

/// A replica's configuration with its keys.
type Own = Resolved<Timing>;

fn main() -> ExitCode {
    start("hotstuff-node", VERSION, run)
}

fn run(path: &Path) -> io::Result<()> {
    let own: Own = load(path)?;
    if own.config.protocol.epoch == 0 || own.config.protocol.view_seconds == 0 {
        return Err(io::Error::other("epoch and view-seconds are at least 1"));
    }
    let (sync, mend_block_sync) = (own.config.sync, own.config.protocol.mend_block_sync);
    let options = store::Options { sync, mend_block_sync };
    let store = Store::open(&own.config.store, options)?;
    let camera = BlockTreeCamera::new(store.clone());
    if camera.snapshot().committed_validator_set().is_err() {
        let mut validators = ValidatorSet::new();
        own.keys.iter().for_each(|key| validators.put(key, Power::new(1)));
        let state = ValidatorSetState::new(validators.clone(), validators, None, true);
        Replica::initialize(store.clone(), AppStateUpdates::new(), state);
    }
    let journal = Arc::new(Journal::default());
    if let Ok(view) = camera.snapshot().highest_view_entered() {
        journal.view.store(view.int(), Relaxed);
    }
    journal.say(VERSION);
    let pool = Arc::new(Pool::default());
    let messages = network::Messages::open(&own, Arc::clone(&pool), Arc::clone(&journal))?;
    let (committed, commits) = channel();
    let following = Follower {
        next: next_height(&camera)?,
        camera: BlockTreeCamera::new(store.clone()),
        pool: Arc::clone(&pool),
        journal: Arc::clone(&journal),
    };
    thread::spawn(move || following.follow(&commits));
    let telling = Arc::clone(&journal);
    thread::spawn(move || telling.tell_figures());
    let _replica = start_replica(&own, store, messages.clone(), &pool, &journal, committed);
    let keys = own.keys.clone();
    clients::serve(clients::Desk {
        own,
        boot: draw()?,
        next: AtomicU64::new(0),
        pool,
        links: messages.links(),
        committed: committed::Blocks::new(camera, &keys),
        journal,
    })
}

/// Starts the threads of hotstuff_rs.
fn start_replica(
    own: &Own,
    store: Store,
    messages: network::Messages,
    pool: &Arc<Pool>,
    journal: &Arc<Journal>,
    committed: std::sync::mpsc::Sender<()>,
) -> Replica<Store> {
    let config = &own.config.protocol;
    let configuration = Configuration::builder()
        .me(own.secret.clone())
        .chain_id(ChainID::new(1))
        .block_sync_request_limit(200)
        // See `Links`: the network makes of this one offer a second.
        .block_sync_server_advertise_time(Duration::ZERO)
        // A fetch stops the replica for as long, if the peer that it draws is dead.
        .block_sync_response_timeout(Duration::from_millis(500))
        .block_sync_blacklist_expiry_time(Duration::from_secs(5))
        .block_sync_trigger_min_view_difference(2 * own.keys.len() as u64)
        .block_sync_trigger_timeout(Duration::from_secs(1))
        // The library adds to the size of its buffer and never subtracts what leaves it
        // (`networking/receiving.rs`): any real limit would be reached in time.
        .progress_msg_buffer_capacity(BufferSize::new(u64::MAX >> 1))
        .epoch_length(EpochLength::new(config.epoch))
        .max_view_time(Duration::from_secs(config.view_seconds))
        .log_events(false)
        .build();
    let (viewing, ending, certifying) =
        (Arc::clone(journal), Arc::clone(journal), Arc::clone(journal));
    let (syncing, synced) = (Arc::clone(journal), Arc::clone(journal));
    ReplicaSpec::builder()
        .app(app::KeyValue {
            pool: Arc::clone(pool),
            replicas: Arc::new(own.keys.clone()),
            journal: Arc::clone(journal),
            pace: Duration::from_millis(config.pace_ms),
            idle: Duration::from_millis(own.config.idle_ms),
        })
        .network(messages)
        .kv_store(store)
        .configuration(configuration)
        .on_commit_block(move |_| {
            // Whoever follows lives as long as the process.
            let _gone = committed.send(());
        })
        .on_start_view(move |event| viewing.enter(event.view.int()))
        .on_view_timeout(move |event| {
            ending.timeouts.fetch_add(1, Relaxed);
            ending.say(&format!("timeout of view {}", event.view));
        })
        .on_collect_tc(move |event| {
            certifying.say(&format!("all gave up view {}", event.timeout_certificate.view));
        })
        .on_start_sync(move |_| syncing.say("fetches blocks"))
        .on_end_sync(move |event| synced.say(&format!("fetched {} blocks", event.blocks_synced)))
        .build()
        .start()
}

/// Goes through committed blocks in their order, once, and tells who waits.
struct Follower {
    next: BlockHeight,
    camera: BlockTreeCamera<Store>,
    pool: Arc<Pool>,
    journal: Arc<Journal>,
}

impl Follower {
    fn follow(mut self, commits: &Receiver<()>) {
        // One event may stand for several blocks, and several for none that is new.
        for () in commits {
            while let Some(content) = self.content() {
                for transaction in &content {
                    self.pool.committed(transaction.id);
                }
                self.journal.committed(self.next.int(), content.len() as u64);
                self.next += 1;
            }
        }
    }

    /// The transactions of the next block, if it is committed.
    fn content(&self) -> Option<Vec<Transaction>> {
        let state = self.camera.snapshot();
        let block = state.block_at_height(self.next).ok()??;
        let datum = state.block_datum(&block, 0)?;
        Some(app::transactions(datum.bytes()).unwrap_or_default())
    }
}

/// The height of the first block that is not committed yet.
fn next_height(camera: &BlockTreeCamera<Store>) -> io::Result<BlockHeight> {
    let broken = |error| io::Error::other(format!("the store is broken: {error:?}"));
    let state = camera.snapshot();
    let Some(block) = state.highest_committed_block().map_err(broken)? else {
        return Ok(BlockHeight::new(0));
    };
    let height = state.block_height(&block).map_err(broken)?;
    Ok(height.map_or(BlockHeight::new(0), |height| height + 1))
}
