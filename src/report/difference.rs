//! Two stretches of bytes side by side: as text and in hex, with what differs marked.

use serde::Serialize;

use super::escape;

/// How many bytes a line of hex has, and how many are shown of each side.
const LINE: usize = 16;
const MOST_SHOWN: usize = 64;

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// What it says.
    pub text: String,
    /// Is it different on the other side?
    pub differs: bool,
}

/// One side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// As text; bytes that are none as `\xNN`.
    pub text: Vec<Piece>,
    /// In hex: where a line begins, and its pieces.
    pub hex: Vec<(String, Vec<Piece>)>,
    /// How many bytes there are, and which of them are shown, if not all.
    pub note: String,
}

/// Both sides. They are compared byte by byte if they are equally long; else whatever is not common
/// at both ends is different.
pub fn sides(before: &[u8], after: &[u8]) -> (Side, Side) {
    let common = |left: &[u8], right: &[u8]| {
        let pairs = left.iter().zip(right);
        pairs.take_while(|(left, right)| left == right).count()
    };
    let head = common(before, after);
    let rest = before.len().min(after.len()) - head;
    let reversed = |bytes: &[u8]| bytes.iter().rev().take(rest).copied().collect::<Vec<u8>>();
    let tail = common(&reversed(before), &reversed(after));
    let differs = |bytes: &[u8], other: &[u8]| -> Vec<bool> {
        let within = |at: usize| (head..bytes.len() - tail).contains(&at);
        let same = |at: usize| bytes.len() == other.len() && bytes[at] == other[at];
        (0..bytes.len()).map(|at| within(at) && !same(at)).collect()
    };
    // A line before the first difference, so that it is seen where it stands.
    let from = (head / LINE).saturating_sub(1) * LINE;
    let longest = before.len().max(after.len());
    let from = if longest <= MOST_SHOWN { 0 } else { from.min(longest - MOST_SHOWN) / LINE * LINE };
    (side(before, &differs(before, after), from), side(after, &differs(after, before), from))
}

/// Both sides of what is not to be compared: a question and its answer.
pub fn apart(before: &[u8], after: &[u8]) -> (Side, Side) {
    let same = |bytes: &[u8]| vec![false; bytes.len()];
    (side(before, &same(before), 0), side(after, &same(after), 0))
}

fn side(bytes: &[u8], differs: &[bool], from: usize) -> Side {
    let from = from.min(bytes.len());
    let until = bytes.len().min(from + MOST_SHOWN);
    let hex = (from..until).step_by(LINE).map(|at| {
        let line = at..until.min(at + LINE);
        let number = |at: usize| format!("{:02x}", bytes[at]);
        (format!("{at:04x}"), pieces(line, differs, " ", number))
    });
    let hex = hex.collect();
    let total = super::format::counted(bytes.len() as u64, "byte", "bytes");
    let note = match (from, until) {
        (0, until) if until == bytes.len() => total,
        _ => format!("{total}, of which {from} to {until} are shown"),
    };
    Side { text: text(&bytes[from..until], &differs[from..until]), hex, note }
}

/// Runs of equal bytes and of different ones.
fn pieces(
    line: std::ops::Range<usize>,
    differs: &[bool],
    gap: &str,
    show: impl Fn(usize) -> String,
) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for at in line {
        match pieces.last_mut() {
            Some(last) if last.differs == differs[at] => {
                last.text.push_str(gap);
                last.text.push_str(&show(at));
            }
            _ => pieces.push(Piece { text: show(at), differs: differs[at] }),
        }
    }
    pieces
}

/// As text. A character of several bytes differs if one of them does.
fn text(bytes: &[u8], differs: &[bool]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut push = |text: &str, differs: bool| match pieces.last_mut() {
        Some(last) if last.differs == differs => last.text.push_str(text),
        _ => pieces.push(Piece { text: text.into(), differs }),
    };
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let end = at + c.len_utf8();
            push(c.encode_utf8(&mut [0; 4]), differs[at..end].contains(&true));
            at = end;
        }
        for byte in chunk.invalid() {
            push(&escape::lossy(&[*byte]), differs[at]);
            at += 1;
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(pieces: &[Piece]) -> String {
        let show = |piece: &Piece| match piece.differs {
            true => format!("[{}]", piece.text),
            false => piece.text.clone(),
        };
        pieces.iter().map(show).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn what_differs_is_marked_on_both_sides() {
        let (before, after) = sides(b"abcd", b"abXd");
        assert_eq!(marked(&before.text), "ab|[c]|d");
        assert_eq!(marked(&after.text), "ab|[X]|d");
        assert_eq!(after.hex, [("0000".into(), after.hex[0].1.clone())]);
        assert_eq!(marked(&after.hex[0].1), "61 62|[58]|64");
        assert_eq!(after.note, "4 bytes");
    }

    #[test]
    fn what_is_longer_differs_in_its_middle() {
        let (before, after) = sides(b"GET k", b"GET long k");
        assert_eq!(marked(&before.text), "GET k");
        assert_eq!(marked(&after.text), "GET |[long ]|k");
        let (before, after) = sides(b"SET k v", b"");
        assert_eq!((marked(&before.text).as_str(), after.text.len()), ("[SET k v]", 0));
        assert_eq!(after.note, "0 bytes");
        let (before, after) = sides(b"aa", b"aaa");
        assert_eq!((marked(&before.text).as_str(), marked(&after.text).as_str()), ("aa", "aa|[a]"));
    }

    #[test]
    fn a_long_stretch_is_shown_where_it_differs() {
        let mut after = vec![b'a'; 256];
        after[100] = 0xff;
        let (before, after) = sides(&[b'a'; 256], &after);
        assert_eq!(after.note, "256 bytes, of which 80 to 144 are shown");
        assert!(marked(&after.text).contains("|[\\xff]|"));
        assert_eq!((before.hex.len(), after.hex.len()), (4, 4));
        assert_eq!(after.hex[0].0, "0050");
        assert_eq!(marked(&after.hex[1].1), "61 61 61 61|[ff]|61 61 61 61 61 61 61 61 61 61 61");
    }
}
