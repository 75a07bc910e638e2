//! The ends of the nodes' logs. Nothing here is trusted: not the content, not the names, not that
//! a file is a file.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde::Serialize;

use super::escape;
use super::format;
use crate::store::RunFolder;

/// How much of one file is read, how many lines and how long they are.
const MOST_BYTES: u64 = 64 << 10;
const MOST_LINES: usize = 200;
const LONGEST_LINE: usize = 1000;
/// How much all logs may take in the page, after escaping.
const BUDGET: usize = 3 << 19;
/// How many files are listed.
const MOST_FILES: usize = 300;

/// The logs of one node.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct NodeLogs {
    node: String,
    files: Vec<LogFile>,
}

/// The end of one file.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct LogFile {
    name: String,
    size: String,
    /// What is shown; `None` if nothing is.
    text: Option<String>,
    /// What is not shown, or why nothing is.
    notice: Option<String>,
}

/// The logs of a run, node by node, and how many files are left out.
pub fn logs(folder: &RunFolder) -> (Vec<NodeLogs>, usize) {
    let files = folder.node_files();
    let left_out = files.len().saturating_sub(MOST_FILES);
    let listed = files.len().min(MOST_FILES);
    // Every file gets its share, so that a loud one does not silence the others.
    let share = (BUDGET / listed.max(1)).min(BUDGET / 8);
    let mut nodes: Vec<NodeLogs> = Vec::new();
    for (node, name, path) in files.into_iter().take(listed) {
        let file = log_file(&name, &path, share);
        match nodes.last_mut().filter(|last| last.node == node) {
            Some(last) => last.files.push(file),
            None => nodes.push(NodeLogs { node, files: vec![file] }),
        }
    }
    (nodes, left_out)
}

fn log_file(name: &str, path: &Path, share: usize) -> LogFile {
    let file = |size, text, notice| LogFile { name: name.to_owned(), size, text, notice };
    let nothing = |what: String| file("–".into(), None, Some(what));
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() => match tail(path, meta.len()) {
            Ok(bytes) => {
                let (text, notice) = text(&bytes, meta.len(), share);
                file(format::bytes(meta.len()), text, notice)
            }
            Err(error) => nothing(format!("cannot be read: {error}")),
        },
        Ok(_) => nothing("not a file: not opened".into()),
        Err(error) => nothing(format!("cannot be read: {error}")),
    }
}

fn tail(path: &Path, size: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(size.saturating_sub(MOST_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The last lines that fit into `share` bytes of the page, and what is missing before them.
fn text(bytes: &[u8], size: u64, share: usize) -> (Option<String>, Option<String>) {
    if bytes.is_empty() {
        return (None, Some("empty".into()));
    }
    let begins = bytes.len() as u64 == size;
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    lines.pop_if(|line| line.is_empty());
    // The first line of a tail is part of one, unless it is all there is.
    let mut cut = !begins;
    if cut && lines.len() > 1 {
        lines.remove(0);
    }
    let mut kept: Vec<String> = Vec::new();
    let mut room = share;
    for line in lines.iter().rev() {
        let line = escape::clip(&escape::lossy(line), LONGEST_LINE);
        let mut page = String::new();
        escape::push_html(&mut page, &line);
        if kept.len() == MOST_LINES || page.len() >= room {
            cut = true;
            break;
        }
        room -= page.len() + 1;
        kept.push(line);
    }
    kept.reverse();
    let many = format::counted(kept.len() as u64, "line", "lines");
    let notice = cut.then(|| format!("only the last {many}"));
    (Some(kept.join("\n")), notice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_what_is_kept() {
        let log: String = (0..1000).map(|at| format!("line {at}\n")).collect();
        let (shown, notice) = text(log.as_bytes(), log.len() as u64, BUDGET);
        let shown = shown.unwrap();
        assert!(shown.starts_with("line 800\n") && shown.ends_with("\nline 999"), "{shown}");
        assert!(notice.unwrap().contains("last 200 lines"));
        let (shown, notice) = text(b"a\nb", 3, BUDGET);
        assert_eq!((shown.as_deref(), notice), (Some("a\nb"), None));
    }

    #[test]
    fn what_grows_by_escaping_keeps_its_share() {
        let log = format!("{}\n", "\"".repeat(500)).repeat(100);
        let (shown, notice) = text(log.as_bytes(), log.len() as u64, 10_000);
        assert_eq!(shown.unwrap().lines().count(), 3);
        assert!(notice.is_some());
    }

    #[test]
    fn half_a_line_is_not_shown() {
        let (shown, _) = text(b"rest of it\nwhole", 1 << 20, BUDGET);
        assert_eq!(shown.as_deref(), Some("whole"));
    }
}
