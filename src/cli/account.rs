//! The accounting of a run: what became of its lies, from the ground truth, the history and the
//! logs in its folder.

use std::io::{BufRead, BufReader};

use perjury_checkers::{Claimed, Truth, account, charged, of_own_copies};
use perjury_history::{
    Accounting, CorruptionMade, Fate, Finding, History, LieFate, LieTold, Nanos, Node, NodeName,
    Notice, NoticedBy,
};

use crate::config::RunSpec;
use crate::databases::{Claims, Sign};
use crate::store::{RunFolder, StoreError, read_ledger};

/// So many lines of one log are kept for each sign.
const MOST_LINES: usize = 3;

/// The ground truth of a run.
pub(super) struct Ledgers {
    lies: Vec<LieTold>,
    corruptions: Vec<CorruptionMade>,
}

impl Ledgers {
    /// # Errors
    /// A ledger is damaged.
    pub(super) fn read(folder: &RunFolder) -> Result<Ledgers, StoreError> {
        let lies = read_ledger(&folder.lies_path())?;
        let corruptions = read_ledger(&folder.corruptions_path())?;
        Ok(Ledgers { lies, corruptions })
    }

    fn truth(&self) -> Truth<'_> {
        Truth { lies: &self.lies, corruptions: &self.corruptions }
    }

    /// Why an anomaly is beyond the bound, if it is.
    pub(super) fn beyond(&self, claims: &Claims, history: &History) -> Option<String> {
        let charged = charged(history, self.truth());
        let names = charged.iter().map(NodeName::as_str).collect::<Vec<_>>().join(", ");
        let nodes = nodes(history).len();
        let bound = claims.byzantine.most(nodes);
        let count = charged.len();
        (count > bound).then(|| {
            format!(
                "beyond the bound: {names} lied or was corrupted, {count} in all, and it claims to \
                 withstand {bound}"
            )
        })
    }

    /// Why the promise says nothing of what was found: some lies were told to a node in its
    /// clients' names, or nothing was false but what faulty nodes say alone.
    pub(super) fn uncovered(
        &self,
        claims: &Claims,
        history: &History,
        findings: &[Finding],
    ) -> Option<String> {
        let nodes = nodes(history);
        let withstood = claims.byzantine.most(nodes.len());
        let charged = charged(history, self.truth());
        if (1..=withstood).contains(&charged.len()) && of_own_copies(history, findings, &charged) {
            let names = charged.iter().map(NodeName::as_str).collect::<Vec<_>>().join(", ");
            return Some(format!(
                "nothing is false but the own copy of {names}: the promise is about what more \
                 than {withstood} of the nodes say"
            ));
        }
        let is_node = |address| nodes.iter().any(|node| node.address == address);
        let to_node = |lie: &LieTold| lie.request && !lie.outgoing && !is_node(lie.dialler.ip());
        claims.requests.clone().filter(|_| self.lies.iter().any(to_node))
    }

    /// What became of the lies, beside what is claimed and whether that exempts what was found.
    pub(super) fn account(
        &self,
        folder: &RunFolder,
        history: &History,
        findings: &[Finding],
        spec: Option<&RunSpec>,
        claims: Option<&Claims>,
        exempt: bool,
    ) -> Option<Accounting> {
        let signs = spec.map(|spec| spec.database.build().signs()).unwrap_or_default();
        let words: Vec<&str> = signs.iter().map(|sign| sign.part).collect();
        let nodes = nodes(history).len();
        let claimed = Claimed {
            bound: claims.map_or(0, |claims| claims.byzantine.most(nodes)),
            exempt,
            signs: &words,
            logged: logged(folder, signs),
        };
        account(history, findings, self.truth(), &claimed)
    }
}

fn nodes(history: &History) -> &[Node] {
    history.header.as_ref().map_or(&[], |header| &header.nodes.nodes)
}

/// The lines of the collected logs with a sign in them.
fn logged(folder: &RunFolder, signs: &[Sign]) -> Vec<Notice> {
    let mut all = Vec::new();
    for (node, name, path) in folder.node_files() {
        let is_log = name.ends_with(".log");
        let Some(file) = std::fs::File::open(path).ok().filter(|_| is_log && !signs.is_empty())
        else {
            continue;
        };
        let mut seen = vec![0; signs.len()];
        // A log is bytes of the database's: what is no text is none of its signs.
        for line in BufReader::new(file).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            let Some(at) = signs.iter().position(|sign| sign.is_in(&line)) else {
                continue;
            };
            seen[at] += 1;
            if seen[at] <= MOST_LINES {
                let node = NodeName::from(node.as_str());
                let text = line.trim().to_owned();
                all.push(Notice { node, by: NoticedBy::Log, time: None, text });
            }
        }
    }
    all
}

/// The accounting for a person, a line each.
pub(super) fn lines(accounting: &Accounting) -> Vec<String> {
    let mut lines: Vec<String> = accounting.lies.iter().map(line).collect();
    for untold in &accounting.untold {
        lines.push(format!("{}: not tested: {}", untold.fault, untold.reason));
    }
    let names = accounting.charged.iter().map(NodeName::as_str).collect::<Vec<_>>().join(", ");
    if !accounting.charged.is_empty() {
        lines.push(format!(
            "charged: {names}: {} of {} nodes; claimed to be withstood: {}",
            accounting.charged.len(),
            accounting.nodes,
            accounting.claimed
        ));
    }
    if let Some(first) = accounting.first_told {
        let since = |time: Option<Nanos>| match time {
            Some(time) => format!("{:.3} s", time.saturating_sub(first) as f64 / 1e9),
            None => "never".to_owned(),
        };
        // A line of a log and the end of a process have no time of the controller's.
        let noticed = match accounting.first_noticed {
            None if accounting.lies.iter().any(|lie| !lie.noticed.is_empty()) => {
                "in no answer".to_owned()
            }
            time => since(time),
        };
        let (seen, proved) = (since(accounting.first_seen), since(accounting.first_proved));
        lines.push(format!(
            "after the first lie: given to a client {seen}, noticed by the database {noticed}, \
             proved {proved}"
        ));
    }
    lines
}

fn line(lie: &LieFate) -> String {
    let class = lie.class.map(|class| format!(", {}", class.name())).unwrap_or_default();
    // What the database noticed is not counted lie by lie.
    let rest = match lie.fate {
        Fate::Rejected => String::new(),
        _ => format!(", {} masked, {} not reached", lie.masked, lie.not_reached),
    };
    format!(
        "{}: {} by {}: {} told, {} accepted{rest}: {}{class}",
        lie.fault,
        lie.lie,
        lie.node,
        lie.told,
        lie.accepted,
        lie.fate.name()
    )
}
