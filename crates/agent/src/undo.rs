//! Undoing what the journal holds, the latest change first.
//!
//! Invariant: idempotent. Each undoing looks at what is there now, so it can be broken off and
//! begun again, by the worker, by the guardian or by `perjury-agent heal`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::corruption;
use crate::journal::{Change, Journal, Seq};
use crate::protocol::{Failure, Healed};
use crate::proxy::wire;
use crate::services::PATIENCE;
use crate::{iptables, nft};

/// Undoes the open entries that are wanted. What fails stays in the journal.
pub fn heal(journal: &mut Journal, wanted: impl Fn(&Change) -> bool) -> Healed {
    let todo: Vec<(Seq, Change)> = journal
        .entries()
        .rev()
        .filter(|(_, change)| wanted(change))
        .map(|(seq, change)| (seq, change.clone()))
        .collect();
    let mut healed = Healed::default();
    for (seq, change) in todo {
        match undo(&change) {
            Ok(text) => {
                journal.healed(seq);
                healed.undone.push(text);
            }
            Err(text) => healed.failed.push(text),
        }
    }
    healed
}

/// Undoes one change; says what was done, or why it could not be.
fn undo(change: &Change) -> Result<String, String> {
    match change {
        Change::Service { name, family } => {
            let killed = family.kill(PATIENCE).map_err(|why| format!("service {name}: {why}"))?;
            Ok(match killed.len() {
                0 => format!("service {name} had ended already"),
                count => format!("service {name} killed ({count} processes)"),
            })
        }
        Change::Command { name, family } => {
            let killed = family.kill(PATIENCE).map_err(|why| format!("command {name}: {why}"))?;
            Ok(format!("command {name} killed ({} processes)", killed.len()))
        }
        Change::Stopped { name, family } => {
            let seen = family.thaw(PATIENCE).map_err(|why| format!("service {name}: {why}"))?;
            Ok(match seen.len() {
                0 => format!("service {name} had ended already"),
                count => format!("service {name} continued ({count} processes)"),
            })
        }
        Change::Table { table } => uncut(table, nft::delete(table)),
        Change::Chain { chain } => uncut(chain, iptables::delete(chain)),
        Change::Redirect { table } => match nft::delete(table) {
            Ok(()) => Ok(format!("redirect {table} removed")),
            Err(failure) => Err(format!("redirect {table}: {failure}")),
        },
        Change::Queue { name, nft } => match wire::delete(name, *nft) {
            Ok(()) => Ok(format!("queue {name} removed")),
            Err(failure) => Err(format!("queue {name}: {failure}")),
        },
        Change::Dir { path, parents } => remove(path, parents),
        Change::Memory { pid, start, address, before, after } => {
            corruption::revert_memory((*pid, *start), *address, &before.0, &after.0)
        }
        Change::Bytes { path, offset, before, after } => {
            corruption::revert_file(path, *offset, &before.0, &after.0)
        }
    }
}

fn uncut(name: &str, deleted: Result<(), Failure>) -> Result<String, String> {
    match deleted {
        Ok(()) => Ok(format!("cut {name} removed")),
        Err(failure) => Err(format!("cut {name}: {failure}")),
    }
}

fn remove(path: &Path, parents: &[PathBuf]) -> Result<String, String> {
    match fs::remove_dir_all(path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(format!("directory {}: {error}", path.display())),
    }
    for parent in parents {
        // Somebody else may have put something into it by now.
        if fs::remove_dir(parent).is_err() {
            break;
        }
    }
    Ok(format!("directory {} removed", path.display()))
}
