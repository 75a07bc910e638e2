//! Elements of a stack, each inside the one below it. O(n log n).
//!
//! Why this way is told at [`stack`](super::stack); here is how. A *stretch* is a time in which
//! there is always a stay of an element that is left; of those within it, any that was pushed
//! before it begins and popped after it ends is taken as the lowest. A stretch gets shorter when
//! elements are taken, so what can be the lowest once can be it until it is taken: it waits, first
//! for its push to be early enough, then for its pop to be late enough.
//!
//! The invariant: the edges are put out in the order of their instants, each push before each pop
//! that happens at the same one.

use super::seats::Event;
use super::{Element, NONE};
use crate::paths::{Judged, Watch};

/// A stretch in which none can be the lowest: its bounds, and the elements that stay within.
pub(super) struct Tangle {
    pub(super) elements: Vec<Element>,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// Nests elements with stays, sorted by the ends of their pushes.
pub(super) fn nest(elements: &[Element], watch: &Watch<'_>) -> Judged<Result<Vec<Event>, Tangle>> {
    let mut edges = Vec::with_capacity(2 * elements.len());
    let mut begin = 0;
    while begin < elements.len() {
        watch.step(begin)?;
        let (mut end, mut reached) = (begin, 0);
        while end < elements.len() && (end == begin || elements[end].put.end <= reached) {
            reached = reached.max(elements[end].got.start);
            end += 1;
        }
        let stretch = &elements[begin..end];
        if let [element] = stretch {
            edges.push(push(element, element.put.end));
            pop(&mut edges, element, element.got.start);
        } else if let Err(tangle) = Stretches::new(stretch).nest(&mut edges, watch)? {
            return Ok(Err(tangle));
        }
        begin = end;
    }
    Ok(Ok(edges))
}

/// A pop that is not answered may as well not happen, and does not at the end of time.
fn pop(edges: &mut Vec<Event>, element: &Element, instant: u64) {
    if element.got_at != NONE && instant != u64::MAX {
        edges.push(Event { when: (instant, true), at: element.got_at, change: -1 });
    }
}

fn push(element: &Element, instant: u64) -> Event {
    Event { when: (instant, false), at: element.put_at, change: 1 }
}

struct Stretches<'a> {
    elements: &'a [Element],
    /// The instants at which stays begin and end, in order, beginnings first.
    instants: Vec<u64>,
    /// For each element the places of its beginning and its end among them. The gap after a place
    /// is known by its number.
    begins: Vec<u32>,
    ends: Vec<u32>,
    /// Elements whose push is not known to be early enough: the greater, the earlier.
    unripe: Greatest,
    /// The others, by the ends of their pops.
    ripe: Greatest,
    taken: Vec<bool>,
    /// For each gap how many elements that are left stay there.
    stays: Counts,
}

enum Task {
    /// The gaps from one to before another.
    Stretch(u32, u32),
    Pop(u32, u64),
}

impl<'a> Stretches<'a> {
    fn new(elements: &'a [Element]) -> Self {
        let count = elements.len();
        let mut places: Vec<(u64, bool, u32)> = Vec::with_capacity(2 * count);
        for (number, element) in (0..).zip(elements) {
            places.push((element.put.end, false, number));
            places.push((element.got.start, true, number));
        }
        places.sort_unstable();
        let (mut begins, mut ends) = (vec![0; count], vec![0; count]);
        let mut changes = Vec::with_capacity(2 * count);
        for (place, (_, is_end, number)) in (0..).zip(&places) {
            let side = if *is_end { &mut ends } else { &mut begins };
            side[*number as usize] = place;
            changes.push(if *is_end { -1 } else { 1 });
        }
        Self {
            elements,
            instants: places.into_iter().map(|(instant, ..)| instant).collect(),
            begins,
            ends,
            unripe: Greatest::new(elements.iter().map(|it| u64::MAX - it.put.start)),
            ripe: Greatest::new(elements.iter().map(|_| 0)),
            taken: vec![false; count],
            stays: Counts::new(&changes),
        }
    }

    fn nest(mut self, edges: &mut Vec<Event>, watch: &Watch<'_>) -> Judged<Result<(), Tangle>> {
        let mut tasks = vec![Task::Stretch(0, self.instants.len() as u32 - 1)];
        let mut parts = Vec::new();
        let mut steps = 0;
        while let Some(task) = tasks.pop() {
            watch.step(steps)?;
            steps += 1;
            let (from, to) = match task {
                Task::Stretch(from, to) => (from, to),
                Task::Pop(number, instant) => {
                    pop(edges, &self.elements[number as usize], instant);
                    continue;
                }
            };
            let (begin, end) = (self.instants[from as usize], self.instants[to as usize]);
            let Some(lowest) = self.lowest(from, to) else {
                let left = (0..self.elements.len()).filter(|&number| {
                    !self.taken[number] && (from..to).contains(&self.begins[number])
                });
                let elements = left.map(|number| self.elements[number]).collect();
                return Ok(Err(Tangle { elements, from: begin, to: end }));
            };
            let element = &self.elements[lowest];
            self.taken[lowest] = true;
            edges.push(push(element, begin));
            tasks.push(Task::Pop(lowest as u32, end));
            self.stays.decrease(self.begins[lowest], self.ends[lowest]);
            self.split(from, to, (self.begins[lowest], self.ends[lowest]), &mut parts);
            tasks.extend(parts.drain(..).rev().map(|(from, to)| Task::Stretch(from, to)));
        }
        Ok(Ok(()))
    }

    /// Takes an element that can be the lowest in a stretch.
    fn lowest(&mut self, from: u32, to: u32) -> Option<usize> {
        let (begin, end) = (self.instants[from as usize], self.instants[to as usize]);
        let first = self.begins.partition_point(|place| *place < from);
        let last = self.begins.partition_point(|place| *place < to);
        while let Some((number, early)) = self.unripe.greatest(first, last)
            && early > u64::MAX - begin
        {
            self.unripe.set(number, 0);
            self.ripe.set(number, self.elements[number].got.end);
        }
        let (number, late) = self.ripe.greatest(first, last)?;
        // Without an end it may as well never be popped.
        if late <= end && late != u64::MAX {
            return None;
        }
        self.ripe.set(number, 0);
        Some(number)
    }

    /// What is left of a stretch when an element is taken that stayed between these gaps.
    fn split(&mut self, from: u32, to: u32, gone: (u32, u32), parts: &mut Vec<(u32, u32)>) {
        let mut begin = from;
        let mut next = gone.0;
        while let Some(gap) = self.stays.take_zero(next, gone.1) {
            if begin < gap {
                parts.push((begin, gap));
            }
            begin = gap + 1;
            next = begin;
        }
        if begin < to {
            parts.push((begin, to));
        }
    }
}

/// The greatest of some numbers within a range. A number of 0 is none.
struct Greatest {
    size: usize,
    nodes: Vec<u64>,
}

impl Greatest {
    fn new(numbers: impl ExactSizeIterator<Item = u64>) -> Self {
        let size = numbers.len().next_power_of_two();
        let mut nodes = vec![0; 2 * size];
        for (leaf, number) in nodes[size..].iter_mut().zip(numbers) {
            *leaf = number;
        }
        for node in (1..size).rev() {
            nodes[node] = nodes[2 * node].max(nodes[2 * node + 1]);
        }
        Self { size, nodes }
    }

    fn set(&mut self, at: usize, number: u64) {
        let mut node = self.size + at;
        self.nodes[node] = number;
        while node > 1 {
            node /= 2;
            let greatest = self.nodes[2 * node].max(self.nodes[2 * node + 1]);
            if self.nodes[node] == greatest {
                return;
            }
            self.nodes[node] = greatest;
        }
    }

    /// Where the greatest is, and it.
    fn greatest(&self, first: usize, last: usize) -> Option<(usize, u64)> {
        let (mut low, mut high) = (self.size + first, self.size + last);
        let mut best = 0;
        while low < high {
            if low % 2 == 1 {
                best = if self.nodes[low] > self.nodes[best] { low } else { best };
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                best = if self.nodes[high] > self.nodes[best] { high } else { best };
            }
            (low, high) = (low / 2, high / 2);
        }
        let number = self.nodes[best];
        if number == 0 {
            return None;
        }
        while best < self.size {
            best *= 2;
            best += usize::from(self.nodes[best] != number);
        }
        Some((best - self.size, number))
    }
}

/// Numbers of which ranges can be decreased, and those that become 0 be found.
struct Counts {
    size: u32,
    /// For each node the least number below it, without what was added to nodes above.
    least: Vec<i32>,
    added: Vec<i32>,
}

impl Counts {
    /// In place of a number that was 0 and was found.
    const FOUND: i32 = i32::MAX / 2;

    /// The sums of these changes, up to each.
    fn new(changes: &[i32]) -> Self {
        let size = changes.len().next_power_of_two();
        let mut least = vec![Self::FOUND; 2 * size];
        let mut sum = 0;
        for (leaf, change) in least[size..].iter_mut().zip(changes) {
            sum += change;
            *leaf = sum;
        }
        for node in (1..size).rev() {
            least[node] = least[2 * node].min(least[2 * node + 1]);
        }
        Self { size: size as u32, least, added: vec![0; 2 * size] }
    }

    fn decrease(&mut self, first: u32, last: u32) {
        let (mut low, mut high) = (self.size + first, self.size + last);
        let (from, to) = (low, high - 1);
        while low < high {
            if low % 2 == 1 {
                self.add(low, -1);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                self.add(high, -1);
            }
            (low, high) = (low / 2, high / 2);
        }
        self.mend(from);
        self.mend(to);
    }

    fn add(&mut self, node: u32, change: i32) {
        self.least[node as usize] += change;
        self.added[node as usize] += change;
    }

    /// Brings the nodes above a leaf up to date.
    fn mend(&mut self, leaf: u32) {
        let mut node = leaf as usize / 2;
        while node > 0 {
            let below = self.least[2 * node].min(self.least[2 * node + 1]);
            self.least[node] = below + self.added[node];
            node /= 2;
        }
    }

    /// Finds the first 0 in a range, once.
    fn take_zero(&mut self, first: u32, last: u32) -> Option<u32> {
        let leaf = self.first_zero(1, 0, (0, self.size), (first, last))?;
        self.least[(self.size + leaf) as usize] = Self::FOUND;
        self.mend(self.size + leaf);
        Some(leaf)
    }

    /// Below a node of these leaves; `above` was added to the nodes above.
    fn first_zero(
        &self,
        node: u32,
        above: i32,
        (begin, end): (u32, u32),
        range: (u32, u32),
    ) -> Option<u32> {
        if end <= range.0 || range.1 <= begin || self.least[node as usize] + above > 0 {
            return None;
        }
        if end - begin == 1 {
            return Some(begin);
        }
        let above = above + self.added[node as usize];
        let middle = begin.midpoint(end);
        self.first_zero(2 * node, above, (begin, middle), range)
            .or_else(|| self.first_zero(2 * node + 1, above, (middle, end), range))
    }
}
