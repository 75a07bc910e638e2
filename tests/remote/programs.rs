//! Programs run and files travel, the same way over SSH and on this machine.

use std::fs;
use std::path::Path;
use std::process::Command as Program;
use std::time::{Duration, Instant};

use perjury::remote::{Command, LocalRemote, Remote, RemoteError, Source, Status};

use crate::server::{eventually, must, runs, server, sh};

const HOSTILE: &[&str] = &[
    "", " ", "'", "\"", "\\", "$HOME", "$(id)", "`id`", "a;b", "*", "~", "#", "!", "\n", "é", "-n",
];

/// The same for every kind of remote.
async fn behaves(remote: &dyn Remote, folder: &Path) {
    let argv = ["printf", "%s\\0"].iter().chain(HOSTILE).map(|word| word.to_string());
    let output = remote.run(Command::new(argv).env("A", "b c")).await.unwrap();
    let want: String = HOSTILE.iter().map(|word| format!("{word}\0")).collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), want);
    let output = remote.run(sh("cat; echo err >&2; exit 7").stdin("input")).await.unwrap();
    assert_eq!((output.status, output.stdout.as_slice()), (Status::Exited(7), &b"input"[..]));
    assert_eq!(output.stderr, b"err\n");
    let output = remote.run(sh("kill -KILL $$")).await.unwrap();
    assert_eq!(output.status, Status::Signaled("KILL".to_string()));
    let output = remote.run(sh("echo $WORD").env("WORD", "it's $HOME")).await.unwrap();
    assert_eq!(output.text(), "it's $HOME");
    let flood = sh("head -c 8000000 /dev/zero >&2; head -c 3000000 /dev/zero; echo end");
    let output = remote.run(flood).await.unwrap();
    assert_eq!((output.stderr.len(), output.stdout.len()), (8_000_000, 3_000_004));
    // Input that nobody reads is no error, and neither is much of it that comes straight back.
    let output = remote.run(Command::new(["true"]).stdin(vec![7; 4 << 20])).await.unwrap();
    assert!(output.status.success());
    let output = remote.run(Command::new(["cat"]).stdin(vec![7; 6 << 20])).await.unwrap();
    assert_eq!(output.stdout.len(), 6 << 20);
    copies(remote, folder).await;
    let pid = folder.join("pid");
    let script = format!("echo $$ > {}; exec sleep 60", pid.display());
    let started = Instant::now();
    let late = remote.run(sh(&script).timeout(Duration::from_millis(800))).await.unwrap_err();
    assert!(matches!(late, RemoteError::Timeout { .. }), "{late}");
    assert!(started.elapsed() < Duration::from_secs(3));
    assert!(remote.run(Command::new(["true"])).await.unwrap().status.success());
    let pid: i32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    eventually("what timed out is ended", Duration::from_secs(10), || !runs(pid)).await;
}

async fn copies(remote: &dyn Remote, folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let there = folder.join("it's a file");
    let text = there.to_str().unwrap();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number * 7 % 251) as u8).collect();
    remote.upload(Source::Bytes(bytes.clone()), text, 0o640, false).await.unwrap();
    assert_eq!(fs::read(&there).unwrap(), bytes);
    assert_eq!(fs::metadata(&there).unwrap().permissions().mode() & 0o777, 0o640);
    let again = folder.join("again");
    let source = Source::File(there.clone());
    remote.upload(source, again.to_str().unwrap(), 0o600, false).await.unwrap();
    let here = folder.join("here");
    let size = remote.download(again.to_str().unwrap(), &here, false).await.unwrap();
    assert_eq!((size, fs::read(&here).unwrap()), (3_000_000, bytes));
    let error = remote.download("/no/such/file", &here, false).await.unwrap_err();
    assert!(matches!(&error, RemoteError::Usage { reason, .. } if reason.contains("No such file")));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_ssh_programs_run_and_files_travel() {
    let Some(server) = server("SSH") else { return };
    behaves(&server.remote(), server.folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_this_machine_programs_run_and_files_travel() {
    let folder = tempfile::tempdir().unwrap();
    behaves(&LocalRemote, folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_there_is_an_error_of_its_own() {
    let Some(server) = server("a full disk") else { return };
    let disk = server.text_path("disk");
    fs::create_dir(&disk).unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", &disk];
    if !Program::new("mount").args(mount).output().unwrap().status.success() {
        eprintln!("\nSKIPPED a full disk: no tmpfs can be mounted\n");
        return;
    }
    let to = format!("{disk}/file");
    let bytes = Source::Bytes(vec![7; 1 << 20]);
    let error = server.remote().upload(bytes, &to, 0o600, false).await.unwrap_err();
    let left = fs::read_dir(&disk).unwrap().count();
    must(&["umount", &disk]);
    assert!(matches!(&error, RemoteError::DiskFull { path, .. } if *path == to), "{error}");
    assert_eq!(left, 0, "nothing half-written stays");
}
