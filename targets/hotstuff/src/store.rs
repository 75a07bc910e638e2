//! The store of a replica: a map in memory, and a log of every batch on disk.
//!
//! hotstuff_rs keeps in it what a replica must not forget when it is killed: the view that it voted
//! in, what it is locked on, and the blocks. So a batch is in the log, and with `sync` on the disk,
//! before `write` returns.
//!
//! hotstuff_rs 0.4.0 loses the content of every block that it reads back whole: `KVGet::block_data`
//! (`block_tree/pluggables.rs`) walks through an iterator to look for what is missing and collects
//! the data from the same, now empty, iterator. So its block sync sends blocks without content, and
//! a replica that missed a block never catches up. It is a provided method of a trait that a store
//! implements, so [`Store`] can mend it without a change to the crate; [`Published`] is the method
//! as it is.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hotstuff_rs::block_tree::pluggables::{KVGet, KVGetError, KVStore, Key, WriteBatch};
use hotstuff_rs::types::data_types::{CryptoHash, Data};
use replica::log::Log;
use replica::transaction::{decode, encode};

type Map = HashMap<Vec<u8>, Vec<u8>>;

/// The store. Clones are the same store.
#[derive(Clone)]
pub struct Store(Arc<Mutex<Inner>>);

struct Inner {
    map: Map,
    log: Log,
    options: Options,
}

/// How a store behaves.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Is every batch on the disk before it counts?
    pub sync: bool,
    /// Are blocks read back with their content?
    pub mend_block_sync: bool,
}

impl Store {
    /// Opens the log and reads it again.
    ///
    /// # Errors
    /// The file cannot be used, or is damaged: where, is said.
    pub fn open(path: &Path, options: Options) -> io::Result<Store> {
        let mut map = Map::new();
        let log = Log::open(path, options.sync, |body| {
            decode::<Batch>(body).map(|batch| batch.apply(&mut map)).is_some()
        })?;
        Ok(Store(Arc::new(Mutex::new(Inner { map, log, options }))))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Changes that are made together.
#[derive(Default, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub struct Batch {
    set: Map,
    deleted: HashSet<Vec<u8>>,
}

impl Batch {
    fn apply(self, map: &mut Map) {
        map.extend(self.set);
        for key in &self.deleted {
            map.remove(key);
        }
    }
}

impl WriteBatch for Batch {
    fn new() -> Batch {
        Batch::default()
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        self.deleted.remove(key);
        self.set.insert(key.to_vec(), value.to_vec());
    }

    fn delete(&mut self, key: &[u8]) {
        self.set.remove(key);
        self.deleted.insert(key.to_vec());
    }
}

impl KVStore for Store {
    type WriteBatch = Batch;
    type Snapshot<'a> = Snapshot<'a>;

    fn write(&mut self, batch: Batch) {
        let mut inner = self.inner();
        if let Err(error) = inner.log.append(&encode(&batch)) {
            // hotstuff_rs knows no failing store, and going on would forget a vote.
            eprintln!("the log cannot be written: {error}; the replica ends");
            std::process::exit(1);
        }
        batch.apply(&mut inner.map);
    }

    fn clear(&mut self) {
        let mut inner = self.inner();
        if let Err(error) = inner.log.clear() {
            eprintln!("the log cannot be emptied: {error}; the replica ends");
            std::process::exit(1);
        }
        inner.map.clear();
    }

    fn snapshot(&self) -> Snapshot<'_> {
        Snapshot(self.inner())
    }
}

impl KVGet for Store {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.inner().map.get(key).cloned()
    }

    fn block_data(&self, block: &CryptoHash) -> Result<Option<Data>, KVGetError> {
        self.snapshot().block_data(block)
    }
}

/// The store as it is; nothing is written while this lives.
pub struct Snapshot<'a>(MutexGuard<'a, Inner>);

impl KVGet for Snapshot<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.map.get(key).cloned()
    }

    fn block_data(&self, block: &CryptoHash) -> Result<Option<Data>, KVGetError> {
        if !self.0.options.mend_block_sync {
            return Published(self).block_data(block);
        }
        let Some(length) = self.block_data_len(block)? else { return Ok(None) };
        let data = (0..length.int()).map(|at| self.block_datum(block, at)).collect();
        let lost = KVGetError::ValueExpectedButNotFound { key: Key::BlockData { block: *block } };
        Option::map(data, |data| Some(Data::new(data))).ok_or(lost)
    }
}

/// Reads blocks with the methods that hotstuff_rs provides.
struct Published<'a, G>(&'a G);

impl<G: KVGet> KVGet for Published<'_, G> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    fn batch(set: &[(&str, &str)], deleted: &[&str]) -> Batch {
        let mut batch = Batch::new();
        set.iter().for_each(|(key, value)| batch.set(key.as_bytes(), value.as_bytes()));
        deleted.iter().for_each(|key| batch.delete(key.as_bytes()));
        batch
    }

    const MENDED: Options = Options { sync: true, mend_block_sync: true };

    fn filled(path: &Path) -> Store {
        let mut store = Store::open(path, MENDED).unwrap();
        store.write(batch(&[("a", "1"), ("b", "2")], &[]));
        store.write(batch(&[("a", "3")], &["b"]));
        store
    }

    #[test]
    fn what_was_written_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let store = filled(&path);
        assert_eq!(store.snapshot().get(b"a"), Some(b"3".to_vec()));
        drop(store);
        let store = Store::open(&path, MENDED).unwrap();
        assert_eq!(store.get(b"a"), Some(b"3".to_vec()));
        assert_eq!(store.get(b"b"), None);
    }

    #[test]
    fn clearing_empties_the_log_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut store = filled(&path);
        store.clear();
        store.write(batch(&[("z", "9")], &[]));
        drop(store);
        let store = Store::open(&path, MENDED).unwrap();
        assert_eq!(store.get(b"a"), None);
        assert_eq!(store.get(b"z"), Some(b"9".to_vec()));
    }

    #[test]
    fn a_block_has_its_content_and_the_published_crate_loses_it() {
        use hotstuff_rs::block_tree::variables::{BLOCK_DATA, BLOCK_DATA_LEN, BLOCKS};
        let block = CryptoHash::new([7; 32]);
        let place = |what: &[u8]| [&BLOCKS[..], &block.bytes()[..], what].concat();
        let mut whole = Batch::new();
        whole.set(&place(&BLOCK_DATA_LEN), &encode(&2_u32));
        for at in 0..2_u32 {
            let place = [place(&BLOCK_DATA), encode(&at)].concat();
            whole.set(&place, &[at as u8 + 1]);
        }
        let folder = tempfile::tempdir().unwrap();
        let lengths = |mend_block_sync| {
            let path = folder.path().join(format!("log-{mend_block_sync}"));
            let mut store = Store::open(&path, Options { sync: false, mend_block_sync }).unwrap();
            store.write(Batch { set: whole.set.clone(), deleted: HashSet::new() });
            let data = store.block_data(&block).unwrap().unwrap();
            data.vec().iter().map(|datum| datum.bytes().clone()).collect::<Vec<_>>()
        };
        assert_eq!(lengths(true), [vec![1], vec![2]]);
        assert!(lengths(false).is_empty(), "hotstuff_rs has been mended: drop the option");
    }
}
