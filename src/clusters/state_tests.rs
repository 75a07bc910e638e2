//! Tests of the state folder.

use super::*;

fn places(folder: &tempfile::TempDir) -> Places {
    Places { state: folder.path().join("state"), cache: folder.path().join("cache") }
}

#[test]
fn a_cluster_is_claimed_once_and_forgotten_whole() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(&folder);
    let home = places.claim("a", Backend::Local).unwrap();
    assert!(matches!(places.claim("a", Backend::Local), Err(ClusterError::Exists { .. })));
    assert!(matches!(places.open("a"), Err(ClusterError::Busy { .. })));
    home.note(|record| record.namespace = Some("x".into())).unwrap();
    drop(home);
    let home = places.open("a").unwrap();
    assert_eq!(home.record().unwrap().namespace.as_deref(), Some("x"));
    assert_eq!(places.names(), ["a"]);
    assert_eq!(places.inventory("a").unwrap(), None);
    home.forget().unwrap();
    assert!(places.names().is_empty());
    assert!(matches!(places.open("a"), Err(ClusterError::Unknown { .. })));
    assert!(matches!(places.inventory("a"), Err(ClusterError::Unknown { .. })));
}

#[test]
fn a_folder_without_a_record_made_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(&folder);
    fs::create_dir_all(places.clusters().join("cut")).unwrap();
    let home = places.open("cut").unwrap();
    assert_eq!(home.record().unwrap().backend, Backend::Processes);
    home.forget().unwrap();
    assert!(places.names().is_empty());
}

#[test]
fn names_cannot_leave_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["..", "a/b", "", "-x"] {
        assert!(matches!(places(&folder).open(name), Err(ClusterError::Declaration { .. })));
    }
}

#[test]
fn what_is_mounted_below_a_folder_is_found() {
    let table = "22 1 0:20 / /var/lib rw - ext4 a rw\n\
                 23 1 0:21 / /var/lib/perjury/x rw - tmpfs b rw\n\
                 24 1 0:22 / /var/lib/perjury-other rw - tmpfs c rw\n";
    assert_eq!(mounts_below(table, Path::new("/var/lib/perjury")), ["/var/lib/perjury/x"]);
    assert!(mounts_below(table, Path::new("/srv")).is_empty());
}

#[test]
fn paths_that_overlayfs_would_misread_are_refused() {
    for path in ["relative", "/a b", "/a:b", "/a,b", "/a\\b"] {
        assert!(check_path(Path::new(path)).is_err(), "{path}");
    }
    assert!(check_path(Path::new("/var/lib/perjury-2.x_y")).is_ok());
}
