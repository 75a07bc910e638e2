//! One run, resolved: everything that it takes to repeat it, in one file.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ConfigError, Expect, Kind, WorkloadSpec, load};
use crate::seed::Seed;
use crate::{clusters, databases, nemeses};

/// The version of `run.toml` that this program writes, and the newest that it reads.
pub const RUN_SCHEMA: u32 = 1;

/// A resolved run. Stands as `run.toml` in the run's folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RunSpec {
    /// The version of this file's form.
    pub schema: u32,
    /// The seed, in hex.
    pub seed: String,
    /// What the user called the parts.
    pub names: Names,
    /// What is expected to come out.
    pub expect: Expect,
    /// Is the history judged while the run goes on, which ends with the first anomaly?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub online: bool,
    /// Where.
    pub cluster: clusters::Spec,
    /// What is tested.
    pub database: databases::Spec,
    /// What load.
    pub workload: WorkloadSpec,
    /// What goes wrong.
    pub nemesis: nemeses::Spec,
}

/// The names of the declarations that a run was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Names {
    /// The cluster's.
    pub cluster: String,
    /// The database's.
    pub database: String,
    /// The workload's.
    pub workload: String,
    /// The nemesis'.
    pub nemesis: String,
}

impl RunSpec {
    /// Looks up all parts.
    ///
    /// # Errors
    /// A part is not there, or does not say what it should.
    pub fn resolve(names: Names, expect: Expect, seed: Seed) -> Result<RunSpec, ConfigError> {
        let spec = RunSpec {
            schema: RUN_SCHEMA,
            seed: seed.to_string(),
            expect,
            online: false,
            cluster: load(Kind::Cluster, &names.cluster)?,
            database: load(Kind::Database, &names.database)?,
            workload: load(Kind::Workload, &names.workload)?,
            nemesis: load(Kind::Nemesis, &names.nemesis)?,
            names,
        };
        if spec.workload.concurrency == 0 {
            let what = "concurrency = 0: at least one worker is needed".to_owned();
            return Err(ConfigError::Mismatch(format!("workload {}: {what}", spec.names.workload)));
        }
        Ok(spec)
    }

    /// The seed as a number.
    ///
    /// # Errors
    /// It is no seed.
    pub fn seed(&self) -> Result<Seed, ConfigError> {
        self.seed.parse().map_err(ConfigError::Mismatch)
    }

    /// Another length of the main load.
    #[must_use]
    pub fn lasting(mut self, time: Option<Duration>) -> RunSpec {
        if let Some(time) = time {
            self.workload.time_limit = time;
        }
        self
    }

    /// Judged while it goes on, or only afterwards.
    #[must_use]
    pub fn judged_online(mut self, online: bool) -> RunSpec {
        self.online |= online;
        self
    }

    pub(super) fn check_schema(&self, path: &Path) -> Result<(), ConfigError> {
        if self.schema > RUN_SCHEMA {
            return Err(ConfigError::Newer { path: path.to_owned(), found: self.schema });
        }
        Ok(())
    }
}
