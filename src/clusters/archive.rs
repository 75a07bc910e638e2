//! From where this machine gets its packages: nodes are made of the same suite and mirror, since a
//! user's mirror may be the only one in reach.

use std::fs;

use super::{ClusterError, host};

/// A package archive and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Archive {
    /// The base of its mirror.
    pub mirror: String,
    /// The lines of `sources.list` for the suite, its updates and its security fixes.
    pub sources: String,
    /// The host's settings of how to fetch, such as a proxy.
    pub settings: String,
}

/// What `apt-get indextargets` shall say of each index.
const FORMAT: &str = "$(REPO_URI)|$(CODENAME)|$(RELEASE)|$(COMPONENT)";

/// The suite of this machine's own distribution, by its code name.
pub(super) fn suite() -> Result<String, ClusterError> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    code_name(&release).ok_or_else(|| ClusterError::Missing {
        what: "this system is not Debian or Ubuntu (/etc/os-release), so no base tree can be made \
               of its packages"
            .into(),
        mend: "use a docker or ssh cluster".into(),
    })
}

/// The archive of a suite, as the host reaches it. Takes apt about a second.
pub(super) fn of_host(suite: &str) -> Result<Archive, ClusterError> {
    let step = "asking apt for its archive";
    let mut targets = host::program("apt-get");
    targets.args(["indextargets", "--format", FORMAT, "Created-By: Packages"]);
    let targets = host::run(step, &mut targets)?;
    let dump = host::run(step, host::program("apt-config").arg("dump"))?;
    let targets = String::from_utf8_lossy(&targets.stdout);
    let (mirror, sources) = choose(suite, &targets).ok_or_else(|| ClusterError::Missing {
        what: format!("the apt sources of this machine name no archive of {suite} main"),
        mend: "name one in /etc/apt/sources.list, then run apt-get update".into(),
    })?;
    let settings = settings(&String::from_utf8_lossy(&dump.stdout));
    Ok(Archive { mirror, sources, settings })
}

/// The code name of a Debian or an Ubuntu.
fn code_name(release: &str) -> Option<String> {
    let value = |key: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|text| text.trim_matches('"').to_string())
    };
    matches!(value("ID")?.as_str(), "debian" | "ubuntu").then(|| value("VERSION_CODENAME"))?
}

/// The mirror of the suite, and the source lines. Other archives of the host stay out of the nodes.
fn choose(suite: &str, targets: &str) -> Option<(String, String)> {
    let mut mirror = None;
    let mut sources = Vec::new();
    for line in targets.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let [uri, code, release, component] = fields[..] else { continue };
        // Without a downloaded index apt knows no code name.
        let name = if code.is_empty() || code.starts_with('$') { release } else { code };
        let Some(part) = name.strip_prefix(suite) else { continue };
        if !["", "-updates", "-security"].contains(&part)
            || !["main", "universe"].contains(&component)
        {
            continue;
        }
        if part.is_empty() && component == "main" && mirror.is_none() {
            mirror = Some(uri.to_string());
        }
        let source = format!("deb {uri} {suite}{part} {component}");
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    Some((mirror?, sources.join("\n")))
}

/// The settings of how to fetch, out of all settings of apt.
fn settings(dump: &str) -> String {
    let ours = dump.lines().filter(|line| line.starts_with("Acquire::"));
    ours.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_name_of_debian_and_ubuntu_only() {
        let debian = "PRETTY_NAME=\"Debian\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(code_name(debian).as_deref(), Some("bookworm"));
        assert_eq!(code_name("ID=\"ubuntu\"\nVERSION_CODENAME=noble").as_deref(), Some("noble"));
        assert_eq!(code_name("ID=fedora\nVERSION_CODENAME=x"), None);
        assert_eq!(code_name("ID=debian\n"), None);
    }

    #[test]
    fn archives_of_others_stay_out() {
        let targets = "https://example.org/apt|stable|stable|main\n\
                       http://a.example/debian/|bookworm|bookworm|main\n\
                       http://a.example/debian/|bookworm|bookworm|contrib\n\
                       http://a.example/debian/|bookworm-updates|bookworm-updates|main\n\
                       http://b.example/|bookworm-pgdg|bookworm-pgdg|main\n\
                       http://c.example/security/||bookworm-security|main\n";
        let (mirror, sources) = choose("bookworm", targets).unwrap();
        assert_eq!(mirror, "http://a.example/debian/");
        assert_eq!(
            sources,
            "deb http://a.example/debian/ bookworm main\n\
             deb http://a.example/debian/ bookworm-updates main\n\
             deb http://c.example/security/ bookworm-security main"
        );
        assert_eq!(choose("trixie", targets), None);
    }

    #[test]
    fn only_how_to_fetch_is_lent() {
        let dump =
            "APT \"\";\nAcquire \"\";\nAcquire::http::Proxy \"http://p.example\";\nDir \"/\";";
        assert_eq!(settings(dump), "Acquire::http::Proxy \"http://p.example\";");
    }
}
