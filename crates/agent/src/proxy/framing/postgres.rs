//! PostgreSQL's protocol 3 (PostgreSQL 15 documentation, chapter 55), simple and extended queries.
//!
//! A request is a simple query, a function call, or everything up to a Sync; its reply is all up to
//! ReadyForQuery. What comes before the first ReadyForQuery (startup and authentication) is
//! passed on as it is. COPY, replication and Flush make a connection opaque.

use std::collections::HashMap;

use super::{Cut, Framing, Request};

/// How many prepared statements are remembered.
const MOST_STATEMENTS: usize = 4096;

/// How long a remembered answer may be, in bytes.
const MOST_ANSWER: usize = 4096;

const WRITES: &[&str] = &["INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "COMMIT"];

/// One connection.
#[derive(Debug, Default)]
pub struct Postgres {
    /// The server has been ready once.
    ready: bool,
    /// The client asked for encryption; the answer is one byte.
    asked_for_tls: bool,
    /// In a transaction block, as the server last said: `I`, `T` or `E`.
    status: u8,
    /// The SQL of prepared statements by name, and how their columns are described.
    statements: HashMap<Vec<u8>, Statement>,
    /// What the server last said to SQL when it had changed a row.
    changes: HashMap<String, Change>,
    /// The name of the statement that the unnamed portal runs, by the last Bind.
    bound: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
struct Statement {
    sql: String,
    /// The size of each column's type, in bytes; negative if it varies.
    columns: Option<Vec<i16>>,
}

#[derive(Clone, Debug, Default)]
struct Change {
    /// The kinds of messages that asked.
    asked: Vec<u8>,
    said: Vec<u8>,
}

/// One message with a type.
struct Message<'a> {
    kind: u8,
    content: &'a [u8],
}

/// The first message; `None` if it is not complete, an error if its length makes no sense.
fn first(bytes: &[u8]) -> Option<Result<(Message<'_>, usize), ()>> {
    let length = usize::try_from(i32::from_be_bytes(*bytes.get(1..)?.first_chunk()?));
    match length {
        Ok(length @ 4..) if bytes.len() > length => {
            let content = &bytes[5..=length];
            Some(Ok((Message { kind: bytes[0], content }, length + 1)))
        }
        Ok(4..=0x4000_0000) => None,
        _ => Some(Err(())),
    }
}

/// Asks of one message after the other, with the length up to its end, where to cut.
fn walk(bytes: &[u8], mut cut: impl FnMut(&Message<'_>, usize) -> Option<Cut>) -> Cut {
    let mut length = 0;
    loop {
        let Some(rest) = bytes.get(length..) else { return Cut::Wait };
        let (message, more) = match first(rest) {
            Some(Ok(found)) => found,
            Some(Err(())) => return Cut::Opaque,
            None => return Cut::Wait,
        };
        length += more;
        if let Some(cut) = cut(&message, length) {
            return cut;
        }
    }
}

fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let (message, length) = first(bytes)?.ok()?;
        bytes = &bytes[length..];
        Some(message)
    })
}

fn message(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u32 + 4).to_be_bytes();
    [&[kind], &length[..], content].concat()
}

/// Up to the next zero byte, and what is after it.
fn text(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

fn short(bytes: &[u8]) -> Option<(i16, &[u8])> {
    let number = i16::from_be_bytes(*bytes.first_chunk()?);
    Some((number, &bytes[2..]))
}

/// Its first word in capitals, without comments.
fn word(sql: &str) -> String {
    let mut sql = sql.trim_start();
    while let Some((_, rest)) = sql.strip_prefix("/*").and_then(|rest| rest.split_once("*/")) {
        sql = rest.trim_start();
    }
    let end = sql.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(sql.len());
    sql[..end].to_ascii_uppercase()
}

/// What it does: its first word, or of WITH that of the change in it.
fn verb(sql: &str) -> String {
    let first = word(sql);
    if first != "WITH" {
        return first;
    }
    let inner = sql.split('(').skip(1).map(word);
    let change = inner.into_iter().find(|word| WRITES[..4].contains(&word.as_str()));
    change.unwrap_or_else(|| "SELECT".to_owned())
}

fn kinds(bytes: &[u8]) -> Vec<u8> {
    messages(bytes).map(|told| told.kind).collect()
}

impl Framing for Postgres {
    fn request(&mut self, bytes: &[u8]) -> Cut {
        if !self.ready {
            // Startup, TLS and cancel requests have no type; passwords have. None is of interest.
            let code = bytes.get(4..).and_then(|rest| rest.first_chunk());
            self.asked_for_tls |= code
                .is_some_and(|code| matches!(i32::from_be_bytes(*code), 80_877_103 | 80_877_104));
            return Cut::Aside(bytes.len());
        }
        walk(bytes, |message, length| match message.kind {
            b'Q' if is_stream(message.content) => Some(Cut::Opaque),
            b'Q' | b'F' | b'S' => Some(Cut::Message(length)),
            b'X' => Some(Cut::Aside(length)),
            b'P' | b'B' | b'D' | b'E' | b'C' => None,
            _ => Some(Cut::Opaque),
        })
    }

    fn reply(&mut self, bytes: &[u8], to: Option<&Request>) -> Cut {
        if std::mem::take(&mut self.asked_for_tls) {
            return match bytes.first() {
                Some(b'N') => Cut::Aside(1),
                // From here on it is encrypted, or an old server's error.
                _ => Cut::Opaque,
            };
        }
        walk(bytes, |message, length| match message.kind {
            b'Z' => {
                self.status = message.content.first().copied().unwrap_or(b'I');
                let startup = !std::mem::replace(&mut self.ready, true);
                let nobody = startup || to.is_none();
                Some(if nobody { Cut::Aside(length) } else { Cut::Message(length) })
            }
            b'G' | b'H' | b'W' => Some(Cut::Opaque),
            _ if !self.ready || to.is_none() => Some(Cut::Aside(length)),
            _ => None,
        })
    }

    fn describe(&mut self, bytes: &[u8]) -> Request {
        let mut sql = String::new();
        for message in messages(bytes) {
            match message.kind {
                b'Q' => sql = String::from_utf8_lossy(text(message.content).0).into_owned(),
                b'P' => {
                    let (name, rest) = text(message.content);
                    let parsed = String::from_utf8_lossy(text(rest).0).into_owned();
                    if self.statements.len() < MOST_STATEMENTS {
                        let statement = Statement { sql: parsed, columns: None };
                        self.statements.insert(name.to_vec(), statement);
                    }
                }
                b'B' => self.bound = text(text(message.content).1).0.to_vec(),
                b'E' => {
                    let statement = self.statements.get(&self.bound);
                    sql = statement.map(|known| known.sql.clone()).unwrap_or_default();
                }
                _ => {}
            }
        }
        let word = verb(&sql);
        let writes = WRITES.contains(&word.as_str());
        // What was begun before cannot be told from outside, so it is left alone.
        let several = sql.trim_end().trim_end_matches(';').contains(';');
        let alone = self.status == b'I' && word != "BEGIN" && word != "START" && !several;
        Request { word, writes, alone, bytes: bytes.to_vec() }
    }

    fn learn(&mut self, request: &Request, reply: &[u8]) {
        // The values of a simple query stand in its text: nobody asks for the same again.
        if !is_simple(request) && request.writes && request.alone && has_changed(reply) {
            let sql = self.sql(request);
            if self.changes.len() < MOST_STATEMENTS || self.changes.contains_key(&sql) {
                let change = Change { asked: kinds(&request.bytes), said: reply.to_vec() };
                self.changes.insert(sql, change);
            }
        }
        let mut described = messages(&request.bytes)
            .filter(|message| message.kind == b'D' && message.content.first() == Some(&b'S'));
        let Some(name) = described.next().map(|message| text(&message.content[1..]).0) else {
            return;
        };
        let columns = messages(reply).find(|message| message.kind == b'T').and_then(columns);
        if let Some(statement) = self.statements.get_mut(name) {
            statement.columns = columns;
        }
    }

    fn acknowledgement(&self, request: &Request) -> Option<Vec<u8>> {
        if !(request.alone && request.writes) {
            return None;
        }
        let sql = self.sql(request);
        made(request, &sql).or_else(|| self.remembered(request, &sql))
    }

    /// "Query canceled": an error that does not end the connection.
    fn refusal(&self, request: &Request, text: &str) -> Option<Vec<u8>> {
        let fields = format!("SERROR\0VERROR\0C57014\0M{text}\0\0");
        let error = message(b'E', fields.as_bytes());
        request.alone.then(|| [error, message(b'Z', b"I")].concat())
    }

    fn with_default(&self, request: &Request, reply: &[u8], value: &str) -> Option<Vec<u8>> {
        if request.word != "SELECT" || messages(reply).any(|message| message.kind == b'D') {
            return None;
        }
        let said = messages(reply).find(|message| message.kind == b'T').and_then(columns);
        let statement = self.statements.get(&self.statement(request)?);
        let columns = said.or_else(|| statement.and_then(|known| known.columns.clone()))?;
        let binary = binary(&request.bytes);
        let mut row = (columns.len() as i16).to_be_bytes().to_vec();
        for size in columns {
            let field = match usize::try_from(size) {
                Ok(size) if binary => vec![0; size],
                _ => value.as_bytes().to_vec(),
            };
            row.extend((field.len() as u32).to_be_bytes());
            row.extend(field);
        }
        let mut lie = Vec::new();
        for told in messages(reply) {
            match told.kind {
                b'C' if told.content == b"SELECT 0\0" => {
                    lie.extend(message(b'D', &row));
                    lie.extend(message(b'C', b"SELECT 1\0"));
                }
                b'C' | b'E' => return None,
                kind => lie.extend(message(kind, told.content)),
            }
        }
        Some(lie)
    }

    /// A statement with a name cannot be prepared twice: only the rest is repeated.
    fn copy(&self, request: &Request) -> Vec<u8> {
        let named = |told: &Message<'_>| told.kind == b'P' && told.content.first() != Some(&0);
        let kept = messages(&request.bytes).filter(|told| !named(told));
        kept.flat_map(|told| message(told.kind, told.content)).collect()
    }
}

impl Postgres {
    /// The name of the statement that a request runs; the empty one for a simple query.
    fn statement(&self, request: &Request) -> Option<Vec<u8>> {
        if is_simple(request) {
            return Some(Vec::new());
        }
        let bind = messages(&request.bytes).find(|told| told.kind == b'B')?;
        Some(text(text(bind.content).1).0.to_vec())
    }

    /// What the server said of the same statement when it had changed a row: true then.
    fn remembered(&self, request: &Request, sql: &str) -> Option<Vec<u8>> {
        let change = self.changes.get(sql)?;
        (change.asked == kinds(&request.bytes)).then(|| change.said.clone())
    }

    fn sql(&self, request: &Request) -> String {
        let simple = messages(&request.bytes).find(|told| told.kind == b'Q');
        if let Some(simple) = simple {
            return String::from_utf8_lossy(text(simple.content).0).into_owned();
        }
        let statement = self.statement(request).and_then(|name| self.statements.get(&name));
        statement.map(|known| known.sql.clone()).unwrap_or_default()
    }
}

/// An acknowledgement that needs no server: of a change that returns nothing.
fn made(request: &Request, sql: &str) -> Option<Vec<u8>> {
    let tag: &[u8] = match word(sql).as_str() {
        "INSERT" => b"INSERT 0 1\0",
        "UPDATE" => b"UPDATE 1\0",
        "DELETE" => b"DELETE 1\0",
        "MERGE" => b"MERGE 1\0",
        _ => return None,
    };
    let mut reply = Vec::new();
    for asked in messages(&request.bytes) {
        reply.extend(match asked.kind {
            b'Q' | b'E' => message(b'C', tag),
            b'P' => message(b'1', b""),
            b'B' => message(b'2', b""),
            b'C' => message(b'3', b""),
            b'S' => Vec::new(),
            // Only the server knows what there is to describe.
            _ => return None,
        });
    }
    let returns = sql.to_ascii_uppercase().contains("RETURNING");
    reply.extend(message(b'Z', b"I"));
    (!returns).then_some(reply)
}

/// Does a reply tell of no error, and of a row that does not begin with the text "0"? Statements
/// that answer with the number of their changes say so of none.
fn has_changed(reply: &[u8]) -> bool {
    let rows: Vec<Message<'_>> = messages(reply).filter(|told| told.kind == b'D').collect();
    let none = |row: &Message<'_>| row.content.get(2..7) == Some(b"\0\0\0\x010");
    let failed = messages(reply).any(|told| told.kind == b'E');
    !failed && reply.len() <= MOST_ANSWER && rows.first().is_some_and(|row| !none(row))
}

fn is_simple(request: &Request) -> bool {
    request.bytes.first() == Some(&b'Q')
}

fn is_stream(query: &[u8]) -> bool {
    let word = word(&String::from_utf8_lossy(text(query).0));
    matches!(word.as_str(), "COPY" | "START_REPLICATION" | "BASE_BACKUP")
}

/// The sizes of the types in a RowDescription.
fn columns(row: Message<'_>) -> Option<Vec<i16>> {
    let (count, mut rest) = short(row.content)?;
    let mut sizes = Vec::new();
    for _ in 0..count {
        // Name; table, column, type; size; modifier, format.
        let after = text(rest).1;
        sizes.push(short(after.get(10..)?)?.0);
        rest = after.get(18..)?;
    }
    Some(sizes)
}

/// Does a Bind in there ask for binary results?
fn binary(bytes: &[u8]) -> bool {
    let Some(bind) = messages(bytes).find(|told| told.kind == b'B') else { return false };
    let formats = || {
        let rest = text(text(bind.content).1).1;
        let (count, rest) = short(rest)?;
        let (values, mut rest) = short(rest.get(2 * usize::try_from(count).ok()?..)?)?;
        for _ in 0..values {
            let length = i32::from_be_bytes(*rest.first_chunk()?);
            rest = rest.get(4 + usize::try_from(length.max(0)).ok()?..)?;
        }
        let (count, rest) = short(rest)?;
        (count > 0).then(|| short(rest).map(|(format, _)| format)).flatten()
    };
    formats() == Some(1)
}

#[cfg(test)]
#[path = "postgres_tests.rs"]
mod tests;
