//! The page in a real browser.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use perjury_history::Verdict;
use tempfile::TempDir;

use crate::hostile::hostile_run;
use crate::liars::{PARTS, lying_run};
use crate::run::usual;

/// Runs the browser on a page and answers what it wrote; `None` without a browser.
fn chromium(page: &Path, arguments: &[&str]) -> Option<(String, String)> {
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|dir| dir.join("chromium")).find(|it| it.is_file())
    });
    let Some(program) = found else {
        eprintln!("SKIPPED: no chromium on PATH; the report was not looked at in a browser");
        return None;
    };
    let home = TempDir::new().unwrap();
    let (out, log) = (home.path().join("out"), home.path().join("log"));
    let mut child = Command::new(program)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--hide-scrollbars", "--enable-logging=stderr", "--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", home.path().join("profile").display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out).unwrap())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("chromium did not end; it said: {}", fs::read_to_string(&log).unwrap());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let text = |path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    Some((text(&out), text(&log)))
}

#[test]
fn a_browser_shows_every_section_and_runs_nothing() {
    let run = hostile_run();
    let page = run.folder.write_report(&run.page()).unwrap();
    let Some((dom, log)) = chromium(&page, &["--dump-dom"]) else { return };
    for id in [
        "verdict",
        "claims",
        "counterexample",
        "charts",
        "meaning",
        "faults",
        "notes",
        "logs",
        "environment",
        "repeat",
    ] {
        assert!(dom.contains(&format!("id=\"{id}\"")), "{id} is not in the document");
    }
    assert!(dom.contains("<title>invalid – toy · register · partitions – Perjury</title>"));
    for element in ["<script", "<img", "<link"] {
        assert!(!dom.contains(element), "the document has {element}");
    }
    // The style sheet is taken by its hash, and there is nothing else to refuse.
    assert!(!log.contains("Content Security Policy"), "{log}");
}

#[test]
fn a_browser_shows_the_parts_about_liars() {
    let run = lying_run();
    let page = run.folder.write_report(&run.page()).unwrap();
    let Some((dom, log)) = chromium(&page, &["--dump-dom"]) else { return };
    for id in PARTS {
        assert!(dom.contains(&format!("<section id=\"{id}\"")), "{id} is not in the document");
        assert!(dom.contains(&format!("<a href=\"#{id}\">")), "nothing leads to {id}");
    }
    assert!(!log.contains("Content Security Policy"), "{log}");
}

#[test]
fn a_browser_draws_it_in_light_and_in_dark() {
    let run = usual(Verdict::Invalid);
    let page = run.folder.write_report(&run.page()).unwrap();
    let mut pictures = Vec::new();
    for (name, scheme) in [("dark", 0), ("light", 1)] {
        let picture = run.file(&format!("{name}.png"));
        let shot = format!("--screenshot={}", picture.display());
        let scheme = format!("--blink-settings=preferredColorScheme={scheme}");
        if chromium(&page, &[&shot, &scheme, "--window-size=1280,2400"]).is_none() {
            return;
        }
        let bytes = fs::read(picture).unwrap();
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 50_000, "{}", bytes.len());
        pictures.push(bytes);
    }
    assert_ne!(pictures[0], pictures[1]);
}
