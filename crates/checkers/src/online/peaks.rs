//! A list of numbers that grows at its end, of which single ones grow too, and in which one asks
//! where the first stands that is above a bound.
//!
//! A tree of maxima: every answer and every change takes time logarithmic in the length. It knows
//! nothing of what the numbers mean. The invariant: a node holds the greatest number below it.

use std::ops::Range;

#[derive(Default)]
pub(super) struct Peaks {
    /// The root at 1, the children of `i` at `2 i` and `2 i + 1`, the list in the last half.
    tree: Vec<u64>,
    length: usize,
}

impl Peaks {
    /// Appends a number.
    pub(super) fn push(&mut self, number: u64) {
        if self.length == self.tree.len() / 2 {
            self.grow();
        }
        self.length += 1;
        self.raise(self.length - 1, number);
    }

    /// Replaces the number at this place by a greater one.
    pub(super) fn raise(&mut self, at: usize, number: u64) {
        let mut node = self.tree.len() / 2 + at;
        while node > 0 {
            self.tree[node] = self.tree[node].max(number);
            node /= 2;
        }
    }

    pub(super) fn get(&self, at: usize) -> u64 {
        self.tree[self.tree.len() / 2 + at]
    }

    /// The first place in the range whose number is above the bound.
    pub(super) fn above(&self, range: Range<usize>, bound: u64) -> Option<usize> {
        if range.is_empty() {
            return None;
        }
        self.search(1, 0..self.tree.len() / 2, &range, bound)
    }

    fn search(
        &self,
        node: usize,
        covered: Range<usize>,
        wanted: &Range<usize>,
        bound: u64,
    ) -> Option<usize> {
        let apart = covered.end <= wanted.start || wanted.end <= covered.start;
        if apart || self.tree[node] <= bound {
            return None;
        }
        if covered.len() == 1 {
            return Some(covered.start);
        }
        let middle = covered.start + covered.len() / 2;
        self.search(2 * node, covered.start..middle, wanted, bound)
            .or_else(|| self.search(2 * node + 1, middle..covered.end, wanted, bound))
    }

    fn grow(&mut self) {
        let numbers: Vec<u64> = (0..self.length).map(|at| self.get(at)).collect();
        let half = (2 * self.length).max(4);
        self.tree = vec![0; 2 * half];
        self.tree[half..half + numbers.len()].copy_from_slice(&numbers);
        for node in (1..half).rev() {
            self.tree[node] = self.tree[2 * node].max(self.tree[2 * node + 1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Peaks;

    #[test]
    fn it_finds_what_a_walk_would_find() {
        let mut random = 1_u64;
        let mut draw = |end: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % end
        };
        let (mut peaks, mut list) = (Peaks::default(), Vec::new());
        for _ in 0..2_000 {
            let number = draw(50);
            if list.is_empty() || draw(3) > 0 {
                peaks.push(number);
                list.push(number);
            } else {
                let at = draw(list.len() as u64) as usize;
                list[at] = number.max(list[at]);
                peaks.raise(at, list[at]);
            }
            let from = draw(list.len() as u64) as usize;
            let to = from + draw((list.len() - from) as u64 + 1) as usize;
            let bound = draw(60);
            let wanted = (from..to).find(|at| list[*at] > bound);
            assert_eq!(peaks.above(from..to, bound), wanted);
            assert_eq!(peaks.get(from), list[from]);
        }
    }
}
