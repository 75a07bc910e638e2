//! Copying files by running `cat`: the same for every kind of remote, and able to use sudo.
//!
//! Also reads the complaints of a shell and of sudo, so that a full disk and a refused sudo become
//! errors of their own.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::{Command, Job, Output, Remote, RemoteError, Source, Status};

/// Replaces `$1` in one step by what comes in, with the permission bits `$2`. The temporary name
/// holds the shell's pid, so that two uploads of one file do not mix.
const RECEIVE: &str = r#"
part="$1.part-$$"
trap 'rm -f -- "$part"' EXIT
umask 077
cat > "$part" && chmod -- "$2" "$part" && mv -f -- "$part" "$1"
"#;

pub(super) async fn upload<R: Remote + ?Sized>(
    remote: &R,
    source: Source,
    to: &str,
    mode: u32,
    sudo: bool,
) -> Result<(), RemoteError> {
    let place = remote.place();
    let mode = format!("{:o}", mode & 0o7777);
    let mut command = Command::new(["sh", "-c", RECEIVE, "upload", to, &mode]);
    command.sudo = sudo;
    let (size, input) = match source {
        Source::Bytes(bytes) => {
            command.stdin = bytes;
            (command.stdin.len() as u64, None)
        }
        Source::File(path) => {
            let size = std::fs::metadata(&path).map_err(|error| here(&place, &path, &error))?.len();
            (size, Some(path))
        }
    };
    command.timeout = patience(size);
    let output = remote.execute(Job { command, input, output: None }).await?;
    expect(&place, &format!("upload to {to}"), Some(to), &output)
}

pub(super) async fn download<R: Remote + ?Sized>(
    remote: &R,
    from: &str,
    to: &Path,
    sudo: bool,
) -> Result<u64, RemoteError> {
    let place = remote.place();
    let mut command = Command::new(["cat", "--", from]);
    command.sudo = sudo;
    // The size is not known before; a log of a few gigabytes has to pass.
    command.timeout = patience(4 << 30);
    let job = Job { command, input: None, output: Some(to.to_path_buf()) };
    let output = remote.execute(job).await?;
    expect(&place, &format!("download of {from}"), None, &output)?;
    std::fs::metadata(to).map(|data| data.len()).map_err(|error| here(&place, to, &error))
}

/// A minute and a second for each megabyte.
fn patience(bytes: u64) -> Duration {
    Duration::from_secs(60 + (bytes >> 20))
}

/// An error about a file on this side.
pub(super) fn here(place: &str, path: &Path, error: &io::Error) -> RemoteError {
    let reason = format!("{}: {error} (on the controller)", path.display());
    if error.kind() == io::ErrorKind::StorageFull {
        let path = path.display().to_string();
        return RemoteError::DiskFull { place: "controller".to_string(), path, reason };
    }
    RemoteError::Usage { place: place.to_string(), reason }
}

/// Makes an error of an output that is no success. `writes` is the file being written, if any.
pub(super) fn expect(
    place: &str,
    what: &str,
    writes: Option<&str>,
    output: &Output,
) -> Result<(), RemoteError> {
    if output.status.success() {
        return Ok(());
    }
    let place = place.to_string();
    let complaint = output.complaint();
    if let Some(reason) = sudo_refusal(output) {
        return Err(RemoteError::Sudo { place, reason });
    }
    if complaint.contains("No space left on device") || complaint.contains("Disk quota exceeded") {
        let path = writes.unwrap_or("a file").to_string();
        return Err(RemoteError::DiskFull { place, path, reason: complaint });
    }
    if let Status::Lost(reason) = &output.status {
        let (what, reason) = (what.to_string(), reason.clone());
        return Err(RemoteError::Lost { place, what, reason });
    }
    let reason = format!("{what} {}: {complaint}", output.status);
    Err(RemoteError::Usage { place, reason })
}

/// What sudo says if it refused to run the program at all.
pub(super) fn sudo_refusal(output: &Output) -> Option<String> {
    let complaint = output.complaint();
    let first = complaint.lines().find(|line| line.starts_with("sudo: "))?;
    let refusals = ["password is required", "not in the sudoers", "not allowed", "terminal"];
    let refused = output.status == Status::Exited(1)
        && refusals.iter().any(|words| complaint.contains(words));
    refused.then(|| first.trim_start_matches("sudo: ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(status: Status, stderr: &str) -> Output {
        Output { status, stdout: Vec::new(), stderr: stderr.into() }
    }

    #[test]
    fn only_a_refusal_of_sudo_itself_is_one() {
        let refused = output(Status::Exited(1), "sudo: a password is required\n");
        assert_eq!(sudo_refusal(&refused).unwrap(), "a password is required");
        let error = expect("n1", "upload", Some("/x"), &refused).unwrap_err();
        assert!(matches!(error, RemoteError::Sudo { .. }), "{error}");
        for other in [
            output(Status::Exited(2), "sudo: a password is required\n"),
            output(Status::Exited(1), "cat: /etc/sudo: a password is required\n"),
            output(Status::Exited(1), "sudo: unable to resolve host n1\nfalse\n"),
        ] {
            assert_eq!(sudo_refusal(&other), None);
        }
    }

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let full = output(Status::Exited(1), "cat: write error: No space left on device\n");
        let error = expect("n1", "upload", Some("/x"), &full).unwrap_err();
        assert!(matches!(&error, RemoteError::DiskFull { path, .. } if path == "/x"), "{error}");
        let absent = output(Status::Exited(1), "sh: cannot create /x/y: Directory nonexistent");
        let error = expect("n1", "upload", Some("/x/y"), &absent).unwrap_err();
        assert!(matches!(error, RemoteError::Usage { .. }), "{error}");
        assert_eq!(expect("n1", "upload", None, &output(Status::Exited(0), "warning")), Ok(()));
    }
}
