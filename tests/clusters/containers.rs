//! Nodes that are containers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use perjury::clusters::{self, DockerSpec, Spec};

use crate::bench::{assert_all_let_us_in, bench, name, output_of, runs, ssh};

#[test]
fn containers_come_up_with_or_without_a_daemon_and_leave_nothing() {
    let answers = Command::new("docker").arg("version").output();
    let more: &[&str] = match answers.is_ok_and(|output| output.status.success()) {
        true => &["docker"],
        false => &["docker", "dockerd"],
    };
    let Some(mut bench) = bench("containers", more) else { return };
    if !runs("docker-compose")
        && !Command::new("docker")
            .args(["compose", "version"])
            .output()
            .is_ok_and(|output| output.status.success())
    {
        eprintln!("SKIPPED containers: missing docker compose and docker-compose");
        return;
    }
    // A socket's path has to be short.
    bench.folder = tempfile::Builder::new().prefix("p").tempdir_in("/tmp").unwrap();
    bench.places.state = bench.folder.path().join("s");
    let before = control_groups();
    let name = name("docker");
    let spec = |nodes| DockerSpec { name: name.clone(), nodes, ..DockerSpec::default() };
    let inventory = bench.up(&Spec::Docker(spec(3)));
    assert_all_let_us_in(&bench, &inventory);
    for member in &inventory.nodes {
        let node = member.name.as_str();
        let address = inventory.nodes[0].address;
        ssh(&inventory, node, &format!("ping -c 1 -W 2 {address} && ping -c 1 -W 2 n2")).unwrap();
        ssh(&inventory, node, "nft add table inet x && nft delete table inet x").unwrap();
        ssh(&inventory, node, "command -v etcd redis-server").unwrap();
        assert!(ssh(&inventory, node, "date -s '+1 hour'").is_err());
    }
    if inventory.namespace.is_some() {
        bench.assert_host_network_untouched();
    }
    bench.down(&name);
    bench.assert_nothing_left(&name);
    assert_eq!(control_groups(), before);

    // A daemon of ours that dies leaves its containers running.
    if inventory.namespace.is_some() {
        bench.up(&Spec::Docker(spec(2)));
        let pid = fs::read_to_string(bench.places.state.join("docker/pid")).unwrap();
        let pid = nix::unistd::Pid::from_raw(pid.trim().parse().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).unwrap();
        bench.down(&name);
        bench.assert_nothing_left(&name);
        assert_eq!(control_groups(), before);
    }
}

/// The control groups of daemons of ours.
fn control_groups() -> String {
    output_of(&["find", "/sys/fs/cgroup", "-name", "perjury-dockerd*"])
}

/// What the docker client asks of a plugin, with docker-compose behind it; writes down how it is
/// called.
const PLUGIN: &str = r#"#!/bin/sh
case $1 in
    docker-cli-plugin-metadata)
        echo '{"SchemaVersion":"0.1.0","Vendor":"a test","Version":"v2.0.0"}'
        exit ;;
    compose) shift ;;
esac
echo "$DOCKER_HOST $*" >> "${0%/cli-plugins/*}/calls"
exec docker-compose "$@"
"#;

/// Compose v2 is a plugin of docker, called as `docker compose`. Debian has only the first version,
/// so a plugin of our own passes the call on to it: what is tested is which of the two is chosen,
/// and what it is told.
#[test]
fn compose_as_a_plugin_of_docker_is_preferred_and_told_the_same() {
    let Some(mut bench) = bench("compose as a plugin", &["docker", "dockerd"]) else { return };
    if !runs("docker-compose") {
        eprintln!("SKIPPED compose as a plugin: missing docker-compose");
        return;
    }
    bench.folder = tempfile::Builder::new().prefix("p").tempdir_in("/tmp").unwrap();
    bench.places.state = bench.folder.path().join("s");
    let config = bench.folder.path().join("config");
    let plugin = config.join("cli-plugins/docker-compose");
    fs::create_dir_all(plugin.parent().unwrap()).unwrap();
    fs::write(&plugin, PLUGIN).unwrap();
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
    let perjury = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_perjury"));
        command.args(words).env("PERJURY_STATE", &bench.places.state);
        let output = command.env("DOCKER_CONFIG", &config).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let (_, doctor) = perjury(&["doctor"]);
    assert!(doctor.contains("compose: docker compose\n"), "{doctor}");
    let name = name("plugin");
    let declaration = bench.folder.path().join("cluster.toml");
    let text = format!("[docker]\nname = \"{name}\"\nnodes = 2\nsubnet = \"10.92.0.0/24\"\n");
    fs::write(&declaration, text).unwrap();
    let (code, said) = perjury(&["cluster", "up", declaration.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    let inventory = clusters::inventory(&bench.places, &name).unwrap().unwrap();
    assert_all_let_us_in(&bench, &inventory);
    let calls = fs::read_to_string(config.join("calls")).unwrap();
    let state = bench.places.state.display();
    let file = format!("{state}/clusters/{name}/docker/compose.yaml");
    let up = format!("-p perjury-{name} -f {file} up -d --no-build n1 n2");
    let last = calls.lines().last().unwrap();
    assert_eq!(last, format!("unix://{state}/docker/sock {up}"), "{calls}");
    assert!(calls.lines().all(|call| call.ends_with(" version") || call == last), "{calls}");
    let (code, said) = perjury(&["cluster", "down", &name]);
    assert_eq!(code, Some(0), "{said}");
    bench.assert_nothing_left(&name);
}
