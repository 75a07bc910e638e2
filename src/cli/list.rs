//! `perjury list`: the declarations that there are.

use super::Exit;
use super::arguments::{List, ListKind};
use crate::config::{Kind, names};

pub(super) fn run(options: &List) -> Exit {
    let wanted = options.kind.map(|kind| match kind {
        ListKind::Clusters => Kind::Cluster,
        ListKind::Databases => Kind::Database,
        ListKind::Workloads => Kind::Workload,
        ListKind::Nemeses => Kind::Nemesis,
        ListKind::Suites => Kind::Suite,
    });
    for kind in Kind::ALL {
        if wanted.is_none_or(|wanted| wanted == kind) {
            let names: Vec<String> = names(kind).into_iter().collect();
            println!("{}: {}", kind.folder(), names.join(", "));
        }
    }
    Exit::Valid
}
