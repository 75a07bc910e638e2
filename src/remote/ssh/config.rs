//! What `ssh` itself would do for a host: `ssh -G`, read back.
//!
//! Aliases, ports, users, keys, files of known hosts and proxies of `~/.ssh/config` work this way
//! without a parser of our own. Where there is no `ssh` program, the target is taken as it stands.

use std::env;
use std::path::PathBuf;
use std::process::{Command as Program, Stdio};
use std::time::Duration;

use super::SshTarget;
use crate::remote::{RemoteError, quote};

/// Everything needed to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    /// As the user wrote it.
    pub(super) alias: String,
    /// A name or an address.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    /// The name in the files of known hosts if it is not the host and port.
    pub(super) host_key_alias: Option<String>,
    pub(super) known_hosts: Vec<PathBuf>,
    /// Key files, in the order in which they are tried; some may not exist.
    pub(super) identities: Vec<PathBuf>,
    /// Were the key files asked for by name? Then their absence is an error.
    pub(super) identities_named: bool,
    pub(super) passphrase_env: Option<String>,
    /// The socket of an ssh-agent, if one is named.
    pub(super) agent: Option<PathBuf>,
    /// May only those keys of the agent be used whose public halves lie beside the key files?
    pub(super) only_identities: bool,
    /// A shell line whose standard input and output lead to the host.
    pub(super) proxy: Option<String>,
    pub(super) connect_deadline: Duration,
}

impl Resolved {
    pub(super) fn place(&self) -> String {
        let alias = match self.alias == self.host {
            true => String::new(),
            false => format!(" ({})", self.alias),
        };
        format!("ssh {}@{}:{}{alias}", self.user, self.host, self.port)
    }
}

/// Fills in what the target leaves open.
pub(super) fn resolve(target: &SshTarget) -> Result<Resolved, RemoteError> {
    if target.host.is_empty() || target.host.starts_with('-') {
        return Err(usage(target, "this is no name of a host".to_string()));
    }
    let mut program = Program::new("ssh");
    program.arg("-G");
    if let Some(file) = &target.config {
        program.arg("-F").arg(file);
    }
    if let Some(port) = target.port {
        program.arg("-p").arg(port.to_string());
    }
    if let Some(user) = &target.user {
        program.arg("-l").arg(user);
    }
    let output = program.arg("--").arg(&target.host).stdin(Stdio::null()).output();
    let text = match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_string();
            return Err(usage(target, format!("ssh -G refuses its configuration: {said}")));
        }
        Err(_) if target.config.is_some() => {
            let reason = "a configuration file is named but there is no `ssh` to read it";
            return Err(usage(target, reason.to_string()));
        }
        Err(_) => String::new(),
    };
    Ok(read(target, &text))
}

fn usage(target: &SshTarget, reason: String) -> RemoteError {
    RemoteError::Usage { place: format!("ssh {}", target.host), reason }
}

/// Reads what `ssh -G` printed; what it does not say gets the usual default.
fn read(target: &SshTarget, text: &str) -> Resolved {
    let all = |key: &str| -> Vec<&str> {
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.filter(|(name, _)| *name == key).map(|(_, value)| value.trim()).collect()
    };
    let one = |key: &str| all(key).first().map(|value| value.to_string());
    let set = |key: &str| one(key).filter(|value| value != "none");
    let host = one("hostname").unwrap_or_else(|| target.host.clone());
    let port = target.port.or_else(|| one("port")?.parse().ok()).unwrap_or(22);
    let user = target.user.clone().or_else(|| one("user"));
    let user = user.or_else(|| env::var("USER").ok()).unwrap_or_else(|| "root".to_string());
    let mut known_hosts = target.known_hosts.clone();
    if known_hosts.is_empty() {
        let files = ["userknownhostsfile", "globalknownhostsfile"];
        known_hosts =
            files.iter().filter_map(|key| set(key)).flat_map(|text| paths(&text)).collect();
    }
    if known_hosts.is_empty() {
        known_hosts = paths("~/.ssh/known_hosts /etc/ssh/ssh_known_hosts");
    }
    let mut identities = target.identities.clone();
    if identities.is_empty() {
        let files = all("identityfile").into_iter().filter(|file| *file != "none");
        identities = files.map(expand).collect();
    }
    if identities.is_empty() {
        identities = paths("~/.ssh/id_ed25519 ~/.ssh/id_ecdsa ~/.ssh/id_rsa");
    }
    let only = one("identitiesonly").is_some_and(|value| value == "yes");
    let jump = set("proxyjump").map(|jumps| format!("exec {}", jump_line(target, &jumps)));
    let proxy = jump.or_else(|| set("proxycommand"));
    Resolved {
        alias: target.host.clone(),
        proxy: proxy.map(|line| fill(&line, &host, port, &user, &target.host)),
        host_key_alias: one("hostkeyalias"),
        identities_named: !target.identities.is_empty(),
        passphrase_env: target.passphrase_env.clone(),
        agent: agent_socket(one("identityagent").as_deref()),
        only_identities: only || !target.identities.is_empty(),
        connect_deadline: target.connect_deadline,
        host,
        port,
        user,
        known_hosts,
        identities,
    }
}

/// What `IdentityAgent` means: a socket, the variable that names one, or none at all.
fn agent_socket(said: Option<&str>) -> Option<PathBuf> {
    let of = |name: &str| env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    match said {
        Some("none") => None,
        None | Some("SSH_AUTH_SOCK") => of("SSH_AUTH_SOCK"),
        Some(text) => match text.strip_prefix('$') {
            Some(name) => of(name.trim_matches(['{', '}'])),
            None => Some(expand(text)),
        },
    }
}

/// Reaches the host through others: `ssh` itself does the jumping. Each jump is a proxy of the next
/// one, because the options given here would not reach the jumps that `ssh -J` makes by itself: a
/// jump that asks a question, or takes a host key that nobody knows, is no way in.
fn jump_line(target: &SshTarget, jumps: &str) -> String {
    let mut words = vec!["ssh".to_string()];
    if let Some(file) = &target.config {
        words.extend(["-F".to_string(), file.display().to_string()]);
    }
    for option in ["BatchMode=yes", "StrictHostKeyChecking=yes"] {
        words.extend(["-o".to_string(), option.to_string()]);
    }
    let last = match jumps.rsplit_once(',') {
        Some((first, last)) => {
            // Its tokens are for that `ssh`, not for us; and that puts an `exec` before it.
            let proxy = jump_line(target, first).replace('%', "%%");
            words.extend(["-o".to_string(), format!("ProxyCommand={proxy}")]);
            last
        }
        None => jumps,
    };
    // `ssh` takes a jump as a URI, port and user included.
    words.extend(["-W".to_string(), "[%h]:%p".to_string(), format!("ssh://{last}")]);
    quote::words(&words)
}

/// Replaces the tokens that `ssh` allows in a proxy command.
fn fill(line: &str, host: &str, port: u16, user: &str, alias: &str) -> String {
    let mut filled = String::new();
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match (c, c == '%') {
            (_, false) => filled.push(c),
            (_, true) => match rest.next() {
                Some('h') => filled.push_str(host),
                Some('p') => filled.push_str(&port.to_string()),
                Some('r') => filled.push_str(user),
                Some('n') => filled.push_str(alias),
                Some('%') | None => filled.push('%'),
                Some(other) => filled.extend(['%', other]),
            },
        }
    }
    filled
}

fn paths(text: &str) -> Vec<PathBuf> {
    text.split_whitespace().map(expand).collect()
}

fn expand(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_of_ssh_are_read_back() {
        let text = "user vagrant\nhostname 127.0.0.1\nport 2222\nidentityfile /k/a b\n\
                    identityfile /k/c\nuserknownhostsfile /dev/null /x\nidentitiesonly yes\n\
                    proxycommand nc %h %p %%\nhostkeyalias n1\n";
        let resolved = read(&SshTarget::new("n1"), text);
        assert_eq!(resolved.place(), "ssh vagrant@127.0.0.1:2222 (n1)");
        assert_eq!(resolved.identities, [PathBuf::from("/k/a b"), PathBuf::from("/k/c")]);
        assert_eq!(resolved.known_hosts, [PathBuf::from("/dev/null"), PathBuf::from("/x")]);
        assert_eq!(resolved.proxy.as_deref(), Some("nc 127.0.0.1 2222 %"));
        assert_eq!(resolved.host_key_alias.as_deref(), Some("n1"));
        assert!(resolved.only_identities);
    }

    #[test]
    fn jumps_are_left_to_ssh() {
        let resolved = read(&SshTarget::new("n1"), "hostname 10.0.0.1\nproxyjump a@b:7,c,d\n");
        let line = resolved.proxy.unwrap();
        assert!(line.ends_with("-W '[10.0.0.1]:22' ssh://d"), "{line}");
        assert_eq!(line.matches("StrictHostKeyChecking=yes").count(), 3, "{line}");
        // The tokens of the inner proxies are filled in by the outer ones, one level each.
        let [inner, innermost] = ["ssh://c", "ssh://a@b:7"].map(|jump| line.find(jump).unwrap());
        assert!(innermost < inner, "{line}");
        assert!(line[..innermost].contains("[%%h]:%%p"), "{line}");
        assert!(line[innermost..inner].contains("[%h]:%p"), "{line}");
    }

    #[test]
    fn an_agent_is_where_the_configuration_says() {
        assert_eq!(agent_socket(Some("none")), None);
        assert_eq!(agent_socket(Some("/run/a b")), Some(PathBuf::from("/run/a b")));
        assert_eq!(agent_socket(Some("$HOME")), env::var_os("HOME").map(PathBuf::from));
        assert_eq!(agent_socket(Some("$PERJURY_NO_SUCH_VARIABLE")), None);
        assert_eq!(agent_socket(Some("SSH_AUTH_SOCK")), agent_socket(None));
    }

    #[test]
    fn without_ssh_the_target_stands_for_itself() {
        let mut target = SshTarget::new("::1");
        target.user = Some("u".to_string());
        let resolved = read(&target, "");
        assert_eq!((resolved.host.as_str(), resolved.port), ("::1", 22));
        assert!(!resolved.only_identities && !resolved.known_hosts.is_empty());
    }

    #[test]
    fn an_option_is_no_host() {
        assert!(resolve(&SshTarget::new("-oProxyCommand=id")).is_err());
    }
}
