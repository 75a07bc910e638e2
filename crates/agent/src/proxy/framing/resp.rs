//! RESP2 and RESP3, as of the Redis serialization protocol specification (redis.io).

use super::{Cut, Framing, Request, line_end, number};

/// Nested deeper than this is not Redis.
const DEEPEST: usize = 16;

/// After these a connection has replies that nobody asked for, or other bytes altogether.
const STREAMS: &[&str] = &["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR", "PSYNC", "SYNC"];

/// Commands that change something, by what they answer: `OK`, or a number.
const SAY_OK: &[&str] = &["SET", "MSET", "HMSET", "LSET", "LTRIM", "RENAME", "SETEX", "PSETEX"];
const SAY_ONE: &[&str] = &[
    "DEL", "UNLINK", "INCR", "DECR", "INCRBY", "DECRBY", "APPEND", "SETNX", "MSETNX", "SADD",
    "SREM", "SMOVE", "LPUSH", "RPUSH", "LPUSHX", "RPUSHX", "LREM", "LINSERT", "HSET", "HDEL",
    "HSETNX", "HINCRBY", "ZADD", "ZREM", "EXPIRE", "PEXPIRE", "PERSIST",
];

/// Commands that change something and answer what only the server knows.
const SAY_MORE: &[&str] = &[
    "GETSET",
    "GETDEL",
    "GETEX",
    "SPOP",
    "LPOP",
    "RPOP",
    "LMOVE",
    "RPOPLPUSH",
    "INCRBYFLOAT",
    "HINCRBYFLOAT",
    "ZINCRBY",
    "ZPOPMIN",
    "ZPOPMAX",
    "XADD",
    "EVAL",
    "EVALSHA",
    "FCALL",
    "EXEC",
];

/// One connection.
#[derive(Debug, Default)]
pub struct Resp {
    /// Between MULTI and EXEC: what is asked is only queued.
    in_transaction: bool,
}

impl Framing for Resp {
    fn request(&mut self, bytes: &[u8]) -> Cut {
        if bytes.first() != Some(&b'*') {
            // An inline command. An empty line is ignored by the server.
            return match line_end(bytes) {
                Some(0) => Cut::Aside(2),
                Some(end) if is_stream(&words(&bytes[..end + 2])) => Cut::Opaque,
                Some(end) => Cut::Message(end + 2),
                None => Cut::Wait,
            };
        }
        match value(bytes, 0) {
            Some(Ok(length)) if is_stream(&words(&bytes[..length])) => Cut::Opaque,
            Some(Ok(length)) => Cut::Message(length),
            Some(Err(())) => Cut::Opaque,
            None => Cut::Wait,
        }
    }

    fn reply(&mut self, bytes: &[u8], to: Option<&Request>) -> Cut {
        match value(bytes, 0) {
            Some(Ok(length)) if bytes[0] == b'>' || to.is_none() => Cut::Aside(length),
            Some(Ok(length)) => Cut::Message(length),
            Some(Err(())) => Cut::Opaque,
            None => Cut::Wait,
        }
    }

    fn describe(&mut self, bytes: &[u8]) -> Request {
        let words = words(bytes);
        let word = words.first().cloned().unwrap_or_default().to_ascii_uppercase();
        let is = |list: &[&str]| list.contains(&word.as_str());
        let writes = is(SAY_OK) || is(SAY_ONE) || is(SAY_MORE);
        let alone = !self.in_transaction && word != "MULTI";
        match word.as_str() {
            "MULTI" => self.in_transaction = true,
            "EXEC" | "DISCARD" => self.in_transaction = false,
            _ => {}
        }
        let alone = alone && !matches!(word.as_str(), "EXEC" | "DISCARD" | "WATCH" | "RESET");
        Request { word, writes, alone, bytes: bytes.to_vec() }
    }

    fn learn(&mut self, _request: &Request, _reply: &[u8]) {}

    fn acknowledgement(&self, request: &Request) -> Option<Vec<u8>> {
        let is = |list: &[&str]| list.contains(&request.word.as_str());
        let words = words(&request.bytes);
        // With GET or a condition, SET answers what only the server knows.
        let plain = request.word != "SET"
            || !words[1..].iter().skip(2).any(|word| {
                ["GET", "NX", "XX"].iter().any(|option| word.eq_ignore_ascii_case(option))
            });
        match () {
            () if !request.alone || !plain => None,
            () if is(SAY_OK) => Some(b"+OK\r\n".to_vec()),
            () if is(SAY_ONE) => Some(b":1\r\n".to_vec()),
            () => None,
        }
    }

    fn with_default(&self, request: &Request, reply: &[u8], value: &str) -> Option<Vec<u8>> {
        let absent = matches!(reply, b"$-1\r\n" | b"*-1\r\n" | b"_\r\n");
        let reads = matches!(request.word.as_str(), "GET" | "HGET" | "GETRANGE" | "LINDEX");
        (absent && reads).then(|| format!("${}\r\n{value}\r\n", value.len()).into_bytes())
    }

    fn refusal(&self, request: &Request, text: &str) -> Option<Vec<u8>> {
        // An error is a line.
        let line: String = text.chars().filter(|letter| !letter.is_control()).collect();
        request.alone.then(|| format!("-{line}\r\n").into_bytes())
    }
}

/// The length of the first value. `None` if it is not complete; an error if it is none.
fn value(bytes: &[u8], depth: usize) -> Option<Result<usize, ()>> {
    let kind = *bytes.first()?;
    if depth > DEEPEST || !b"+-:$*_,#!=(%~>|".contains(&kind) {
        return Some(Err(()));
    }
    let line = line_end(bytes)?;
    let count = number(&bytes[1..line]);
    let start = line + 2;
    match (kind, count) {
        (b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(', _) => Some(Ok(start)),
        (b'$' | b'!' | b'=' | b'*' | b'%' | b'~' | b'>' | b'|', Some(-1)) => Some(Ok(start)),
        (b'$' | b'!' | b'=', Some(length @ 0..=0x4000_0000)) => {
            let end = start + usize::try_from(length).ok()? + 2;
            (bytes.len() >= end).then_some(Ok(end))
        }
        (b'*' | b'%' | b'~' | b'>' | b'|', Some(count @ 0..=0x1000_0000)) => {
            // A map has two values for each entry; attributes are followed by what they describe.
            let count = match kind {
                b'%' => 2 * count,
                b'|' => 2 * count + 1,
                _ => count,
            };
            let mut end = start;
            for _ in 0..count {
                match value(bytes.get(end..)?, depth + 1)? {
                    Ok(length) => end += length,
                    Err(()) => return Some(Err(())),
                }
            }
            Some(Ok(end))
        }
        _ => Some(Err(())),
    }
}

/// The words of a whole request.
fn words(bytes: &[u8]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if bytes.first() != Some(&b'*') {
        return text(bytes).split_whitespace().map(str::to_owned).collect();
    }
    let mut words = Vec::new();
    let mut rest = &bytes[line_end(bytes).map_or(bytes.len(), |end| end + 2)..];
    while let (Some(b'$'), Some(line)) = (rest.first(), line_end(rest)) {
        let Some(length) = number(&rest[1..line]).and_then(|n| usize::try_from(n).ok()) else {
            break;
        };
        let Some(word) = rest.get(line + 2..line + 2 + length) else { break };
        words.push(text(word));
        rest = rest.get(line + 4 + length..).unwrap_or_default();
    }
    words
}

fn is_stream(words: &[String]) -> bool {
    let word = words.first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
    STREAMS.contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_where_they_end_and_not_before() {
        for text in [
            "+OK\r\n",
            "-ERR no\r\n",
            ":12\r\n",
            "$3\r\na\r\n\r\n",
            "$-1\r\n",
            "*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
            "%1\r\n+k\r\n,1.5\r\n",
            "|1\r\n+ttl\r\n:3\r\n$1\r\na\r\n",
            "=7\r\ntxt:abc\r\n",
        ] {
            for end in 0..text.len() {
                assert_eq!(value(&text.as_bytes()[..end], 0), None, "{text:?} up to {end}");
            }
            let more = format!("{text}+more\r\n");
            assert_eq!(value(more.as_bytes(), 0), Some(Ok(text.len())), "{text:?}");
        }
        assert_eq!(value(b"HTTP/1.1 400\r\n", 0), Some(Err(())));
    }

    #[test]
    fn commands_are_known_in_either_form() {
        let mut resp = Resp::default();
        let get = resp.describe(b"*2\r\n$3\r\nget\r\n$1\r\nk\r\n");
        assert_eq!((get.word.as_str(), get.writes, get.alone), ("GET", false, true));
        let set = resp.describe(b"set k v\r\n");
        assert_eq!(resp.acknowledgement(&set).as_deref(), Some(&b"+OK\r\n"[..]));
        let swap = resp.describe(b"set k v GET\r\n");
        assert_eq!(resp.acknowledgement(&swap), None);
        resp.describe(b"MULTI\r\n");
        let queued = resp.describe(b"set k v\r\n");
        assert_eq!((queued.alone, resp.acknowledgement(&queued)), (false, None));
        assert_eq!(resp.request(b"*1\r\n$9\r\nSUBSCRIBE\r\n"), Cut::Opaque);
    }
}
