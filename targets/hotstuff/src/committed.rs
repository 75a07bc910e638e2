//! What hotstuff_rs has committed, for the clients' door.

use hotstuff_rs::block_tree::accessors::public::{BlockTreeCamera, BlockTreeSnapshot};
use hotstuff_rs::types::crypto_primitives::VerifyingKey;
use replica::clients::{Committed, State};

use crate::store::{Snapshot, Store};

/// The committed blocks.
pub struct Blocks {
    /// It reads the one store.
    camera: BlockTreeCamera<Store>,
    leaders: Vec<usize>,
}

impl Blocks {
    /// Those that the camera sees, of replicas with these keys.
    pub fn new(camera: BlockTreeCamera<Store>, keys: &[VerifyingKey]) -> Blocks {
        Blocks { camera, leaders: leaders(keys) }
    }
}

impl Committed for Blocks {
    type State<'a> = Tree<'a>;

    fn state(&self) -> Tree<'_> {
        Tree(self.camera.snapshot())
    }

    fn leader(&self, view: u64) -> usize {
        self.leaders[usize::try_from(view).unwrap_or_default() % self.leaders.len()]
    }
}

/// The committed blocks at one moment.
pub struct Tree<'a>(BlockTreeSnapshot<Snapshot<'a>>);

impl State for Tree<'_> {
    fn height(&self) -> Option<u64> {
        let block = self.0.highest_committed_block().ok()??;
        Some(self.0.block_height(&block).ok()??.int())
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.committed_app_state(key)
    }
}

/// The order in which the replicas lead, by their places in the configuration: hotstuff_rs gives
/// view v to the (v mod n)th of the keys in ascending order, if all have the same power.
fn leaders(keys: &[VerifyingKey]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|at| keys[*at].to_bytes());
    order
}

#[cfg(test)]
mod tests {
    use hotstuff_rs::types::crypto_primitives::SigningKey;

    use super::*;

    #[test]
    fn leaders_take_turns_in_the_order_of_their_keys() {
        let keys: Vec<_> =
            (1..=7).map(|seed| SigningKey::from_bytes(&[seed; 32]).verifying_key()).collect();
        let order = leaders(&keys);
        let mut sorted = keys.clone();
        sorted.sort_by_key(VerifyingKey::to_bytes);
        assert!(order.iter().zip(&sorted).all(|(at, key)| keys[*at] == *key));
    }
}
