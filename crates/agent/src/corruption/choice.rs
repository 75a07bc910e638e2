//! Choices from a seed: the same seed chooses the same among the same.
//!
//! SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): what it chooses need not be unpredictable.

/// A stream of choices.
#[derive(Clone, Debug)]
pub(super) struct Choice(u64);

impl Choice {
    pub(super) fn new(seed: u64) -> Choice {
        Choice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // The bias is below 2^-32 for all that fits a machine.
        let wide = u128::from(self.next()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// A place in a list; 0 if that is empty.
    pub(super) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or_default()
    }

    /// Takes out up to `count` elements, in random order.
    pub(super) fn some<T>(&mut self, mut from: Vec<T>, count: usize) -> Vec<T> {
        let mut taken = Vec::new();
        while taken.len() < count && !from.is_empty() {
            let at = self.place(from.len());
            taken.push(from.swap_remove(at));
        }
        taken
    }
}
