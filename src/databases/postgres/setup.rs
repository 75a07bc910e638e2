//! What a node has to do to become a PostgreSQL server: the plan, as data.
//!
//! A primary makes its data directory with `initdb` and the tables in single-user mode, before
//! anybody can connect. A standby copies the primary's with `pg_basebackup`, which is tried until
//! the primary is up. Both use a configuration of ours outside the data directory, so what a
//! backup copies decides nothing.
//!
//! PostgreSQL refuses to run as root, and `initdb` wants its user to have a name. `nobody` is the
//! account that every Linux has under the same number, so none has to be made on the node.

use std::net::IpAddr;

use perjury_agent::protocol::{Account, Limits, MakeDir, Run, Service, Write};
use perjury_history::{Node, Topology};

use super::super::{Plan, Program, Step};
use super::{PORT, Postgres, Role};

const NOBODY: Account = Account { uid: 65_534, gid: 65_534 };
const USER: &str = super::connection::USER;

/// A row is never added twice in secret: the elements of a set have no key that would hide it.
const TABLES: &str = "\
CREATE TABLE registers (key text PRIMARY KEY, value text NOT NULL);
CREATE TABLE elements (key text NOT NULL, element text NOT NULL);
CREATE INDEX ON elements (key);
";

/// How long a standby waits for the primary's backup, in milliseconds.
const PATIENCE: u64 = 40_000;

/// Where Debian puts the programs of a major version.
pub(super) fn program(version: u32, name: &str) -> String {
    format!("/usr/lib/postgresql/{version}/bin/{name}")
}

pub(super) fn plan(database: &Postgres, node: &Node, topology: &Topology, dir: &str) -> Plan {
    let programs = Programs { version: database.options.version, dir, data: format!("{dir}/data") };
    let prepare = match (database.role(node, topology), topology.nodes.first()) {
        (Role::Primary, _) => vec![programs.initdb(database.options.checksums), programs.tables()],
        (Role::Standby, Some(primary)) => vec![programs.backup(primary)],
        _ => return Plan::default(),
    };
    let own = |path: &str, mode, owner, remove_on_heal| MakeDir {
        path: path.to_owned(),
        mode,
        owner,
        remove_on_heal,
    };
    let file = |name: &str, text: String| Write {
        path: format!("{dir}/{name}"),
        bytes: text.into_bytes().into(),
        mode: 0o644,
        owner: None,
        append: false,
    };
    Plan {
        programs: programs.needed(),
        dirs: vec![own(dir, 0o755, None, true), own(&programs.data, 0o700, Some(NOBODY), false)],
        files: vec![
            file("postgresql.conf", configuration(database, node, topology)),
            file("pg_hba.conf", access(topology)),
        ],
        prepare,
        services: vec![programs.server()],
        stop: Some(programs.stop()),
        logs: vec![
            format!("{dir}/postgresql.conf"),
            format!("{}/postgresql.auto.conf", programs.data),
        ],
        ..Plan::default()
    }
}

/// The command lines, and what they have in common.
struct Programs<'a> {
    version: u32,
    dir: &'a str,
    data: String,
}

impl Programs<'_> {
    fn needed(&self) -> Vec<Program> {
        let package = format!("postgresql-{}", self.version);
        let names = ["initdb", "pg_basebackup", "pg_ctl", "postgres"];
        names
            .map(|name| Program {
                path: program(self.version, name),
                package: Some(package.clone()),
            })
            .to_vec()
    }

    fn argv(&self, name: &str, words: &[&str]) -> Vec<String> {
        let words = words.iter().map(|word| (*word).to_owned());
        std::iter::once(program(self.version, name)).chain(words).collect()
    }

    /// Runs one of the programs as the user of the server.
    fn run(&self, name: &str, words: &[&str]) -> Run {
        Run {
            argv: self.argv(name, words),
            env: [("LC_ALL".to_owned(), "C".to_owned())].into(),
            cwd: Some(self.dir.to_owned()),
            timeout_ms: 60_000,
            user: Some(NOBODY),
            ..Run::default()
        }
    }

    fn initdb(&self, checksums: bool) -> Step {
        let user = format!("--username={USER}");
        let mut words = vec!["-D", &self.data, &user, "--auth=trust", "--encoding=UTF8"];
        words.extend(["--locale=C", "--no-instructions"]);
        if checksums {
            words.push("--data-checksums");
        }
        Step { run: self.run("initdb", &words), patience_ms: 0 }
    }

    fn tables(&self) -> Step {
        let words = ["--single", "-D", &self.data, "-c", "exit_on_error=on", "postgres"];
        let stdin = TABLES.as_bytes().to_vec().into();
        Step { run: Run { stdin, ..self.run("postgres", &words) }, patience_ms: 0 }
    }

    fn backup(&self, primary: &Node) -> Step {
        let source = format!("host={} port={PORT} user={USER} connect_timeout=2", primary.address);
        let mut words = vec!["-D", &self.data, "-d", &source, "--write-recovery-conf"];
        words.extend(["--wal-method=stream", "--checkpoint=fast", "--no-password"]);
        Step { run: self.run("pg_basebackup", &words), patience_ms: PATIENCE }
    }

    fn server(&self) -> Service {
        let dir = self.dir;
        let config = format!("config_file={dir}/postgresql.conf");
        let access = format!("hba_file={dir}/pg_hba.conf");
        Service {
            name: "postgres".into(),
            argv: self.argv("postgres", &["-D", &self.data, "-c", &config, "-c", &access]),
            env: Default::default(),
            cwd: Some(dir.to_owned()),
            log: format!("{dir}/postgres.log"),
            user: Some(NOBODY),
            limits: Limits::default(),
        }
    }

    /// SIGTERM would wait until the last client has gone (19.5 Shutting Down the Server).
    fn stop(&self) -> Run {
        self.run("pg_ctl", &["stop", "-D", &self.data, "-m", "fast", "-t", "4"])
    }
}

fn configuration(database: &Postgres, node: &Node, topology: &Topology) -> String {
    let names: Vec<String> = database
        .synchronous(topology)
        .iter()
        .map(|standby| format!("\"{}\"", standby.name))
        .collect();
    let synchronous = match names.len() {
        0 => String::new(),
        count => format!("FIRST {count} ({})", names.join(", ")),
    };
    let lines = [
        format!("listen_addresses = '{}'", node.address),
        format!("port = {PORT}"),
        // Nothing outside of the run's own directory.
        "unix_socket_directories = ''".into(),
        "dynamic_shared_memory_type = mmap".into(),
        // A statement that waits for a lost standby keeps its connection long after its client.
        "max_connections = 500".into(),
        "shared_buffers = 64MB".into(),
        "jit = off".into(),
        "lc_messages = 'C'".into(),
        "log_line_prefix = '%m [%p] '".into(),
        // A standby names itself by it.
        format!("cluster_name = '{}'", node.name),
        format!("synchronous_commit = {}", database.options.synchronous_commit.word()),
        format!("synchronous_standby_names = '{synchronous}'"),
        format!("max_wal_senders = {}", 2 * topology.nodes.len() + 4),
        "wal_keep_size = 512MB".into(),
        // Defaults of a minute and of five seconds are longer than most faults.
        "wal_sender_timeout = 3s".into(),
        "wal_receiver_timeout = 3s".into(),
        "wal_retrieve_retry_interval = 500ms".into(),
    ];
    lines.join("\n") + "\n"
}

/// Anybody may be a client; only the nodes may replicate.
fn access(topology: &Topology) -> String {
    let mut lines =
        vec!["host all all 0.0.0.0/0 trust".to_owned(), "host all all ::/0 trust".to_owned()];
    lines.extend(topology.nodes.iter().map(|node| {
        let bits = match node.address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        format!("host replication {USER} {}/{bits} trust", node.address)
    }));
    lines.join("\n") + "\n"
}
