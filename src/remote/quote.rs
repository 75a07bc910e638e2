//! Quoting for a POSIX shell: the one place where an argument vector becomes text.
//!
//! SSH carries one string, which the user's login shell on the node parses; a POSIX shell is
//! assumed. Invariant: whatever the words hold, the shell sees exactly them.

use super::{Command, RemoteError};

/// One word, quoted so that a POSIX shell takes it as it is.
pub(crate) fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:,+@%".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_string();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The words, quoted, with blanks between.
pub(crate) fn words<S: AsRef<str>>(words: &[S]) -> String {
    words.iter().map(|text| word(text.as_ref())).collect::<Vec<_>>().join(" ")
}

/// The line for the remote shell. `become_root` puts sudo in front; `limit` (seconds) lets
/// `timeout`, if the node has it, end what we no longer wait for.
pub(crate) fn line(
    place: &str,
    command: &Command,
    become_root: bool,
    limit: Option<u64>,
) -> Result<String, RemoteError> {
    check(place, command)?;
    let mut run = String::new();
    if become_root {
        // `-n`: it never prompts, so it never hangs.
        run.push_str("sudo -n -- ");
    }
    if limit.is_some() {
        run.push_str("$limit ");
    }
    if !command.env.is_empty() {
        run.push_str("env ");
        for (name, value) in &command.env {
            run.push_str(&format!("{name}={} ", word(value)));
        }
    }
    run.push_str(&words(&command.argv));
    Ok(match limit {
        None => format!("exec {run}"),
        Some(seconds) => format!(
            "limit=; command -v timeout >/dev/null 2>&1 && limit='timeout -k 5 {seconds}'; \
             exec {run}"
        ),
    })
}

/// Refuses what no quoting can carry.
pub(crate) fn check(place: &str, command: &Command) -> Result<(), RemoteError> {
    let usage = |reason: String| Err(RemoteError::Usage { place: place.to_string(), reason });
    if command.argv.first().is_none_or(String::is_empty) {
        return usage("a command without a program".to_string());
    }
    if command.argv.iter().chain(command.env.values()).any(|text| text.contains('\0')) {
        return usage(format!("{}: an argument with a NUL byte", command.argv[0]));
    }
    for name in command.env.keys() {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let starts = name.starts_with(|c: char| !c.is_ascii_digit());
        if !starts || !name.chars().all(letters) {
            return usage(format!("{name:?} cannot be the name of an environment variable"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that a careless shell line would change.
    pub(crate) const HOSTILE: &[&str] = &[
        "",
        " ",
        "a b",
        "'",
        "''",
        "\"",
        "\\",
        "\\'",
        "$HOME",
        "$(id)",
        "`id`",
        "a;b",
        "a&&b",
        "|",
        ">x",
        "*",
        "?",
        "[a]",
        "{a,b}",
        "~",
        "#",
        "!",
        "!!",
        "\n",
        "a\nb\n",
        "\t",
        "-n",
        "--",
        "é\u{1F600}",
        "=",
        "a=b",
        "\u{7f}\u{1}",
        "%s",
        "'; rm -rf /nonexistent; '",
    ];

    #[test]
    fn a_shell_gives_hostile_words_back_unchanged() {
        let argv = ["printf", "%s\\0"].iter().chain(HOSTILE).map(|text| text.to_string());
        let command = Command::new(argv);
        for limit in [None, Some(5)] {
            let line = line("here", &command, false, limit).unwrap();
            for shell in ["sh", "bash", "dash"] {
                let Ok(output) = std::process::Command::new(shell).args(["-c", &line]).output()
                else {
                    continue;
                };
                let got: Vec<&[u8]> = output.stdout.split(|byte| *byte == 0).collect();
                let want: Vec<&[u8]> = HOSTILE.iter().map(|text| text.as_bytes()).collect();
                assert_eq!(got[..got.len() - 1], want, "{shell}");
            }
        }
    }

    #[test]
    fn the_environment_is_quoted_too() {
        let command = Command::new(["printenv", "A_1"]).env("A_1", "it's $HOME");
        let line = line("here", &command, false, None).unwrap();
        let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
        assert_eq!(output.stdout, b"it's $HOME\n");
    }

    #[test]
    fn sudo_comes_first_so_that_timeout_may_end_what_runs_as_root() {
        let command = Command::new(["id", "-u"]).env("A", "b c");
        let text = line("here", &command, true, Some(9)).unwrap();
        assert!(text.ends_with("exec sudo -n -- $limit env A='b c' id -u"), "{text}");
        let text = line("here", &command, true, None).unwrap();
        assert_eq!(text, "exec sudo -n -- env A='b c' id -u");
    }

    #[test]
    fn what_cannot_be_carried_is_refused() {
        let none: [&str; 0] = [];
        assert!(line("here", &Command::new(none), false, None).is_err());
        assert!(line("here", &Command::new(["a\0b"]), false, None).is_err());
        for name in ["", "1a", "a-b", "a b", "a;b"] {
            assert!(check("here", &Command::new(["true"]).env(name, "")).is_err(), "{name}");
        }
    }
}
