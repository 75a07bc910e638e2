use super::*;

fn ready(status: u8) -> Vec<u8> {
    message(b'Z', &[status])
}

/// A connection after its startup.
fn started() -> Postgres {
    let mut postgres = Postgres::default();
    assert_eq!(postgres.request(b"\0\0\0\x08\x04\xd2\x16\x2f"), Cut::Aside(8));
    assert_eq!(postgres.reply(b"N", None), Cut::Aside(1));
    let startup = b"\0\0\0\x0fuser\0me\0\0";
    assert_eq!(postgres.request(startup), Cut::Aside(startup.len()));
    let hello = [message(b'R', &[0; 4]), ready(b'I')].concat();
    assert_eq!(postgres.reply(&hello, None), Cut::Aside(9));
    assert_eq!(postgres.reply(&hello[9..], None), Cut::Aside(6));
    postgres
}

fn query(sql: &str) -> Vec<u8> {
    message(b'Q', &[sql.as_bytes(), b"\0"].concat())
}

fn extended(name: &str, sql: Option<&str>, format: i16) -> Vec<u8> {
    let name = [name.as_bytes(), b"\0"].concat();
    let mut bytes = Vec::new();
    if let Some(sql) = sql {
        let content = [&name[..], sql.as_bytes(), b"\0\0\0"].concat();
        bytes.extend(message(b'P', &content));
    }
    let formats = [&[0, 1][..], &format.to_be_bytes()].concat();
    bytes.extend(message(b'B', &[b"\0", &name[..], &[0; 4], &formats].concat()));
    bytes.extend(message(b'E', b"\0\0\0\0\0"));
    bytes.extend(message(b'S', b""));
    bytes
}

fn row_description(size: i16) -> Vec<u8> {
    let mut content = vec![0, 1];
    content.extend(b"v\0");
    content.extend([0; 10]);
    content.extend(size.to_be_bytes());
    content.extend([0; 6]);
    message(b'T', &content)
}

#[test]
fn a_request_ends_with_its_query_or_sync_and_a_reply_with_ready() {
    for bytes in [query("SELECT 1"), extended("", Some("SELECT 1"), 0)] {
        let mut postgres = started();
        for end in 0..bytes.len() {
            assert_eq!(postgres.request(&bytes[..end]), Cut::Wait, "up to {end}");
        }
        let more = [&bytes[..], b"Q"].concat();
        assert_eq!(postgres.request(&more), Cut::Message(bytes.len()));
        let request = postgres.describe(&bytes);
        assert_eq!((request.word.as_str(), request.writes, request.alone), ("SELECT", false, true));
        let reply = [message(b'C', b"SELECT 0\0"), ready(b'I')].concat();
        for end in 0..reply.len() {
            assert_eq!(postgres.reply(&reply[..end], Some(&request)), Cut::Wait);
        }
        assert_eq!(postgres.reply(&reply, Some(&request)), Cut::Message(reply.len()));
    }
    let copy = query("COPY t FROM STDIN");
    assert_eq!(started().request(&copy), Cut::Opaque);
    assert_eq!(started().request(&message(b'H', b"")), Cut::Opaque);
}

#[test]
fn encryption_makes_it_opaque() {
    let mut postgres = Postgres::default();
    postgres.request(b"\0\0\0\x08\x04\xd2\x16\x2f");
    assert_eq!(postgres.reply(b"S", None), Cut::Opaque);
}

#[test]
fn a_write_is_acknowledged_message_by_message() {
    let mut postgres = started();
    let simple = postgres.describe(&query("insert into t values (1)"));
    let wanted = [message(b'C', b"INSERT 0 1\0"), ready(b'I')].concat();
    assert_eq!(postgres.acknowledgement(&simple), Some(wanted));
    let parsed = postgres.describe(&extended("s1", Some("UPDATE t SET v = 1"), 0));
    assert!(parsed.writes);
    let wanted =
        [message(b'1', b""), message(b'2', b""), message(b'C', b"UPDATE 1\0"), ready(b'I')]
            .concat();
    assert_eq!(postgres.acknowledgement(&parsed), Some(wanted));
    assert_eq!(postgres.copy(&parsed), extended("s1", None, 0));
    let again = postgres.describe(&extended("s1", None, 0));
    assert_eq!(again.word, "UPDATE");
    let returning = postgres.describe(&query("INSERT INTO t VALUES (1) RETURNING id"));
    assert_eq!(postgres.acknowledgement(&returning), None);
    postgres.reply(&ready(b'T'), Some(&again));
    let inside = postgres.describe(&query("DELETE FROM t"));
    assert_eq!((inside.alone, postgres.acknowledgement(&inside)), (false, None));
}

#[test]
fn a_write_that_returns_rows_is_acknowledged_as_it_once_was() {
    let mut postgres = started();
    let sql =
        "WITH changed AS ( UPDATE t SET v = $1 RETURNING 1) SELECT count(*)::text FROM changed";
    let prepare = [b"s1\0", sql.as_bytes(), b"\0\0\0"].concat();
    postgres.describe(&[message(b'P', &prepare), message(b'S', b"")].concat());
    let mut run = || postgres.describe(&extended("s1", None, 0));
    let (first, second, third) = (run(), run(), run());
    assert_eq!((first.word.as_str(), first.writes, first.alone), ("UPDATE", true, true));
    assert_eq!(postgres.acknowledgement(&first), None, "nobody has seen an answer");
    let answer = |count: &[u8]| {
        let row = [b"\0\x01\0\0\0\x01", count].concat();
        let told = [message(b'2', b""), message(b'D', &row), message(b'C', b"SELECT 1\0")];
        [&told.concat()[..], &ready(b'I')].concat()
    };
    postgres.learn(&first, &answer(b"0"));
    assert_eq!(postgres.acknowledgement(&second), None, "it changed nothing");
    postgres.learn(&second, &answer(b"1"));
    assert_eq!(postgres.acknowledgement(&third), Some(answer(b"1")));
    let error = [message(b'E', b"SERROR\0\0"), ready(b'I')].concat();
    postgres.learn(&third, &error);
    assert_eq!(postgres.acknowledgement(&third), Some(answer(b"1")));
    let read = postgres.describe(&query("WITH t AS (SELECT 1) SELECT * FROM t"));
    assert_eq!((read.word.as_str(), read.writes), ("SELECT", false));
}

#[test]
fn no_row_becomes_one_row_in_the_form_that_was_asked_for() {
    let mut postgres = started();
    let request = postgres.describe(&query("SELECT v FROM t"));
    let none = [row_description(-1), message(b'C', b"SELECT 0\0"), ready(b'I')].concat();
    let one = [
        row_description(-1),
        message(b'D', b"\0\x01\0\0\0\x010"),
        message(b'C', b"SELECT 1\0"),
        ready(b'I'),
    ]
    .concat();
    assert_eq!(postgres.with_default(&request, &none, "0"), Some(one.clone()));
    assert_eq!(postgres.with_default(&request, &one, "0"), None);
    // Prepared and described first, then run with binary results.
    let prepare =
        [message(b'P', b"s1\0SELECT v FROM t\0\0\0"), message(b'D', b"Ss1\0"), message(b'S', b"")]
            .concat();
    let prepare = postgres.describe(&prepare);
    let described = [message(b'1', b""), row_description(8), ready(b'I')].concat();
    postgres.learn(&prepare, &described);
    let run = postgres.describe(&extended("s1", None, 1));
    let none = [message(b'2', b""), message(b'C', b"SELECT 0\0"), ready(b'I')].concat();
    let one = [
        message(b'2', b""),
        message(b'D', b"\0\x01\0\0\0\x08\0\0\0\0\0\0\0\0"),
        message(b'C', b"SELECT 1\0"),
        ready(b'I'),
    ]
    .concat();
    assert_eq!(postgres.with_default(&run, &none, "0"), Some(one));
}
