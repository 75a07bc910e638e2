//! The experiment: provision, drive, break, heal, collect.

mod clock;
mod interpreter;
mod nemesis;
mod online;
mod probes;
mod run;
mod scrub;
mod site;
mod worker;

pub use clock::Clock;
pub use interpreter::{Interpreter, InterpreterError, Progress, Stop, Tell};
pub use nemesis::Nemesis;
pub use online::{FollowError, Follower, Seen};
pub use run::{RunError, Watcher, run};
pub use site::{LEASE, ProvisionError, remote, state_dir};
pub use worker::Connect;
