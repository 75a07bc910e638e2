//! `malachite-node CONFIG`: one replica of a key-value store on Malachite's consensus 0.5.0.
//!
//! Only the algorithm is used, `informalsystems-malachitebft-core-consensus`: a library that takes
//! inputs and asks for effects. What carries them out is here ([`hands`], [`engine`]), with the
//! types ([`context`], [`value`]), signatures ([`signing`]), messages ([`message`]) and log
//! ([`ledger`]) that it asks for. It is made to be tested, not to be used.

mod catchup;
mod context;
mod engine;
mod hands;
mod ledger;
mod message;
mod signing;
mod timers;
mod value;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;

use replica::clients;
use replica::config::{Resolved, load};
use replica::journal::Journal;
use replica::pool::Pool;
use replica::start::{draw, start};

use crate::engine::{Engine, Timing};

/// What `--version` says: this program's version and that of what is under test.
const VERSION: &str = concat!(
    "malachite-node ",
    env!("CARGO_PKG_VERSION"),
    ", informalsystems-malachitebft-core-consensus 0.5.0"
);

fn main() -> ExitCode {
    start("malachite-node", VERSION, run)
}

fn run(path: &Path) -> io::Result<()> {
    let own: Resolved<Timing> = load(path)?;
    if own.config.protocol.timeout_ms <= own.config.idle_ms {
        return Err(io::Error::other("timeout-ms has to be more than idle-ms"));
    }
    let (pool, journal) = (Arc::new(Pool::default()), Arc::new(Journal::default()));
    journal.say(VERSION);
    let (engine, links, committed) =
        Engine::open(&own, &own.config.store, Arc::clone(&pool), Arc::clone(&journal))?;
    let telling = Arc::clone(&journal);
    thread::spawn(move || telling.tell_figures());
    thread::spawn(move || engine.run());
    let (boot, next) = (draw()?, AtomicU64::new(0));
    clients::serve(clients::Desk { own, boot, next, pool, links, committed, journal })
}
