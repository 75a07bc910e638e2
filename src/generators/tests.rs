use std::collections::{BTreeMap, BTreeSet};

use perjury_history::{Call, Cause, Key, Outcome};

use super::simulate::{ok, run};
use super::*;

const MS: u64 = 1_000_000;

fn read(key: &str) -> Call {
    Call::Read { key: key.into() }
}

fn reads(key: &'static str) -> Boxed {
    Box::new(FromFn(move |_: &mut Stream| read(key)))
}

#[test]
fn a_rate_is_kept_and_its_distances_vary() {
    let mut generator = TimeLimit::new(Rate::new(reads("k"), 100.0), 10_000 * MS);
    let ops = run(&mut generator, 10, MS, usize::MAX, ok);
    assert!((900..1100).contains(&ops.len()), "{}", ops.len());
    let gaps: BTreeSet<u64> = ops.windows(2).map(|pair| pair[1].start - pair[0].start).collect();
    assert!(gaps.len() > 500);
    assert!(ops.iter().all(|op| op.start < 10_000 * MS));
}

#[test]
fn after_a_stall_at_most_one_second_is_made_up_for() {
    // One worker, each operation takes 5 s: the backlog must not grow without bound.
    let mut generator = Rate::new(reads("k"), 1000.0);
    let ops = run(&mut generator, 1, 5_000 * MS, 20, ok);
    assert_eq!(ops.len(), 20);
}

#[test]
fn without_a_rate_every_worker_is_always_busy() {
    let ops = run(&mut Limit::new(Rate::new(reads("k"), 0.0), 100), 10, MS, usize::MAX, ok);
    assert_eq!(ops.len(), 100);
    assert_eq!(ops.last().map(|op| op.end), Some(10 * MS));
}

#[test]
fn a_mix_follows_its_weights_and_ends_with_its_last_part() {
    let parts: Vec<(u64, Boxed)> = vec![
        (3, Box::new(Limit::new(reads("a"), 3000))),
        (1, Box::new(Limit::new(reads("b"), 1000))),
        (0, reads("never")),
    ];
    let ops = run(&mut Mix::new(parts), 5, MS, usize::MAX, ok);
    assert_eq!(ops.len(), 4000);
    let early = ops[..1000].iter().filter(|op| op.call == read("a")).count();
    assert!((700..800).contains(&early), "{early}");
}

#[test]
fn a_phase_begins_when_the_one_before_has_ended_everywhere() {
    let phases: Vec<Boxed> =
        vec![Box::new(Limit::new(reads("a"), 7)), Box::new(Limit::new(reads("b"), 7))];
    let ops = run(&mut Phases::new(phases), 5, MS, usize::MAX, ok);
    let last_a = ops.iter().filter(|op| op.call == read("a")).map(|op| op.end).max();
    let first_b = ops.iter().filter(|op| op.call == read("b")).map(|op| op.start).min();
    assert_eq!(ops.len(), 14);
    assert!(last_a <= first_b);
}

#[test]
fn until_ok_asks_each_worker_again_until_it_is_answered_or_gives_up() {
    let refused = |_| Outcome::Fail(Cause::new("refused", ""));
    let mut third = {
        let mut seen = 0;
        move |at: usize| {
            seen += 1;
            if seen > 6 { ok(at) } else { refused(at) }
        }
    };
    let ops = run(&mut UntilOk::new(read("k"), 10 * MS, 5), 3, MS, usize::MAX, &mut third);
    assert_eq!(ops.len(), 9, "two refusals and one answer on each of three workers");
    let ops = run(&mut UntilOk::new(read("k"), 10 * MS, 5), 3, MS, usize::MAX, refused);
    assert_eq!(ops.len(), 15, "five tries on each of three workers");
    assert!(ops.windows(2).all(|pair| pair[0].start <= pair[1].start));
}

#[test]
fn each_key_lives_on_one_group_and_all_groups_stay_busy() {
    let make = |key: Key| -> Boxed {
        Box::new(Limit::new(FromFn(move |_: &mut Stream| Call::Read { key: key.clone() }), 20))
    };
    let ops = run(&mut PerKey::new(3, 9, make), 10, MS, usize::MAX, ok);
    let mut groups: BTreeMap<Key, BTreeSet<usize>> = BTreeMap::new();
    let mut counts: BTreeMap<Key, usize> = BTreeMap::new();
    for op in &ops {
        let key = op.call.key().unwrap().clone();
        groups.entry(key.clone()).or_default().insert((op.worker / 3).min(2));
        *counts.entry(key).or_default() += 1;
    }
    assert_eq!(counts.len(), 9);
    assert!(counts.values().all(|count| *count == 20));
    assert!(groups.values().all(|group| group.len() == 1));
    assert_eq!(ops.iter().map(|op| op.worker).collect::<BTreeSet<_>>().len(), 10);
}

#[test]
fn a_delayed_generator_begins_late_and_a_time_limit_counts_from_the_first_question() {
    let inner = TimeLimit::new(Rate::new(reads("k"), 1000.0), 100 * MS);
    let ops = run(&mut Delayed::new(inner, 50 * MS), 4, MS, usize::MAX, ok);
    assert!(ops.iter().all(|op| (50 * MS..150 * MS).contains(&op.start)));
    assert!(ops.len() > 50);
}

#[test]
fn the_choice_of_a_free_worker_is_fair() {
    let words = [u64::MAX, u64::MAX];
    let mut stream = crate::seed::Seed(3).stream("fair");
    let mut seen = [0_u32; 100];
    for _ in 0..10_000 {
        seen[Free::new(&words, 0..100).pick(&mut stream).unwrap()] += 1;
    }
    assert!(seen.iter().all(|count| (50..150).contains(count)), "{seen:?}");
    assert_eq!(Free::new(&[0b1010, 0], 0..128).iter().collect::<Vec<_>>(), [1, 3]);
    assert_eq!(Free::new(&[0, 1], 0..128).pick(&mut stream), Some(64));
}
