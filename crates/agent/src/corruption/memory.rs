//! Bits that turn over in the memory of a running service, through `/proc/PID/mem`.
//!
//! The service is stopped for the search and the writing, so that a value does not move between
//! the two, and continued after it; a service that is stopped already stays so. No debugger is
//! attached: the service cannot notice but by its own checks.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

use super::choice::Choice;
use super::maps::{self, Mapping};
use super::tokens::{self, Found, Wanted};
use super::{Aim, Corrupted, MOST_PLACES, MemoryFlip, Place};
use crate::agent::Agent;
use crate::bytes::Bytes;
use crate::journal::Change;
use crate::processes::Stat;
use crate::protocol::{Answer, Failure, FailureKind};

/// How much is read at once.
const PIECE: usize = 1 << 20;
/// The unit in which random places are tried; what holds only zeros is not in use.
const PAGE: u64 = 4096;
/// How many pages are tried for one random bit.
const TRIES: u32 = 4096;

/// One process whose memory is open.
struct Memory {
    stat: Stat,
    file: File,
    mappings: Vec<Mapping>,
}

/// A place in the memory of one of them.
#[derive(Clone, Copy)]
struct Spot {
    process: usize,
    address: u64,
}

/// Turns bits over.
pub fn flip(agent: &Agent, request: &MemoryFlip) -> Result<Answer, Failure> {
    super::check(&request.aim)?;
    agent.services.while_stopped(agent, &request.service, |members| {
        let memories = members.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let mut corrupted = Corrupted::default();
        let mut choice = Choice::new(request.seed);
        let plan = match &request.aim {
            Aim::Random { bits } => random(&memories, *bits, &mut choice, &mut corrupted),
            Aim::Live { pattern, .. } => {
                let wanted = Wanted::Seal(pattern);
                let prefix = pattern.prefix.len();
                searched(&memories, &wanted, &request.aim, prefix, &mut choice, &mut corrupted)
            }
            Aim::Bytes { bytes, .. } => {
                let wanted = Wanted::Bytes(&bytes.0);
                searched(&memories, &wanted, &request.aim, 0, &mut choice, &mut corrupted)
            }
        };
        super::note_shortfall(&mut corrupted, plan.len(), "in the memory of the service");
        for (spot, before, after) in plan.into_iter().take(MOST_PLACES as usize) {
            let memory = &memories[spot.process];
            let change = request.revert.then(|| Change::Memory {
                pid: memory.stat.pid,
                start: memory.stat.start,
                address: spot.address,
                before: Bytes(before.clone()),
                after: Bytes(after.clone()),
            });
            super::promise(agent, change)?;
            let seen = write(&memory.file, spot.address, &after)
                .map_err(|error| memory_failure(memory.stat.pid, &error))?;
            corrupted.places.push(Place::new(memory.name(spot.address), &before, &seen));
        }
        Ok(Answer::Corrupted(corrupted))
    })
}

/// Flips back what still stands as it was flipped; says what came of it.
pub fn revert(
    (pid, start): (u32, u64),
    address: u64,
    before: &[u8],
    after: &[u8],
) -> Result<String, String> {
    let place = format!("memory of process {pid} at {address:#x}");
    if Stat::of(pid).is_none_or(|stat| stat.start != start || stat.is_over()) {
        return Ok(format!("{place}: the process has ended"));
    }
    let told = |error: io::Error| format!("{place}: {error}");
    let file = OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem"));
    let file = file.map_err(told)?;
    let mut now = vec![0; after.len()];
    if file.read_exact_at(&mut now, address).is_err() || now != after {
        return Ok(format!("{place}: overwritten since"));
    }
    file.write_all_at(before, address).map_err(told)?;
    Ok(format!("{place}: flipped back"))
}

fn open(stat: &Stat) -> Result<Memory, Failure> {
    let failed = |error: io::Error| memory_failure(stat.pid, &error);
    let maps = std::fs::read(format!("/proc/{}/maps", stat.pid)).map_err(failed)?;
    let mappings = maps::private(&String::from_utf8_lossy(&maps));
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).open(format!("/proc/{}/mem", stat.pid));
    Ok(Memory { stat: stat.clone(), file: file.map_err(failed)?, mappings })
}

impl Memory {
    fn name(&self, address: u64) -> String {
        let holds = |mapping: &&Mapping| mapping.start <= address && address < mapping.end;
        let name = self.mappings.iter().find(holds).map_or("", |mapping| mapping.name.as_str());
        let name = if name.is_empty() { "anonymous" } else { name };
        format!("process {} ({}) {address:#x} {name}", self.stat.pid, self.stat.command)
    }

    /// Calls with each find and its address; pages that cannot be read are passed over.
    fn search(&self, wanted: &Wanted<'_>, mut each: impl FnMut(&[u8], u64)) -> u64 {
        let overlap = wanted.width().saturating_sub(1);
        let mut bytes = vec![0; PIECE + overlap];
        let mut searched = 0;
        for mapping in &self.mappings {
            let mut at = mapping.start;
            while at < mapping.end {
                let left = usize::try_from(mapping.end - at).unwrap_or(usize::MAX);
                let piece = &mut bytes[..left.min(PIECE + overlap)];
                if self.file.read_exact_at(piece, at).is_ok() {
                    searched += piece.len().min(PIECE) as u64;
                    for offset in wanted.offsets(piece) {
                        // What begins in the overlap is found again in the next piece.
                        if offset < PIECE {
                            each(&piece[offset..offset + wanted.width()], at + offset as u64);
                        }
                    }
                }
                at += PIECE as u64;
            }
        }
        searched
    }
}

type Plan = Vec<(Spot, Vec<u8>, Vec<u8>)>;

fn searched(
    memories: &[Memory],
    wanted: &Wanted<'_>,
    aim: &Aim,
    prefix: usize,
    choice: &mut Choice,
    corrupted: &mut Corrupted,
) -> Plan {
    let mut found: Found<Spot> = Found::new();
    for (process, memory) in memories.iter().enumerate() {
        corrupted.searched_bytes += memory.search(wanted, |value, address| {
            found.entry(value.to_vec()).or_default().push(Spot { process, address });
        });
    }
    let mut plan = Plan::new();
    for (value, spots) in tokens::aimed(found, aim, choice) {
        // One lie for all copies of a value: else they would give each other away.
        let after = tokens::flipped(&value, prefix, choice);
        plan.extend(spots.into_iter().map(|spot| (spot, value.clone(), after.clone())));
    }
    plan
}

fn random(memories: &[Memory], bits: u32, choice: &mut Choice, corrupted: &mut Corrupted) -> Plan {
    let stretches: Vec<(usize, &Mapping)> = memories
        .iter()
        .enumerate()
        .flat_map(|(process, memory)| memory.mappings.iter().map(move |mapping| (process, mapping)))
        .collect();
    let pages = |mapping: &Mapping| (mapping.end - mapping.start) / PAGE;
    let all: u64 = stretches.iter().map(|(_, mapping)| pages(mapping)).sum();
    let mut plan = Plan::new();
    let mut page = vec![0; usize::try_from(PAGE).unwrap_or_default()];
    for _ in 0..bits {
        for _ in 0..TRIES {
            let mut nth = choice.below(all);
            let spot = stretches.iter().find_map(|(process, mapping)| {
                let here = pages(mapping);
                if nth < here {
                    return Some(Spot { process: *process, address: mapping.start + nth * PAGE });
                }
                nth -= here;
                None
            });
            let Some(spot) = spot else { return plan };
            let read = memories[spot.process].file.read_exact_at(&mut page, spot.address);
            corrupted.searched_bytes += PAGE;
            if read.is_err() || page.iter().all(|byte| *byte == 0) {
                continue;
            }
            let offset = choice.place(page.len());
            let (before, address) = (page[offset], spot.address + offset as u64);
            let after = before ^ (1 << choice.below(8));
            plan.push((Spot { address, ..spot }, vec![before], vec![after]));
            break;
        }
    }
    plan
}

/// Writes and reads back.
fn write(file: &File, address: u64, bytes: &[u8]) -> io::Result<Vec<u8>> {
    file.write_all_at(bytes, address)?;
    let mut seen = vec![0; bytes.len()];
    file.read_exact_at(&mut seen, address)?;
    if seen != bytes {
        return Err(io::Error::other("the memory does not keep what is written to it"));
    }
    Ok(seen)
}

fn memory_failure(pid: u32, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => FailureKind::NotPermitted,
        io::ErrorKind::NotFound => FailureKind::NotFound,
        _ => FailureKind::Io,
    };
    let message = format!(
        "cannot change the memory of process {pid}: {error} (needs root, or CAP_SYS_PTRACE in a \
         container)"
    );
    Failure::new(kind, message)
}
