//! The declarations that come with the program, so that it works in any folder.

use std::collections::BTreeSet;

/// The kinds of declaration, one folder each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Where.
    Cluster,
    /// What is tested.
    Database,
    /// What load.
    Workload,
    /// What goes wrong.
    Nemesis,
    /// Which combinations.
    Suite,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 5] =
        [Kind::Cluster, Kind::Database, Kind::Workload, Kind::Nemesis, Kind::Suite];

    /// The word for one declaration of this kind.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Cluster => "cluster",
            Kind::Database => "database",
            Kind::Workload => "workload",
            Kind::Nemesis => "nemesis",
            Kind::Suite => "suite",
        }
    }

    /// The root folder of this kind.
    pub fn folder(self) -> &'static str {
        match self {
            Kind::Cluster => "clusters",
            Kind::Database => "databases",
            Kind::Workload => "workloads",
            Kind::Nemesis => "nemeses",
            Kind::Suite => "suites",
        }
    }
}

macro_rules! declarations {
    ($($kind:ident $folder:literal: $($name:literal)*;)*) => {
        /// Every declaration of the repository; `tests/declarations.rs` holds it to that.
        const BUILT_IN: &[(Kind, &str, &str)] = &[
            $($((
                Kind::$kind,
                $name,
                include_str!(concat!("../../", $folder, "/", $name, ".toml")),
            ),)*)*
        ];
    };
}

declarations! {
    Cluster "clusters": "docker" "local" "local-4" "local-7" "processes" "ssh" "vagrant";
    Database "databases":
        "etcd" "etcd-serializable"
        "hotstuff" "hotstuff-published" "hotstuff-quorum-reads" "hotstuff-single-reads"
        "malachite" "malachite-single-reads"
        "postgres" "postgres-async" "postgres-async-commit" "postgres-checksums"
        "postgres-standby-reads" "postgres-sync" "redis"
        "toy" "toy-stale-reads" "toy-lost-writes" "toy-split-brain" "toy-duplicate-apply"
        "toy-partial-transfers" "toy-resurrected-deletes";
    Workload "workloads": "bank" "pairs" "register" "register-deletes" "set";
    Nemesis "nemeses":
        "all" "bit-rot" "cold-rot" "colluders" "crash-one" "crashes" "demo" "equivocation"
        "etcd-db-rot" "etcd-wal-rot" "false-promises" "flip-flop" "liars" "lying-link"
        "malicious-primary" "memory" "none" "partisan" "partitions" "pauses" "replays" "upsets"
        "wire";
    Suite "suites": "demo" "demo-docker" "hotstuff" "malachite" "toy";
}

/// The text of a declaration that comes with the program.
pub fn built_in(kind: Kind, name: &str) -> Option<&'static str> {
    BUILT_IN
        .iter()
        .find(|(its_kind, its_name, _)| *its_kind == kind && *its_name == name)
        .map(|(_, _, text)| *text)
}

/// The names of that kind that can be had here: built in, or in its folder.
pub fn names(kind: Kind) -> BTreeSet<String> {
    let built_in = BUILT_IN.iter().filter(|(its_kind, _, _)| *its_kind == kind);
    let mut names: BTreeSet<String> = built_in.map(|(_, name, _)| (*name).to_owned()).collect();
    for entry in std::fs::read_dir(kind.folder()).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|end| end == "toml") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names
}
