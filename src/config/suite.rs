//! What a file in `suites/` says: which runs, and what is expected of each.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A declared suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Suite {
    /// The runs, in order.
    pub run: Vec<SuiteRun>,
}

/// One run of a suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SuiteRun {
    /// The name of a database.
    pub database: String,
    /// The name of a cluster.
    pub cluster: String,
    /// The name of a workload.
    pub workload: String,
    /// The name of a nemesis.
    pub nemesis: String,
    /// How long the main load goes on, if not as long as the workload says.
    #[serde(with = "optional_duration", default, skip_serializing_if = "Option::is_none")]
    pub time_limit: Option<Duration>,
    /// What is expected.
    #[serde(default)]
    pub expect: Expect,
    /// Is the history judged while the run goes on, which ends with the first anomaly?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub online: bool,
}

/// What is expected of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// No anomaly: one is news.
    #[default]
    Valid,
    /// An anomaly: its absence is news.
    Invalid,
    /// Whatever comes.
    Any,
}

mod optional_duration {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        crate::duration::deserialize(deserializer).map(Some)
    }

    pub(super) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => crate::duration::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }
}
