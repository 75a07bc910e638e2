use std::io::Write;

use super::*;
use crate::{Call, Event, Index, Key, Topology, Writer, close, read_file};

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("perjury-stream-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn written(folder: &Path, entries: u64) -> PathBuf {
    let path = folder.join("history.jsonl");
    let header = Header::new("r1", "register", Topology::default());
    let mut writer = Writer::create(&path, &header).unwrap();
    for at in 0..entries {
        let call = Call::Read { key: Key::from(format!("key {at}")) };
        writer.append(at, &Event::Invoke { process: at, node: "n1".into(), call });
    }
    writer.flush().unwrap();
    path
}

/// All entries that there are now, and what is cut off.
fn all(path: &Path) -> Result<(Vec<Entry>, Option<Truncation>), FileError> {
    let mut stream = Entries::open(path)?;
    let mut entries = Vec::new();
    while let Some(entry) = stream.read()? {
        entries.push(entry);
    }
    Ok((entries, stream.truncation()))
}

#[track_caller]
fn assert_same(path: &Path) {
    match (read_file(path), all(path)) {
        (Ok(history), Ok((entries, cut))) => {
            assert_eq!(history.entries, entries);
            assert_eq!(history.truncation, cut);
        }
        (Err(whole), Err(error)) => assert_eq!(whole.to_string(), error.to_string()),
        (whole, streamed) => panic!("{whole:?}\n{streamed:?}"),
    }
}

#[test]
fn a_file_cut_off_or_damaged_anywhere_is_read_as_it_is_as_a_whole() {
    let folder = folder("cut");
    let path = written(&folder, 5);
    let bytes = std::fs::read(&path).unwrap();
    let first = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    for end in first + 1..=bytes.len() {
        std::fs::write(&path, &bytes[..end]).unwrap();
        assert_same(&path);
    }
    for at in 0..bytes.len() {
        for byte in [b'\n', b'"', b'9', 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] = byte;
            std::fs::write(&path, &damaged).unwrap();
            assert_eq!(read_file(&path).is_ok(), all(&path).is_ok(), "{byte} at {at}");
            if at > first {
                assert_same(&path);
            }
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn compressed_files_are_read_too_and_up_to_where_they_break_off() {
    let folder = folder("compressed");
    let path = written(&folder, 20_000);
    let bytes = std::fs::read(&path).unwrap();
    let gz = folder.join("history.jsonl.gz");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&bytes).unwrap();
    let zipped = encoder.finish().unwrap();
    let (zst, _) = close(&path).unwrap();
    let packed = std::fs::read(&zst).unwrap();
    for (path, whole) in [(gz, zipped), (zst, packed)] {
        for end in [whole.len(), whole.len() - 5, whole.len() / 2, whole.len() / 3] {
            std::fs::write(&path, &whole[..end]).unwrap();
            assert_same(&path);
        }
        assert!(all(&path).unwrap().1.is_some());
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_is_written_later_is_read_by_asking_again() {
    let folder = folder("grows");
    let whole = std::fs::read(written(&folder, 3)).unwrap();
    let path = folder.join("growing.jsonl");
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    std::fs::write(&path, &whole[..first]).unwrap();
    let mut stream = Entries::open(&path).unwrap();
    assert_eq!(stream.header().run, "r1");
    let mut file = File::options().append(true).open(&path).unwrap();
    let mut read = Vec::new();
    for byte in &whole[first..] {
        assert_eq!(stream.read().unwrap(), None);
        file.write_all(&[*byte]).unwrap();
        if *byte == b'\n' {
            read.push(stream.read().unwrap().unwrap().index);
            assert_eq!(stream.truncation(), None);
        }
    }
    assert_eq!(read, [Index(0), Index(1), Index(2)]);
    std::fs::remove_dir_all(folder).unwrap();
}
