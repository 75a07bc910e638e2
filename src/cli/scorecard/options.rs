//! The words of `perjury scorecard`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::arguments::Budget;
use crate::seed::Seed;

/// `perjury scorecard`
#[derive(Debug, Args)]
pub struct Scorecard {
    /// The databases: names in databases/, or paths
    #[arg(required_unless_present = "track_record")]
    pub databases: Vec<String>,
    /// Where: a name in clusters/, or a path
    #[arg(long, default_value = "local")]
    pub cluster: String,
    /// Which load: a name in workloads/, or a path
    #[arg(long, default_value = "register")]
    pub workload: String,
    /// Which lies, such as forge,replay; all of them if not given
    #[arg(long, value_delimiter = ',')]
    pub lies: Vec<String>,
    /// Up to how many; if not given, one more liar than the database claims to withstand, and one
    /// more crash than any protocol withstands
    #[arg(long)]
    pub max_f: Option<usize>,
    /// The seeds, in hex: every cell is made with each of them
    #[arg(long, value_delimiter = ',', default_value = "1")]
    pub seeds: Vec<Seed>,
    /// How long the main load of a run goes on
    #[arg(long, value_parser = crate::duration::parse, default_value = "8s")]
    pub time_limit: Duration,
    /// Where the runs and the tables go; what is there already is not made again
    #[arg(long, default_value = "results/scorecard")]
    pub out: PathBuf,
    /// Judge the runs that are there already again
    #[arg(long)]
    pub judge_again: bool,
    /// Instead: the toy with each of its lies switched on, and with none, this often
    #[arg(long, value_name = "SEEDS", conflicts_with = "databases")]
    pub track_record: Option<u32>,
    /// So many runs of the track record at once
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub parallel: u8,
    /// What a judgement may cost
    #[command(flatten)]
    pub budget: Budget,
}
