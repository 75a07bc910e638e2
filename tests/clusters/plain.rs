//! What needs no nodes: plain processes, and the doctor.

use perjury::clusters::{self, NodeState, Places, ProcessesSpec, Spec};

use crate::bench::{output_of, runs, say};

#[test]
fn processes_need_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places { state: folder.path().join("state"), cache: folder.path().join("cache") };
    let spec = Spec::Processes(ProcessesSpec::default());
    let inventory = clusters::up(&places, &spec, &say).unwrap();
    assert_eq!(inventory.topology().nodes.len(), 5);
    assert_eq!(inventory.nodes[4].address.to_string(), "127.77.0.5");
    assert_eq!(clusters::list(&places), ["processes"]);
    let status = clusters::status(&places, "processes").unwrap();
    assert!(status.nodes.iter().all(|node| node.state == NodeState::Address));
    assert_eq!(clusters::inventory(&places, "processes").unwrap(), Some(inventory));
    clusters::down(&places, "processes", &say).unwrap();
    assert!(clusters::list(&places).is_empty());
}

#[test]
fn the_doctor_says_how_to_mend_what_is_missing() {
    for check in clusters::doctor(&Places::from_env()) {
        match check.found {
            Ok(found) => eprintln!("  ok       {}: {found}", check.what),
            Err(lack) => {
                eprintln!("  missing  {}: {}; {}", check.what, lack.why, lack.mend);
                assert!(!lack.mend.is_empty());
            }
        }
    }
}

/// A machine without `nft`: nothing is where that would be.
#[test]
fn the_doctor_says_what_links_will_be_cut_with() {
    if !nix::unistd::geteuid().is_root() || !runs("nft") || !runs("iptables") {
        eprintln!("SKIPPED what the doctor says of packet filters: missing root, nft or iptables");
        return;
    }
    let perjury = env!("CARGO_BIN_EXE_perjury");
    for (hidden, expected) in [
        (&[][..], "ok       packet filter: nft will be used ("),
        (&["nft"], "ok       packet filter: iptables will be used, as nft is not installed ("),
        (&["nft", "iptables"], "MISSING  packet filter: neither nft nor iptables is installed"),
    ] {
        let hide = "for name in \"$@\"; do mount --bind /dev/null \"$(command -v \"$name\")\" || \
                    exit 99; done; exec \"$0\" doctor";
        let words = [&["unshare", "--mount", "sh", "-c", hide, perjury][..], hidden].concat();
        let said = output_of(&words);
        assert!(said.contains(expected), "{hidden:?}: {said}");
        assert!(hidden.len() < 2 || said.contains("apt-get install -y nftables"), "{said}");
    }
}
