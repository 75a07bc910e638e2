//! What hotstuff_rs asks of an application: to make blocks of the waiting transactions, and to
//! judge the blocks of others.
//!
//! A block is one datum: the transactions. Its state changes are found by [`machine::execute`], by
//! every replica for itself.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hotstuff_rs::app::{
    App, ProduceBlockRequest, ProduceBlockResponse, ValidateBlockRequest, ValidateBlockResponse,
};
use hotstuff_rs::block_tree::accessors::app::AppBlockTreeView;
use hotstuff_rs::types::block::Block;
use hotstuff_rs::types::crypto_primitives::{CryptoHasher, Digest, VerifyingKey};
use hotstuff_rs::types::data_types::{CryptoHash, Data, Datum};
use hotstuff_rs::types::update_sets::AppStateUpdates;

use replica::journal::Journal;
use replica::machine::{self, outcome_key};
use replica::pool::Pool;
use replica::transaction::{Transaction, decode, encode};

use crate::store::Store;

/// A block holds no more transactions than this: at most about 4 MiB.
const MOST_IN_BLOCK: usize = 256;
/// A block is committed by the third one after it.
const UNTIL_COMMIT: usize = 3;
/// How long the datum without any transaction is: their number, as four bytes.
const EMPTY: usize = 4;

/// The application of one replica.
pub struct KeyValue {
    /// What waits.
    pub pool: Arc<Pool>,
    /// The replicas, to verify transactions.
    pub replicas: Arc<Vec<VerifyingKey>>,
    /// Where refused blocks are told.
    pub journal: Arc<Journal>,
    /// How long a block is looked at before it is voted for.
    pub pace: Duration,
    /// How long a leader without transactions waits before it proposes an empty block.
    pub idle: Duration,
}

impl App<Store> for KeyValue {
    fn produce_block(&mut self, request: ProduceBlockRequest<'_, Store>) -> ProduceBlockResponse {
        let tree = request.block_tree();
        if !self.is_busy(tree, request.parent_block()) {
            self.pool.wait(self.idle);
        }
        let new = |id| tree.app_state(&outcome_key(id)).is_none();
        let datum = encode(&self.pool.oldest(MOST_IN_BLOCK, new));
        ProduceBlockResponse {
            data_hash: hash(&datum),
            data: Data::new(vec![Datum::new(datum)]),
            // hotstuff_rs asks for the changes of a block when it is validated, by its own proposer
            // too, and does not look at these.
            app_state_updates: None,
            validator_set_updates: None,
        }
    }

    /// Rests before the vote. Without that, a replica that is a little slower than a quorum enters
    /// the next view before it has the block of this one, throws it away as old, and has to fetch
    /// it. The application of the library's own tests rests here too.
    fn validate_block(
        &mut self,
        request: ValidateBlockRequest<'_, '_, Store>,
    ) -> ValidateBlockResponse {
        thread::sleep(self.pace);
        self.validate_block_for_sync(request)
    }

    fn validate_block_for_sync(
        &mut self,
        request: ValidateBlockRequest<'_, '_, Store>,
    ) -> ValidateBlockResponse {
        let block = request.proposed_block();
        let transactions = match self.content(block) {
            Ok(transactions) => transactions,
            Err(why) => {
                self.journal
                    .rejected(&format!("block {} of height {}: {why}", block.hash, block.height));
                return ValidateBlockResponse::Invalid;
            }
        };
        let tree = request.block_tree();
        let changes =
            machine::execute(|key| tree.app_state(key), block.height.int(), &transactions);
        let mut updates = AppStateUpdates::new();
        for (key, value) in changes {
            updates.insert(key, value);
        }
        let app_state_updates = (!transactions.is_empty()).then_some(updates);
        ValidateBlockResponse::Valid { app_state_updates, validator_set_updates: None }
    }
}

impl KeyValue {
    /// Is there anything that waits for blocks: a transaction here, or one in a block that is not
    /// committed yet?
    fn is_busy(&self, tree: &AppBlockTreeView<'_, Store>, parent: Option<CryptoHash>) -> bool {
        let mut at = parent;
        let mut ancestors = 0;
        while let Some(block) = at.filter(|_| ancestors < UNTIL_COMMIT) {
            if tree.block_datum(&block, 0).is_some_and(|datum| datum.bytes().len() > EMPTY) {
                return true;
            }
            at =
                tree.block_justify(&block).ok().filter(|pc| !pc.is_genesis_pc()).map(|pc| pc.block);
            ancestors += 1;
        }
        !self.pool.is_empty()
    }

    /// The transactions of a block, if they may be carried out.
    fn content(&self, block: &Block) -> Result<Vec<Transaction>, String> {
        let [datum] = block.data.vec().as_slice() else {
            return Err(format!("{} data instead of one", block.data.len().int()));
        };
        if hash(datum.bytes()) != block.data_hash {
            return Err("its content does not have the hash that was agreed on".into());
        }
        let transactions = transactions(datum.bytes()).ok_or("its content is no transactions")?;
        if transactions.len() > MOST_IN_BLOCK {
            return Err(format!("{} transactions", transactions.len()));
        }
        for transaction in &transactions {
            if !self.pool.holds(transaction) {
                transaction.verify(&self.replicas)?;
            }
        }
        Ok(transactions)
    }
}

/// What a datum holds.
pub fn transactions(datum: &[u8]) -> Option<Vec<Transaction>> {
    decode(datum)
}

fn hash(datum: &[u8]) -> CryptoHash {
    CryptoHash::new(CryptoHasher::digest(datum).into())
}
