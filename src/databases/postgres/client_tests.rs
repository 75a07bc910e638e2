//! The client against a scripted server: what it makes of each answer, byte by byte.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use super::*;

/// One message of the protocol: a letter, a length that counts itself, a body.
fn message(letter: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[letter][..], &length.to_be_bytes(), body].concat()
}

/// What comes before the rows of a statement with two columns of text.
fn described() -> Vec<u8> {
    let column = |name: &[u8]| {
        let mut column = [name, &[0, 0, 0, 0, 0, 0]].concat(); // Of no table.
        column.extend(25_u32.to_be_bytes()); // text
        column.extend([0xff; 2]); // Of any length.
        column.extend([0xff; 4]);
        column.extend(1_u16.to_be_bytes()); // Binary.
        column
    };
    let columns = [&2_u16.to_be_bytes()[..], &column(b"answer\0"), &column(b"lsn\0")].concat();
    let parameters = message(b't', &0_u16.to_be_bytes());
    [message(b'1', b""), message(b'2', b""), parameters, message(b'T', &columns)].concat()
}

fn field(text: Option<&[u8]>) -> Vec<u8> {
    let Some(text) = text else { return vec![0xff; 4] };
    [&u32::try_from(text.len()).unwrap().to_be_bytes(), text].concat()
}

fn row_at(text: Option<&[u8]>, position: Option<&[u8]>) -> Vec<u8> {
    message(b'D', &[&2_u16.to_be_bytes()[..], &field(text), &field(position)].concat())
}

fn row(text: &[u8]) -> Vec<u8> {
    row_at(Some(text), Some(b"0/1A"))
}

/// An answer of this one row.
fn only(row: &[u8]) -> Vec<u8> {
    [&described(), row, &complete(), &is_ready()].concat()
}

fn complete() -> Vec<u8> {
    message(b'C', b"SELECT 1\0")
}

fn is_ready() -> Vec<u8> {
    message(b'Z', b"I")
}

/// An error or a notice, by its letter.
fn complaint(letter: u8, severity: &str, code: &str) -> Vec<u8> {
    let fields = format!("S{severity}\0V{severity}\0C{code}\0Mwhat it says\0\0");
    message(letter, fields.as_bytes())
}

fn error(severity: &str, code: &str) -> Vec<u8> {
    [complaint(b'E', severity, code), is_ready()].concat()
}

fn rows(texts: &[&str]) -> Vec<u8> {
    let rows = texts.iter().flat_map(|text| row(text.as_bytes()));
    described().into_iter().chain(rows).chain(complete()).chain(is_ready()).collect()
}

/// Reads one request, up to its Sync. Nothing if the client is gone.
async fn request(stream: &mut DuplexStream) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    while !read.ends_with(b"S\0\0\0\x04") {
        read.push(stream.read_u8().await.ok()?);
    }
    Some(read)
}

/// A server that greets, and gives these answers to the requests that come, then hangs up.
/// Answers the requests.
async fn server(mut stream: DuplexStream, answers: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let length = stream.read_u32().await.unwrap();
    let mut startup = vec![0; length as usize - 4];
    stream.read_exact(&mut startup).await.unwrap();
    let greeting = [message(b'R', &0_u32.to_be_bytes()), is_ready()].concat();
    stream.write_all(&greeting).await.unwrap();
    let mut requests = Vec::new();
    for answer in answers {
        let Some(asked) = request(&mut stream).await else { break };
        requests.push(asked);
        stream.write_all(&answer).await.unwrap();
    }
    requests
}

async fn client(answers: Vec<Vec<u8>>) -> (PostgresClient, JoinHandle<Vec<Vec<u8>>>) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let server = tokio::spawn(server(theirs, answers));
    let connection = Connection::over(ours, "").await.unwrap();
    let server_of_all = Server { name: "n1".into(), copy: false, durable: true };
    (PostgresClient::new(connection, server_of_all), server)
}

async fn ask(call: Call, answer: Vec<u8>) -> Result<Reply, Refusal> {
    let (mut client, server) = client(vec![answer]).await;
    let result = client.invoke(&call).await;
    assert_eq!(server.await.unwrap().len(), 1, "it was asked once");
    result
}

fn write() -> Call {
    Call::Write { key: "k".into(), value: Value::Int(7) }
}

fn read() -> Call {
    Call::Read { key: "k".into() }
}

#[tokio::test]
async fn a_transfer_moves_money_or_is_refused_for_sure() {
    let transfer = |from: &str| Call::Transfer { from: from.into(), to: "b".into(), amount: 3 };
    let answer = ask(transfer("a"), rows(&["1"])).await;
    assert_eq!(answer, Ok(Reply::Done));
    let refused = ask(transfer("a"), rows(&["0"])).await;
    assert!(is(&refused, Refusal::Definite, "insufficient-funds"), "{refused:?}");
    // The reserve changes two rows, and has no excuse.
    assert_eq!(ask(transfer(perjury_history::RESERVE), rows(&["2"])).await, Ok(Reply::Done));
    for count in ["0", "1", "3"] {
        let odd = ask(transfer(perjury_history::RESERVE), rows(&[count])).await;
        assert!(is(&odd, Refusal::Unmodelled, "wrong-reply"), "{count}: {odd:?}");
    }
}

#[tokio::test]
async fn transactions_and_deletes_are_one_statement() {
    use perjury_history::Micro;
    let steps =
        vec![Micro::Write("y".into(), Value::Int(1)), Micro::Write("x".into(), Value::Int(2))];
    let both = Call::Txn { steps: steps.clone() };
    assert_eq!(ask(both.clone(), rows(&["2"])).await, Ok(Reply::Txn(steps)));
    assert!(is(&ask(both, rows(&["1"])).await, Refusal::Unmodelled, "wrong-reply"));
    let mixed = vec![Micro::Read("x".into(), None), Micro::Write("y".into(), Value::Int(1))];
    let (mut client, server) = client(Vec::new()).await;
    let refused = client.invoke(&Call::Txn { steps: mixed }).await;
    assert!(is(&refused, Refusal::Definite, "unsupported"), "{refused:?}");
    assert!(server.await.unwrap().is_empty(), "it was not sent");
    for count in ["0", "1"] {
        let deleted = ask(Call::Delete { key: "k".into() }, rows(&[count])).await;
        assert_eq!(deleted, Ok(Reply::Done));
    }
}

fn cas() -> Call {
    Call::Cas { key: "k".into(), from: Value::Int(1), to: Value::Int(2) }
}

/// Is it a refusal of that kind, with that code?
fn is(result: &Result<Reply, Refusal>, kind: fn(Cause) -> Refusal, code: &str) -> bool {
    match result {
        Err(Refusal::Definite(cause) | Refusal::Indefinite(cause) | Refusal::Unmodelled(cause)) => {
            cause.code == code && *result == Err(kind(cause.clone()))
        }
        Ok(_) => false,
    }
}

#[tokio::test]
async fn errors_that_undo_the_statement_are_definite() {
    for (code, word) in [
        ("22021", "character-not-in-repertoire"),
        ("25006", "read-only-sql-transaction"),
        ("40001", "serialization-failure"),
        ("40P01", "deadlock-detected"),
        ("42601", "syntax-or-access-rule"),
        ("42P01", "syntax-or-access-rule"),
        ("57014", "query-canceled"),
        ("XX001", "data-corrupted"),
    ] {
        let result = ask(write(), error("ERROR", code)).await;
        assert!(is(&result, Refusal::Definite, word), "{code}: {result:?}");
        // The commit comes after the statement is complete, and may still fail.
        let late = [described(), row(b"1"), complete(), error("ERROR", code)].concat();
        let result = ask(write(), late).await;
        assert!(is(&result, Refusal::Definite, word), "{code}: {result:?}");
    }
}

#[tokio::test]
async fn whatever_ends_the_session_or_is_not_in_the_table_is_in_doubt() {
    let fatal = ["25006", "40001", "57014", "57P01", "57P02", "57P03", "XX001"];
    let fatal = fatal.map(|code| ("FATAL", code));
    let others = ["08006", "08P01", "53100", "53200", "57P01", "58030", "XX000", "XX002", "ZZ999"];
    let others = others.map(|code| ("ERROR", code));
    let panic = [("PANIC", "XX000")];
    for (severity, code) in fatal.into_iter().chain(others).chain(panic) {
        let result = ask(write(), error(severity, code)).await;
        let word = format!("sqlstate-{}", code.to_lowercase());
        assert!(is(&result, Refusal::Indefinite, &word), "{severity} {code}: {result:?}");
    }
}

#[tokio::test]
async fn a_lost_connection_is_in_doubt_even_when_all_but_the_commit_was_answered() {
    for answer in [Vec::new(), described(), [described(), row(b"1"), complete()].concat()] {
        let result = ask(write(), answer).await;
        assert!(is(&result, Refusal::Indefinite, "connection-lost"), "{result:?}");
    }
}

#[tokio::test]
async fn nothing_is_sent_on_a_closed_connection() {
    let (mut client, server) = client(vec![rows(&["1"])]).await;
    assert_eq!(client.invoke(&write()).await, Ok(Reply::Done));
    assert_eq!(server.await.unwrap().len(), 1);
    // The driver notices that the server hung up.
    while client.is_open() {
        tokio::task::yield_now().await;
    }
    let result = client.invoke(&write()).await;
    assert!(is(&result, Refusal::Definite, "not-sent"), "{result:?}");
}

#[tokio::test]
async fn a_success_with_a_warning_is_no_acknowledgement() {
    let warned = [complaint(b'N', "WARNING", "01000"), rows(&["1"])].concat();
    let result = ask(write(), warned).await;
    assert!(is(&result, Refusal::Indefinite, "warning"), "{result:?}");
    // It belongs to its own call alone, and a notice is no warning.
    let warned = [complaint(b'N', "WARNING", "01000"), rows(&["1"])].concat();
    let noticed = [complaint(b'N', "NOTICE", "00000"), rows(&["1"])].concat();
    let (mut client, _server) = client(vec![warned, rows(&["1"]), noticed]).await;
    assert!(is(&client.invoke(&write()).await, Refusal::Indefinite, "warning"));
    assert_eq!(client.invoke(&write()).await, Ok(Reply::Done));
    assert_eq!(client.invoke(&write()).await, Ok(Reply::Done));
}

#[tokio::test]
async fn values_come_as_they_are() {
    let absent = only(&row_at(None, Some(b"0/1A")));
    assert_eq!(ask(read(), absent).await, Ok(Reply::Value(Value::Nil)));
    assert_eq!(ask(read(), rows(&["-7"])).await, Ok(Reply::Value(Value::Int(-7))));
    let corrupt = only(&row(b"\xff7"));
    let raw = Value::Raw(b"\xff7".as_slice().into());
    assert_eq!(ask(read(), corrupt).await, Ok(Reply::Value(raw)));
    let all = Call::ReadAll { key: "k".into() };
    let elements = ["1", "2", "1"].map(|text| Value::parse_int(text.as_bytes()));
    let answer = ask(all, rows(&["1", "2", "1"])).await;
    assert_eq!(answer, Ok(Reply::Elements(elements.to_vec())));
    assert_eq!(ask(cas(), rows(&["1"])).await, Ok(Reply::Swapped(true)));
    assert_eq!(ask(cas(), rows(&["0"])).await, Ok(Reply::Swapped(false)));
}

#[tokio::test]
async fn what_is_outside_the_contract_is_flagged() {
    let garbage = [described(), message(b'D', &[0, 1, 0, 0]), complete(), is_ready()].concat();
    let unexpected = [message(b'1', b""), message(b'H', &[0, 0, 0]), is_ready()].concat();
    for (call, answer) in [
        (write(), rows(&["0"])),
        (write(), rows(&["2"])),
        (write(), rows(&["x"])),
        (write(), rows(&[])),
        (write(), rows(&["1", "1"])),
        (cas(), rows(&["2"])),
        (cas(), rows(&["one"])),
        (read(), rows(&["1", "2"])),
        (read(), rows(&[])),
        (read(), only(&row_at(Some(b"1"), None))),
        (read(), only(&row_at(Some(b"1"), Some(b"x")))),
        (write(), only(&row_at(None, Some(b"0/1A")))),
        (write(), only(&row_at(Some(b"1"), None))),
        (read(), garbage),
        (write(), unexpected),
    ] {
        let result = ask(call.clone(), answer).await;
        assert!(is(&result, Refusal::Unmodelled, "wrong-reply"), "{call}: {result:?}");
    }
}

#[tokio::test]
async fn a_value_is_never_a_part_of_the_statement() {
    let hostile = "'); DROP TABLE registers; --";
    // A value that is not the harness's own form is not sent at all; a key is.
    let call = Call::Write { key: hostile.into(), value: Value::Int(7) };
    let (mut client, server) = client(vec![rows(&["1"])]).await;
    assert_eq!(client.invoke(&call).await, Ok(Reply::Done));
    drop(client);
    let sent = server.await.unwrap().concat();
    let at = |needle: &[u8]| sent.windows(needle.len()).position(|part| part == needle).unwrap();
    assert!(at(WRITE.as_bytes()) < at(hostile.as_bytes()));
    let parse = u32::from_be_bytes(sent[1..5].try_into().unwrap()) as usize;
    assert!(at(hostile.as_bytes()) > parse, "it comes after the message with the statement");
}

#[tokio::test]
async fn an_answer_says_where_the_log_stands_unless_it_changed_nothing() {
    let answers = vec![rows(&["1"]), rows(&["0"]), rows(&["5"]), error("ERROR", "40001")];
    let (mut client, _server) = client(answers).await;
    let mut said = Vec::new();
    for call in [cas(), cas(), read(), read()] {
        client.invoke(&call).await.ok();
        let testimony = client.testimony();
        assert_eq!((testimony.node, testimony.local), (Some("n1".into()), false));
        said.push(testimony.token.map(|token| token.at));
    }
    assert_eq!(said, [Some(0x1a), None, Some(0x1a), None]);
}
