//! What hotstuff_rs asks of a network: messages to one replica or to all, oneself among them, and
//! the next message with its sender.
//!
//! hotstuff_rs signs votes but not proposals, and takes the network's word for who sent a message
//! (`networking/network.rs`). So frames are signed.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hotstuff_rs::block_sync::messages::BlockSyncAdvertiseMessage;
use hotstuff_rs::networking::messages::{Message, ProgressMessage};
use hotstuff_rs::networking::network::Network;
use hotstuff_rs::types::crypto_primitives::VerifyingKey;
use hotstuff_rs::types::update_sets::ValidatorSetUpdates;
use hotstuff_rs::types::validator_set::ValidatorSet;
use replica::journal::Journal;
use replica::network::{Frames, Links};
use replica::pool::Pool;
use replica::transaction::{decode, encode};

use crate::Own;

/// How long the poller of hotstuff_rs may wait for a message.
const POLL: Duration = Duration::from_millis(20);
/// How often a replica offers its blocks to those that lag behind.
const ADVERTISE: Duration = Duration::from_secs(1);
/// How long the block sync server rests between two looks.
const REST: Duration = Duration::from_millis(20);

/// The messages of hotstuff_rs on the links of a replica. Clones are the same.
#[derive(Clone)]
pub struct Messages {
    links: Links,
    me: VerifyingKey,
    places: Arc<HashMap<[u8; 32], usize>>,
    to_inbox: Sender<(VerifyingKey, Message)>,
    inbox: Arc<Mutex<Receiver<(VerifyingKey, Message)>>>,
    advertised: Arc<Mutex<Advertised>>,
}

/// When the last offer of blocks went out, and whether the present one does.
struct Advertised {
    last: Option<Instant>,
    now: bool,
}

impl Messages {
    /// Listens, and begins to connect.
    ///
    /// # Errors
    /// The port cannot be used.
    pub fn open(own: &Own, pool: Arc<Pool>, journal: Arc<Journal>) -> io::Result<Messages> {
        let (to_inbox, inbox) = channel();
        let (keys, taken) = (own.keys.clone(), to_inbox.clone());
        let take = move |sender: usize, body: &[u8]| {
            let message = decode::<Message>(body)
                .ok_or_else(|| format!("replica {sender} sent no message of hotstuff_rs"))?;
            // The inbox lives as long as the process.
            let _gone = taken.send((keys[sender], message));
            Ok(())
        };
        let places = own.keys.iter().enumerate().map(|(at, key)| (key.to_bytes(), at)).collect();
        Ok(Messages {
            links: Links::open(own, Frames::Signed, pool, journal, take)?,
            me: own.keys[own.config.me],
            places: Arc::new(places),
            to_inbox,
            inbox: Arc::new(Mutex::new(inbox)),
            advertised: Arc::new(Mutex::new(Advertised { last: None, now: true })),
        })
    }

    /// The links below.
    pub fn links(&self) -> Links {
        self.links.clone()
    }

    fn to_self(&self, message: Message) {
        // The inbox lives as long as the process.
        let _gone = self.to_inbox.send((self.me, message));
    }

    /// Whether an offer of blocks goes out. The block sync server of hotstuff_rs spins on a whole
    /// core; it offers in every round, so it is made to rest here, in its own thread, and only one
    /// offer a second is passed on.
    fn advertises(&self, message: &BlockSyncAdvertiseMessage) -> bool {
        let first = matches!(message, BlockSyncAdvertiseMessage::AdvertisePC(_));
        if first {
            thread::sleep(REST);
        }
        let mut advertised = self.advertised.lock().unwrap_or_else(PoisonError::into_inner);
        if first {
            advertised.now = advertised.last.is_none_or(|last| last.elapsed() >= ADVERTISE);
            if advertised.now {
                advertised.last = Some(Instant::now());
            }
        }
        advertised.now
    }
}

impl Network for Messages {
    fn init_validator_set(&mut self, _: ValidatorSet) {}

    fn update_validator_set(&mut self, _: ValidatorSetUpdates) {}

    fn broadcast(&mut self, message: Message) {
        if let Message::ProgressMessage(ProgressMessage::BlockSyncAdvertiseMessage(offer)) =
            &message
            && !self.advertises(offer)
        {
            return;
        }
        self.links.send_all(&encode(&message));
        self.to_self(message);
    }

    fn send(&mut self, peer: VerifyingKey, message: Message) {
        match self.places.get(&peer.to_bytes()) {
            Some(_) if peer == self.me => self.to_self(message),
            Some(at) => self.links.send(*at, &encode(&message)),
            None => {}
        }
    }

    /// Waits for a moment: hotstuff_rs asks again at once, and would spin on a whole core.
    fn recv(&mut self) -> Option<(VerifyingKey, Message)> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(POLL).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use hotstuff_rs::block_sync::messages::BlockSyncRequest;
    use hotstuff_rs::types::crypto_primitives::SigningKey;
    use hotstuff_rs::types::data_types::{BlockHeight, ChainID};
    use replica::config::{Config, Resolved};

    use super::*;

    /// Two replicas on loopback addresses of this test's own.
    fn pair() -> [Messages; 2] {
        let secrets = [1, 2].map(|seed| SigningKey::from_bytes(&[seed; 32]));
        let keys: Vec<_> = secrets.iter().map(SigningKey::verifying_key).collect();
        [0, 1].map(|me| {
            let replica = |at: usize| {
                let hex: String = keys[at].to_bytes().iter().map(|b| format!("{b:02x}")).collect();
                serde_json::json!({
                    "key": hex,
                    "peers": format!("127.97.6.{}:7100", at + 1),
                    "clients": "127.0.0.1:1",
                })
            };
            let config: Config<crate::Timing> = serde_json::from_value(serde_json::json!({
                "me": me, "replicas": [replica(0), replica(1)], "secret": "", "store": "",
                "idle-ms": 0, "sync": false, "protocol": {
                    "epoch": 1, "view-seconds": 1, "pace-ms": 0, "mend-block-sync": true,
                },
            }))
            .unwrap();
            let own = Resolved { config, secret: secrets[me].clone(), keys: keys.clone() };
            Messages::open(&own, Arc::default(), Arc::default()).unwrap()
        })
    }

    fn a_message() -> Message {
        Message::from(BlockSyncRequest {
            chain_id: ChainID::new(1),
            start_height: BlockHeight::new(0),
            limit: 1,
        })
    }

    #[test]
    fn messages_name_their_sender_and_come_back_to_oneself() {
        let [mut a, mut b] = pair();
        let (first, second) = (a.me, b.me);
        // The first frame waits for the link.
        a.send(second, a_message());
        let end = Instant::now() + Duration::from_secs(10);
        let from = loop {
            assert!(Instant::now() < end, "it arrives");
            if let Some((from, _)) = b.recv() {
                break from;
            }
        };
        assert_eq!(from, first);
        a.send(first, a_message());
        assert_eq!(a.recv().unwrap().0, first);
    }
}
