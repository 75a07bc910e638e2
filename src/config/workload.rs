//! What a file in `workloads/` says.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::workloads;

/// A declared load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WorkloadSpec {
    /// How many operations a second, on average; 0 for as many as the workers manage.
    #[serde(default = "default_rate")]
    pub rate: f64,
    /// How many workers, spread evenly over the nodes.
    #[serde(default = "default_concurrency")]
    pub concurrency: usize,
    /// How long the main load goes on.
    #[serde(with = "crate::duration", default = "default_time_limit")]
    pub time_limit: Duration,
    /// After how long an operation counts as unanswered.
    #[serde(with = "crate::duration", default = "default_timeout")]
    pub timeout: Duration,
    /// What the values look like.
    #[serde(default)]
    pub values: workloads::Values,
    /// What is asked.
    pub load: workloads::Spec,
}

fn default_rate() -> f64 {
    200.0
}

fn default_concurrency() -> usize {
    10
}

fn default_time_limit() -> Duration {
    Duration::from_secs(30)
}

fn default_timeout() -> Duration {
    Duration::from_secs(5)
}
