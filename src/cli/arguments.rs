//! The words of the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::seed::Seed;

/// Puts databases under oath: breaks real clusters and judges the record.
#[derive(Debug, Parser)]
#[command(name = "perjury", version, after_help = EXIT_CODES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 valid, 1 anomaly, 2 unknown, 3 compromised or \
infrastructure, 64 usage or declaration, 130/143 interrupted (after healing).";

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a test: bring up, load, break, heal, judge, report
    Test(Test),
    /// Say how many liars a database withstands, for each lie and each property
    Scorecard(super::scorecard::Scorecard),
    /// Judge histories again: run folders, or files of other tools
    Check(Check),
    /// Write a history as Jepsen's EDN, for Elle, Knossos and others
    Export(Export),
    /// Write the report of a run again
    Report(Report),
    /// Serve all reports on a loopback address
    Serve(Serve),
    /// Bring clusters up and down
    #[command(subcommand)]
    Cluster(Cluster),
    /// Say what is missing on this machine and how to mend it
    Doctor,
    /// Undo whatever a dead run left on the nodes of a cluster; safe at any time
    Heal(Heal),
    /// List the declarations that there are
    List(List),
    /// A node of the built-in database
    #[command(hide = true)]
    ToyNode {
        /// Its configuration
        config: PathBuf,
    },
}

/// `perjury test`
#[derive(Debug, Args)]
pub struct Test {
    /// A suite, by name or path: several runs, each with what is expected of it
    #[arg(conflicts_with_all = ["cluster", "database", "workload", "nemesis", "run"])]
    pub suite: Option<String>,
    /// Where: a name in clusters/, or a path
    #[arg(long, default_value = "local")]
    pub cluster: String,
    /// What: a name in databases/, or a path
    #[arg(long, default_value = "etcd")]
    pub database: String,
    /// Which load: a name in workloads/, or a path
    #[arg(long, default_value = "register")]
    pub workload: String,
    /// What goes wrong: a name in nemeses/, or a path
    #[arg(long, default_value = "partitions")]
    pub nemesis: String,
    /// Repeat exactly this run: the run.toml of an earlier one
    #[arg(
        long,
        value_name = "RUN.TOML",
        conflicts_with_all = ["cluster", "database", "workload", "nemesis"]
    )]
    pub run: Option<PathBuf>,
    /// How long the main load goes on, such as 30s
    #[arg(long, value_parser = crate::duration::parse)]
    pub time_limit: Option<Duration>,
    /// The seed of all randomness, in hex; drawn and printed if not given
    #[arg(long)]
    pub seed: Option<Seed>,
    /// The folder for run folders
    #[arg(long, default_value = "results")]
    pub results: PathBuf,
    /// What the judgement may cost
    #[command(flatten)]
    pub budget: Budget,
    /// Judge the history while the run goes on, and end the run at the first anomaly
    #[arg(long)]
    pub online: bool,
    /// Leave the cluster up if this command brought it up
    #[arg(long)]
    pub keep: bool,
    /// Print one JSON object a run on standard output
    #[arg(long)]
    pub json: bool,
}

/// What a judgement may cost.
#[derive(Clone, Debug, Args)]
pub struct Budget {
    /// How long the search may take, such as 60s
    #[arg(long, value_parser = crate::duration::parse, default_value = "5m")]
    pub check_time: Duration,
    /// How much memory the search may use, in MiB
    #[arg(long, default_value_t = 4096)]
    pub check_memory: u64,
}

impl Budget {
    pub(super) fn build(&self) -> perjury_checkers::Budget {
        perjury_checkers::Budget {
            time: Some(self.check_time),
            bytes: Some(self.check_memory << 20),
            ..perjury_checkers::Budget::default()
        }
    }
}

/// `perjury check`
#[derive(Debug, Args)]
pub struct Check {
    /// Run folders, history files, folders of either, or patterns; .gz and .zst are read as they
    /// are
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// The format of the files: auto, perjury, jepsen-edn, jepsen-json, jepsen-log, porcupine-kv,
    /// awdit, plume or dbcop
    #[arg(long, default_value = "auto")]
    pub format: String,
    /// The model: register, cas-register, kv, kv-append, set, mutable-set, counter, queue,
    /// unordered-queue, stack, priority-queue, log, mutex, fenced-lock, owned-mutex[:TIMES],
    /// owned-fenced-lock[:TIMES], semaphore:PERMITS, multi-register or bank; by default the one
    /// that the history itself names or suggests
    #[arg(long)]
    pub model: Option<perjury_checkers::ModelName>,
    /// What registers and counters hold at first: a number, or nil (the default)
    #[arg(long)]
    pub initial: Option<String>,
    /// What a nil that was read means: the value nil, or that the value is unknown
    #[arg(long, value_enum, default_value_t = NilRead::Value)]
    pub nil_read: NilRead,
    /// What the judgement may cost
    #[command(flatten)]
    pub budget: Budget,
    /// Print one JSON object an input on standard output
    #[arg(long)]
    pub json: bool,
    /// Write the proof of what is linearizable: a file for one input, a folder for several
    #[arg(long, value_name = "OUT", conflicts_with = "verify")]
    pub certificate: Option<PathBuf>,
    /// Also say what the strongest specification is that the history still satisfies
    #[arg(long)]
    pub strongest: bool,
    /// Judge entry by entry, forgetting what cannot matter, and stop at the first anomaly
    #[arg(long, conflicts_with_all = ["certificate", "strongest", "verify"])]
    pub online: bool,
    /// Check this proof against the one history file, without any search
    #[arg(long, value_name = "CERTIFICATE")]
    pub verify: Option<PathBuf>,
}

/// What a nil read means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NilRead {
    /// There was no value.
    Value,
    /// The value is not known.
    Unknown,
}

/// `perjury export`
#[derive(Debug, Args)]
pub struct Export {
    /// A run folder, or a history file of any format that `check` reads
    pub path: PathBuf,
    /// The format to write
    #[arg(long, value_enum, default_value_t = ExportTo::JepsenEdn)]
    pub to: ExportTo,
    /// Where to write it, if not on standard output
    #[arg(long, short)]
    pub output: Option<PathBuf>,
}

/// What a history can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportTo {
    /// One map a line, for Jepsen's tools.
    JepsenEdn,
    /// Our own JSON Lines.
    Perjury,
}

/// `perjury report`
#[derive(Debug, Args)]
pub struct Report {
    /// The run's folder
    pub folder: PathBuf,
    /// Where to write it, if not into the folder
    #[arg(long, short)]
    pub output: Option<PathBuf>,
}

/// `perjury serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// The folder of run folders
    #[arg(long, default_value = "results")]
    pub results: PathBuf,
    /// Where to listen; a loopback address
    #[arg(long, default_value = "127.0.0.1:8077")]
    pub listen: SocketAddr,
}

/// `perjury cluster`
#[derive(Debug, Subcommand)]
pub enum Cluster {
    /// Bring a declared cluster up
    Up {
        /// A name in clusters/, or a path
        cluster: String,
    },
    /// Take a cluster down and remove exactly what was made for it, also after a crash
    Down {
        /// The cluster's own name
        #[arg(required_unless_present = "all")]
        name: Option<String>,
        /// Every cluster that is recorded on this machine, and whatever was left of any
        #[arg(long)]
        all: bool,
    },
    /// Say which clusters there are and how their nodes are
    Status,
    /// Log in to a node, or run a command on it
    Ssh {
        /// The cluster's own name
        #[arg(long, default_value = "local")]
        cluster: String,
        /// The node
        node: String,
        /// The command
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

/// `perjury heal`
#[derive(Debug, Args)]
pub struct Heal {
    /// A name in clusters/, or a path; the cluster has to be up
    #[arg(long, default_value = "local")]
    pub cluster: String,
    /// End a run that is still at work on the nodes
    #[arg(long)]
    pub take_over: bool,
}

/// `perjury list`
#[derive(Debug, Args)]
pub struct List {
    /// Only the declarations of this kind
    #[arg(value_enum)]
    pub kind: Option<ListKind>,
}

/// The kinds of declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListKind {
    Clusters,
    Databases,
    Workloads,
    Nemeses,
    Suites,
}
