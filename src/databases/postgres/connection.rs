//! One connection to one server, through `tokio-postgres` over a stream that we open ourselves.
//!
//! That crate neither retries nor reconnects: a request goes into the channel of one connection
//! once, and the connection ends with its stream (its `client.rs` and `connection.rs`, 0.7.18). The
//! one thing that it does by itself is to look up the types of result columns in the catalogue
//! where it does not know them; ours are text.
//!
//! Invariant: a statement is acknowledged at `ReadyForQuery`, not at `CommandComplete`, for in the
//! extended protocol the commit comes between the two (55.2.3 Extended Query).

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use perjury_history::Cause;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_postgres::error::Severity;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{AsyncMessage, Config, NoTls, Row};

use super::super::Refusal;
use super::sqlstate;

/// The one user, and the database of the same name.
pub(super) const USER: &str = "postgres";

/// The last warning that the server gave beside its replies.
type Warning = Arc<Mutex<Option<String>>>;

pub(super) struct Connection {
    client: tokio_postgres::Client,
    driver: JoinHandle<()>,
    warning: Warning,
}

impl Drop for Connection {
    /// A request without an answer would keep the driver, and the socket, for as long as the
    /// server is silent.
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Connects to exactly this address. `settings` are the session's, as `-c name=value`.
    pub(super) async fn open(address: SocketAddr, settings: &str) -> Result<Connection, Cause> {
        let failed = |error: &dyn std::fmt::Display| {
            Cause::new("no-connection", format!("{address}: {error}"))
        };
        let stream = TcpStream::connect(address).await.map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        Connection::over(stream, settings)
            .await
            .map_err(|error| failed(&sqlstate::sentence(&error)))
    }

    /// The handshake, over any stream.
    pub(super) async fn over<S>(
        stream: S,
        settings: &str,
    ) -> Result<Connection, tokio_postgres::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut config = Config::new();
        config.user(USER).dbname(USER).application_name("perjury").options(settings);
        let (client, mut connection) = config.connect_raw(stream, NoTls).await?;
        let warning = Warning::default();
        let heard = Arc::clone(&warning);
        let driver = tokio::spawn(async move {
            // What ends it reaches the request that it concerns as a lost connection.
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await
            {
                if let AsyncMessage::Notice(notice) = message
                    && notice.parsed_severity() == Some(Severity::Warning)
                {
                    let said = format!("{}: {}", notice.code().code(), notice.message());
                    *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
                }
            }
        });
        Ok(Connection { client, driver, warning })
    }

    /// Can another statement be sent?
    pub(super) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    /// Sends one statement once, with its parameters as text, and waits for its commit.
    ///
    /// Parse, bind and execute go out together: one round trip, and no value ever becomes part of
    /// the statement's text. No statement of ours gives reason for a warning. Under synchronous
    /// replication it means that the wait for the standby was cut short, and then the server says
    /// "success" all the same (`SyncRepWaitForLSN` in its `syncrep.c`): no acknowledgement.
    pub(super) async fn ask(
        &mut self,
        statement: &str,
        parameters: &[&str],
    ) -> Result<Vec<Row>, Refusal> {
        if !self.is_open() {
            return Err(Refusal::Definite(Cause::new("not-sent", "the connection is closed")));
        }
        self.take_warning();
        let typed = parameters.iter().map(|text| (text as &(dyn ToSql + Sync), Type::TEXT));
        let typed: Vec<_> = typed.collect();
        let result = self.client.query_typed(statement, &typed).await;
        let rows = result.map_err(|error| sqlstate::refusal(&error))?;
        match self.take_warning() {
            Some(said) => Err(Refusal::Indefinite(Cause::new("warning", said))),
            None => Ok(rows),
        }
    }

    fn take_warning(&self) -> Option<String> {
        self.warning.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The first column of what a server answers on a connection of its own.
pub(super) async fn observe(address: SocketAddr, statement: &str) -> Result<Vec<String>, Cause> {
    let mut connection = Connection::open(address, "").await?;
    let column = |rows: Vec<Row>| {
        let texts = rows.iter().map(|row| text(row, 0));
        texts.map(|bytes| Ok(String::from_utf8_lossy(bytes?).into_owned())).collect()
    };
    match connection.ask(statement, &[]).await.and_then(column) {
        Ok(texts) => Ok(texts),
        Err(Refusal::Definite(cause) | Refusal::Indefinite(cause) | Refusal::Unmodelled(cause)) => {
            Err(cause)
        }
    }
}

/// The bytes of a column, whatever they are.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(
        _: &Type,
        raw: &'a [u8],
    ) -> Result<Raw<'a>, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The text in a column of a row, as the bytes that came.
pub(super) fn text(row: &Row, column: usize) -> Result<&[u8], Refusal> {
    let missing = || Refusal::Unmodelled(Cause::new("wrong-reply", "nothing where text should be"));
    optional(row, column)?.ok_or_else(missing)
}

/// The same where there may be nothing.
pub(super) fn optional(row: &Row, column: usize) -> Result<Option<&[u8]>, Refusal> {
    row.try_get::<_, Option<Raw<'_>>>(column)
        .map(|raw| raw.map(|raw| raw.0))
        .map_err(|error| Refusal::Unmodelled(Cause::new("wrong-reply", sqlstate::sentence(&error))))
}
