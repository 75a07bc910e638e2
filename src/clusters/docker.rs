//! The `docker` backend: containers by docker compose, one service per node.
//!
//! Not privileged, no systemd, no fixed container names. A container shares the host's clock, so no
//! clock can be set. All that belongs to a cluster bears its name in docker's labels, by which it
//! is found and removed, with or without the compose file.

use std::env;
use std::fs::{self, Permissions};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::address::{Plan, node_name};
use super::dockerd::{Client, Daemon};
use super::keys::Keys;
use super::state::{Compose, Home};
use super::{
    Backend, ClusterError, DockerSpec, Inventory, Limits, Member, Places, Reach, Say, host, image,
    network, state,
};

/// How long a container may take until its sshd answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// What root in a container lacks of what a fault or a database might want.
const LACKING: [&str; 5] = ["sys_time", "sys_admin", "sys_boot", "sys_module", "sys_rawio"];

/// Makes the containers. The caller removes what was made if this fails.
pub(super) fn up(
    places: &Places,
    home: &Home,
    spec: &DockerSpec,
    say: Say<'_>,
) -> Result<Inventory, ClusterError> {
    let plan = Plan::new(&spec.subnet, spec.nodes)?;
    let prefix = plan.prefix_24()?;
    host::run("asking for docker", host::program("docker").arg("--version"))?;
    let (client, own_daemon) = choose_daemon(places, home, say)?;
    let project = claim_project(home, &client, own_daemon)?;
    let compose = compose(&client)?;
    let directory = image::directory(home, spec)?;
    let image = image::image(places, spec, &directory, (&client, own_daemon), say)?;

    let start = Instant::now();
    let names: Vec<String> = plan.numbers().map(node_name).collect();
    let keys = Keys::make(&home.keys(), &names)?;
    let lent = home.path.join("lent");
    lend_keys(&keys, &names, &lent)?;
    let mut command = compose_command(&client, &compose);
    command
        .args(["-p", &project, "-f"])
        .arg(directory.join("compose.yaml"))
        .args(["up", "-d", "--no-build"])
        .args(&names)
        .env("PERJURY_CLUSTER", &home.name)
        .env("PERJURY_IMAGE", &image)
        .env("PERJURY_KEYS", &lent)
        .env("PERJURY_PREFIX", &prefix)
        .env("PERJURY_PACKAGES", spec.packages.join(" "));
    host::run("starting the containers", &mut command)?;
    say(&format!("cluster {}: {} containers in {:.1?}", home.name, names.len(), start.elapsed()));

    let members = members(&plan, &keys);
    let known: Vec<_> =
        members.iter().map(|member| (member.name.to_string(), vec![member.address])).collect();
    keys.write_known_hosts(&known)?;
    let namespace = own_daemon.then(|| Daemon::of(places).namespace());
    await_all(&members, namespace.as_deref())?;
    let lacking = LACKING.map(String::from).to_vec();
    Ok(Inventory {
        name: home.name.clone(),
        backend: Backend::Docker,
        namespace,
        nodes: members,
        limits: Limits { own_clock: Some(false), lacking },
    })
}

fn members(plan: &Plan, keys: &Keys) -> Vec<Member> {
    let member = |number| {
        let address = IpAddr::V4(plan.ipv4(number));
        Member {
            name: node_name(number).into(),
            address,
            other_address: None,
            reach: Reach::Ssh(keys.login(address)),
        }
    };
    plan.numbers().map(member).collect()
}

/// The user's daemon if one answers, else one of our own if that can be had.
fn choose_daemon(
    places: &Places,
    home: &Home,
    say: Say<'_>,
) -> Result<(Client, bool), ClusterError> {
    if let Ok(remote) = env::var("DOCKER_HOST")
        && !remote.is_empty()
        && !remote.starts_with("unix:")
    {
        return Err(ClusterError::Declaration {
            what: format!(
                "DOCKER_HOST is {remote}: the daemon has to be on this machine, since the \
                 controller speaks with its containers at their own addresses"
            ),
        });
    }
    let users = Client::users();
    if users.answers() {
        return Ok((users, false));
    }
    if !state::is_root() || host::which("dockerd").is_none() {
        return Err(ClusterError::Missing {
            what: "no docker daemon answers".into(),
            mend: "start one (systemctl start docker); or apt-get install -y docker.io and run \
                   this as root, which then starts one of its own"
                .into(),
        });
    }
    let daemon = Daemon::of(places);
    // Noted before it runs; the project is noted in full once its name is known to be free.
    let project = project_of(&home.name);
    home.note(|record| record.compose = Some(Compose { project, own_daemon: true }))?;
    daemon.start(say)?;
    Ok((Client::ours(&daemon), true))
}

fn project_of(cluster: &str) -> String {
    format!("perjury-{cluster}")
}

/// Takes the project's name, once it is certain that it is nobody else's.
fn claim_project(home: &Home, client: &Client, own_daemon: bool) -> Result<String, ClusterError> {
    let project = project_of(&home.name);
    let taken = find(client, &project)?;
    if let Some((kind, ids)) = taken.first() {
        return Err(ClusterError::Failed {
            step: "starting the containers".into(),
            what: format!(
                "docker has a project {project} already ({kind} {}) that is not recorded here: \
                 choose another name, or remove it with `docker compose -p {project} down`",
                ids.join(", ")
            ),
        });
    }
    let compose = Compose { project: project.clone(), own_daemon };
    home.note(|record| record.compose = Some(compose))?;
    Ok(project)
}

/// How compose is called here: as a plugin of docker, or as a program of its own.
pub(super) fn compose(client: &Client) -> Result<Vec<&'static str>, ClusterError> {
    for words in [vec!["docker", "compose"], vec!["docker-compose"]] {
        let mut command = compose_command(client, &words);
        if host::run("asking for compose", command.arg("version")).is_ok() {
            return Ok(words);
        }
    }
    Err(ClusterError::Missing {
        what: "neither `docker compose` nor `docker-compose` is installed".into(),
        mend: "apt-get install -y docker-compose (or docker-compose-plugin of docker's archive)"
            .into(),
    })
}

fn compose_command(client: &Client, words: &[&str]) -> Command {
    let mut command = client.program(words[0]);
    command.args(&words[1..]);
    command
}

/// Lays out what each node may see: its own key and the line that lets us in, nothing else.
fn lend_keys(keys: &Keys, names: &[String], lent: &Path) -> Result<(), ClusterError> {
    let authorized = keys.authorized()?;
    for name in names {
        let folder = lent.join(name);
        state::make_private(&folder)?;
        let from = keys.host(name);
        let key = fs::read(&from).map_err(ClusterError::io(&from))?;
        for (file, content) in [("host_key", &key), ("authorized_keys", &authorized.clone().into())]
        {
            let path = folder.join(file);
            fs::write(&path, content).map_err(ClusterError::io(&path))?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))
                .map_err(ClusterError::io(&path))?;
        }
    }
    Ok(())
}

fn await_all(members: &[Member], namespace: Option<&str>) -> Result<(), ClusterError> {
    let wait = |member: &Member| {
        let at = SocketAddr::new(member.address, 22);
        network::await_ssh(namespace, at, PATIENCE, || None).map_err(|reason| ClusterError::Node {
            node: member.name.to_string(),
            what: format!("{reason}; see `docker logs` of its container"),
        })
    };
    thread::scope(|scope| {
        let wait = &wait;
        let threads: Vec<_> =
            members.iter().map(|member| scope.spawn(move || wait(member))).collect();
        let joined: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        joined.into_iter().try_for_each(|result| {
            result.unwrap_or_else(|_| {
                let (step, what) = ("waiting for the containers", "a thread panicked");
                Err(ClusterError::Failed { step: step.into(), what: what.into() })
            })
        })
    })
}

/// Everything of a project: kinds in the order in which they can be removed, each with its ids.
fn find(client: &Client, project: &str) -> Result<Vec<(&'static str, Vec<String>)>, ClusterError> {
    let label = format!("label=com.docker.compose.project={project}");
    let mut found = Vec::new();
    for (kind, list) in [
        ("container", ["container", "ls", "--all"].as_slice()),
        ("network", ["network", "ls"].as_slice()),
        ("volume", ["volume", "ls"].as_slice()),
    ] {
        let arguments = [list, &["--quiet", "--filter", &label]].concat();
        let ids = client.lines("asking docker for what is there", &arguments)?;
        if !ids.is_empty() {
            found.push((kind, ids));
        }
    }
    Ok(found)
}

/// Removes the containers and their network, and ends our daemon if nobody else needs it.
pub(super) fn down(places: &Places, home: &Home, say: Say<'_>) -> Result<(), ClusterError> {
    let Some(Compose { project, own_daemon }) = home.record()?.compose else { return Ok(()) };
    if !own_daemon {
        return remove_project(&Client::users(), &project);
    }
    let daemon = Daemon::of(places);
    if needed_by_others(places, &home.name) {
        return remove_project(&Client::ours(&daemon), &project);
    }
    if daemon.runs() {
        // It would be ended with them inside; but then their control groups are left.
        if let Err(error) = remove_project(&Client::ours(&daemon), &project) {
            say(&format!("cluster {}: {error}; ending the daemon all the same", home.name));
        }
    }
    daemon.stop()
}

fn needed_by_others(places: &Places, name: &str) -> bool {
    let own = |other: &String| {
        let record = places.record(other).ok().and_then(|record| record.compose);
        record.is_some_and(|compose| compose.own_daemon)
    };
    places.names().iter().any(|other| other != name && own(other))
}

fn remove_project(client: &Client, project: &str) -> Result<(), ClusterError> {
    for (kind, ids) in find(client, project)? {
        let mut arguments = vec![kind, "rm"];
        if kind == "container" {
            arguments.extend(["--force", "--volumes"]);
        }
        arguments.extend(ids.iter().map(String::as_str));
        client.lines("removing the containers", &arguments)?;
    }
    Ok(())
}
