//! The index that is served: a list, a filter, and nothing from outside the results.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use perjury_history::Verdict;

use crate::hostile::hostile_run;
use crate::run::{harmless, usual};

/// A server for the runs of a test, for as long as the value lives.
struct Server {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn of(results: &Path) -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(perjury::serve::serve(listener, results.to_owned()));
        Server { address, _runtime: runtime }
    }

    /// The head and the body of the answer, whose path goes out as it is written here.
    fn ask(&self, method: &str, path: &str, host: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        for header in
            ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff"]
        {
            assert!(head.contains(header), "{path}: no {header} in {head}");
        }
        (head.to_owned(), body.to_owned())
    }

    #[track_caller]
    fn get(&self, path: &str, status: u16) -> String {
        let (head, body) = self.ask("GET", path, &format!("localhost:{}", self.address.port()));
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {head}");
        body
    }
}

#[test]
fn the_index_lists_filters_and_gives_out_what_is_asked_for() {
    let run = hostile_run();
    let id = run.folder.id();
    let server = Server::of(run.results.path());
    let index = server.get("/", 200);
    assert!(index.contains(&format!("href=\"/runs/{id}/report.html\"")), "{index}");
    assert!(index.contains("&lt;script&gt;") && !index.contains("<script"));
    assert!(index.contains("1 of 1 runs"));
    for (query, found) in [
        ("verdict=invalid", true),
        ("verdict=valid", false),
        ("database=toy&workload=register&nemesis=partitions", true),
        ("database=etcd", false),
        ("text=PWNED", true),
        ("text=%3Cscript%3E&verdict=", true),
        ("text=nowhere", false),
        ("unknown=1", true),
    ] {
        let page = server.get(&format!("/?{query}"), 200);
        assert_eq!(page.contains(&format!("/runs/{id}/")), found, "{query}");
        assert!(!page.contains("<script"), "{query}");
    }
    server.get("/?text=a&text=b", 400);
    assert!(!run.file("report.html").exists());
    harmless(&server.get(&format!("/runs/{id}/report.html"), 200));
    assert!(!run.file("report.html").exists(), "the index wrote");
    assert!(server.get("/runs/latest/report.html", 200).contains(&id));
    assert!(server.get(&format!("/runs/{id}/files/"), 200).contains("nodes/n1&lt;i&gt;/"));
    assert!(server.get(&format!("/runs/{id}/files/run.toml"), 200).starts_with("schema = 1"));
    let log = format!("/runs/{id}/files/nodes/n1%3Ci%3E/%3Cb%3E.log");
    let (head, body) = server.ask("GET", &log, "127.0.0.1");
    assert!(head.contains("content-type: application/octet-stream"), "{head}");
    assert!(head.contains("sandbox") && body.contains("<script>"), "{head}");
    let (head, _) = server.ask("GET", &format!("/runs/{id}/files/verdict.json"), "[::1]:80");
    assert!(head.contains("content-type: text/plain"), "{head}");
}

#[test]
fn no_path_leads_out_and_no_foreign_name_leads_in() {
    let run = usual(Verdict::Valid);
    let id = run.folder.id();
    fs::write(run.results.path().join("secret"), "s3cret").unwrap();
    std::os::unix::fs::symlink("../secret", run.file("link")).unwrap();
    std::os::unix::fs::symlink("/", run.file("root")).unwrap();
    let server = Server::of(run.results.path());
    for path in [
        "../secret",
        "..%2fsecret",
        "%2e%2e/secret",
        "%2e%2e%2fsecret",
        "nodes/../../secret",
        "..%5csecret",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "link",
        "root/etc/passwd",
        "run.toml%00",
        ".",
    ] {
        let body = server.get(&format!("/runs/{id}/files/{path}"), 400);
        assert!(!body.contains("s3cret") && !body.contains("root:"), "{path}");
    }
    for path in ["/runs/%2e%2e/files/secret", "/runs/..%2f..%2fetc/files/passwd"] {
        server.get(path, 400);
    }
    for path in
        ["/nowhere", "/runs/none/report.html", "/runs/secret/report.html", "/runs", "/favicon.ico"]
    {
        server.get(path, 404);
    }
    server.get(&format!("/runs/{id}/files/none"), 404);
    server.get(&format!("/runs/{id}/files/nodes"), 404);
    for host in ["evil.example", "localhost.evil.example", "10.0.0.1", ""] {
        let (head, body) = server.ask("GET", "/", host);
        assert!(head.starts_with("HTTP/1.1 400"), "{host}: {head}");
        assert!(!body.contains(&id), "{host}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        let (head, _) = server.ask(method, "/", "localhost");
        assert!(head.starts_with("HTTP/1.1 405"), "{method}: {head}");
    }
    let (head, body) = server.ask("HEAD", "/", "localhost");
    assert!(head.starts_with("HTTP/1.1 200") && body.is_empty());
}
