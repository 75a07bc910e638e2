//! Tests of the declarations.

use super::*;

fn read(json: &str) -> Result<Spec, String> {
    let spec: Spec = serde_json::from_str(json).map_err(|error| error.to_string())?;
    spec.check().map_err(|error| error.to_string())?;
    Ok(spec)
}

#[test]
fn the_word_is_the_key_and_all_else_has_a_default() {
    assert_eq!(read(r#"{"local": {}}"#), Ok(Spec::Local(LocalSpec::default())));
    assert_eq!(read(r#"{"docker": {}}"#), Ok(Spec::Docker(DockerSpec::default())));
    let spec = read(r#"{"processes": {"nodes": 3}}"#).unwrap();
    assert_eq!(spec.name(), "processes");
    let spec = read(r#"{"local": {"name": "two", "subnet": "10.9.0.0/16", "packages": []}}"#);
    assert_eq!(spec.unwrap().name(), "two");
}

#[test]
fn a_machine_needs_only_a_name_and_a_host() {
    let spec = read(r#"{"ssh": {"nodes": [{"name": "n1", "host": "a.example"}]}}"#).unwrap();
    let Spec::Ssh(ssh) = spec else { panic!("another backend") };
    assert_eq!((ssh.name.as_str(), ssh.nodes[0].port, ssh.own_clock), ("ssh", None, None));
    let full = r#"{"ssh": {"config": "c", "own-clock": true, "nodes": [{"name": "n1", "host": "h",
        "address": "fd00::1", "port": 2222, "user": "u", "identity": "k", "known-hosts": "h"}]}}"#;
    read(full).unwrap();
}

#[test]
fn what_is_unknown_or_cannot_be_is_refused() {
    for (json, part) in [
        (r#"{"lokal": {}}"#, "unknown variant `lokal`"),
        (r#"{"local": {"node": 5}}"#, "unknown field `node`"),
        (r#"{"ssh": {"nodes": [{"name": "n1", "hots": "x"}]}}"#, "unknown field `hots`"),
        (r#"{"local": {"nodes": 0}}"#, "1 to 200 fit"),
        (r#"{"local": {"name": "../x"}}"#, "a name has up to 40"),
        (r#"{"local": {"name": "A"}}"#, "a name has up to 40"),
        (r#"{"local": {"name": ""}}"#, "a name has up to 40"),
        (r#"{"local": {"packages": ["-o"]}}"#, "no package name"),
        (r#"{"local": {"packages": ["a b"]}}"#, "no package name"),
        (r#"{"docker": {"subnet": "10.0.0.0/16"}}"#, "wants a /24"),
        (r#"{"ssh": {"nodes": []}}"#, "at least one"),
        (r#"{"ssh": {"nodes": [{"name": "n1", "host": "-oX"}]}}"#, "is no host"),
        (
            r#"{"ssh": {"nodes": [{"name": "a", "host": "x"}, {"name": "a", "host": "y"}]}}"#,
            "twice",
        ),
        (r#"{"processes": {"nodes": 251}}"#, "1 to 250"),
    ] {
        let error = read(json).unwrap_err();
        assert!(error.contains(part), "{json}: {error}");
    }
}
