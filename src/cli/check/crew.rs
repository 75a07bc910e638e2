//! Several threads that work through a list, and results that come out in the order of the list.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;

/// How many threads so many inputs are worth.
pub(super) fn size(inputs: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    cores.min(inputs).max(1)
}

/// Does `work` for each number below `count` in `threads` threads and hands the results to `take`
/// in the order of the numbers, each as soon as all before it are there.
pub(super) fn in_order<T: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(T),
) {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Relaxed);
                    // Nobody listens any more if the taker panicked.
                    if at >= count || sender.send((at, work(at))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut due = 0;
        for (at, result) in receiver {
            early.insert(at, result);
            while let Some(result) = early.remove(&due) {
                take(result);
                due += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_come_in_order_whatever_the_threads_do() {
        let mut taken = Vec::new();
        let slow_first = |at: usize| {
            std::thread::sleep(std::time::Duration::from_millis(20 - at as u64));
            at
        };
        super::in_order(20, 4, slow_first, |at| taken.push(at));
        assert_eq!(taken, (0..20).collect::<Vec<_>>());
        super::in_order(0, 1, |at| at, |_| panic!("nothing was asked for"));
    }
}
