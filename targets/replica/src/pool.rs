//! The transactions that a replica knows and that no committed block holds yet, and the clients
//! that wait for one.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::transaction::{Id, Transaction};

/// No more wait at a replica.
pub const MOST_WAITING: usize = 50_000;

/// The pool of a replica.
#[derive(Default)]
pub struct Pool {
    inner: Mutex<Inner>,
    arrived: Condvar,
}

#[derive(Default)]
struct Inner {
    /// In the order of their arrival here.
    queue: BTreeMap<u64, Transaction>,
    places: HashMap<Id, u64>,
    next: u64,
    waiters: HashMap<Id, Vec<Sender<()>>>,
}

impl Pool {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.inner().queue.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes in a transaction that is not there yet. Whoever calls has verified it. Answers whether
    /// there was room.
    pub fn insert(&self, transaction: Transaction) -> bool {
        let mut inner = self.inner();
        if inner.places.contains_key(&transaction.id) {
            return true;
        }
        if inner.queue.len() >= MOST_WAITING {
            return false;
        }
        let place = inner.next;
        inner.next += 1;
        inner.places.insert(transaction.id, place);
        inner.queue.insert(place, transaction);
        self.arrived.notify_all();
        true
    }

    /// Is exactly this transaction here, and so verified already?
    pub fn holds(&self, transaction: &Transaction) -> bool {
        let inner = self.inner();
        let place = inner.places.get(&transaction.id);
        place.and_then(|place| inner.queue.get(place)) == Some(transaction)
    }

    /// Waits until there is a transaction, at most so long.
    pub fn wait(&self, limit: Duration) {
        let inner = self.inner();
        // A wake-up without a cause only makes an empty block.
        let _unused = self.arrived.wait_timeout_while(inner, limit, |inner| inner.queue.is_empty());
    }

    /// The oldest ones that `wanted` wants, at most `most`. They stay in the pool.
    pub fn oldest(&self, most: usize, wanted: impl Fn(Id) -> bool) -> Vec<Transaction> {
        let inner = self.inner();
        let all = inner.queue.values().filter(|transaction| wanted(transaction.id));
        all.take(most).cloned().collect()
    }

    /// Waits for a transaction to be committed. The receiver is told once, or never.
    pub fn watch(&self, id: Id) -> Receiver<()> {
        let (tell, told) = channel();
        self.inner().waiters.entry(id).or_default().push(tell);
        told
    }

    /// Forgets those that wait for a transaction without anybody to listen.
    pub fn unwatch(&self, id: Id, told: Receiver<()>) {
        drop(told);
        let mut inner = self.inner();
        let Some(waiters) = inner.waiters.get_mut(&id) else { return };
        waiters.retain(|tell| tell.send(()).is_ok());
        if waiters.is_empty() {
            inner.waiters.remove(&id);
        }
    }

    /// A transaction is in a committed block, and its outcome in the state.
    pub fn committed(&self, id: Id) {
        let mut inner = self.inner();
        if let Some(place) = inner.places.remove(&id) {
            inner.queue.remove(&place);
        }
        for tell in inner.waiters.remove(&id).into_iter().flatten() {
            // Whoever does not listen any more has given up.
            let _gone = tell.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::Operation;

    fn transaction(number: u64) -> Transaction {
        let id = Id { origin: 0, boot: 0, number };
        Transaction { id, operation: Operation::Read { key: "k".into() }, signature: [0; 64] }
    }

    fn numbers(pool: &Pool, most: usize) -> Vec<u64> {
        pool.oldest(most, |id| id.number != 2).into_iter().map(|each| each.id.number).collect()
    }

    #[test]
    fn the_oldest_come_first_and_stay_until_they_are_committed() {
        let pool = Pool::default();
        for number in [5, 2, 3, 5, 4] {
            assert!(pool.insert(transaction(number)));
        }
        assert_eq!((pool.len(), numbers(&pool, 2)), (4, vec![5, 3]));
        pool.committed(transaction(5).id);
        assert_eq!(numbers(&pool, 9), [3, 4]);
        assert!(pool.holds(&transaction(3)) && !pool.holds(&transaction(5)));
        let mut altered = transaction(3);
        altered.signature[0] = 1;
        assert!(!pool.holds(&altered));
    }

    #[test]
    fn who_waits_is_told_once() {
        let pool = Pool::default();
        let (one, two) = (pool.watch(transaction(1).id), pool.watch(transaction(1).id));
        let gone = pool.watch(transaction(7).id);
        pool.committed(transaction(1).id);
        assert!(one.try_recv().is_ok() && two.try_recv().is_ok());
        pool.unwatch(transaction(7).id, gone);
        assert!(pool.inner().waiters.is_empty());
    }

    #[test]
    fn waiting_ends_with_an_arrival() {
        let pool = Pool::default();
        std::thread::scope(|scope| {
            scope.spawn(|| pool.insert(transaction(1)));
            pool.wait(Duration::from_secs(60));
        });
        assert_eq!(pool.len(), 1);
    }
}
