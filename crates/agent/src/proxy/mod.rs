//! The lying proxy: `listener -> directed link -> chain of lies -> re-encoder`.
//!
//! It stands in front of an address or, unseen, in the node's own connections, and changes what
//! goes by. [`Session`] is the pure part, one for each connection; `engine` moves bytes between
//! sockets; `redirect` brings the node's connections to it. Every lie is written down in [`Log`]
//! before it is told.
//!
//! It cannot lie under TLS: there every seal is hidden, and the count of lies stays zero.
//!
//! Source: the catalogue of proxy faults in Toxiproxy for those of time, ByzzFuzz (OOPSLA 2023) and
//! Twins (OPODIS 2021) for those of content.

mod connections;
mod engine;
mod exchange;
mod framing;
mod outlet;
mod proxies;
mod redirect;
mod running;
mod seal;
mod session;
mod sockets;
pub mod spec;
mod story;
mod told;
pub(crate) mod wire;

pub use engine::{Engine, Target};
pub use proxies::{Deeds, Lies, Proxies};
pub use running::Running;
pub use seal::{Finder, Pattern};
pub use session::{Session, WAYS};
pub use sockets::listener;
pub use told::{Link, Log, MOST_FETCHED, MOST_SHOWN, Told, Way};
