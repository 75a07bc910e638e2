//! The folder of a run: what is in it and under which names. `check` and `report` need nothing
//! else, and publishing a run is packing its folder.
//!
//! `run.toml` is written first, `environment.json` at the start and again at the end, the history
//! while the run goes on, `verdict.json` and `report.html` by the analysis, `SHA256SUMS` last.

mod environment;
mod folder;
mod ledger;
mod list;
mod moment;

pub use environment::{Ended, Environment, NodeInfo};
pub use folder::{RunFolder, StoreError};
pub use ledger::read_ledger;
pub use list::{RunSummary, list};
pub use moment::utc;
