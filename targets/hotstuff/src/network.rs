//! The links between replicas: TCP, with every frame signed by its sender.
//!
//! hotstuff_rs signs votes but not proposals, and takes the network's word for who sent a message
//! (`networking/network.rs`). So a frame carries its sender and the sender's signature, and one
//! that does not verify is refused, told and counted. Frames may be lost, repeated or overtaken:
//! the protocol bears that, and nothing here sends a frame twice.
//!
//! A frame is its length as four bytes, big end first, and: the sender as two bytes, the kind as
//! one, the body, and a signature of 64 bytes over a domain and all before it.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hotstuff_rs::block_sync::messages::BlockSyncAdvertiseMessage;
use hotstuff_rs::networking::messages::{Message, ProgressMessage};
use hotstuff_rs::networking::network::Network;
use hotstuff_rs::types::crypto_primitives::{
    Signature, Signer, SigningKey, Verifier, VerifyingKey,
};
use hotstuff_rs::types::update_sets::ValidatorSetUpdates;
use hotstuff_rs::types::validator_set::ValidatorSet;

use crate::config::Resolved;
use crate::journal::Journal;
use crate::pool::Pool;
use crate::transaction::{Transaction, decode, encode};

const DOMAIN: &[u8] = b"hotstuff-node frame 1\n";
const SIGNATURE: usize = 64;
/// Sender and kind.
const HEAD: usize = 3;
/// The largest frame: an answer to a replica that was away holds many blocks.
const MOST: usize = 64 << 20;
const CONSENSUS: u8 = 0;
const GOSSIP: u8 = 1;
/// So many frames wait for a slow peer; then new ones are dropped.
const QUEUE: usize = 4096;
/// How long to wait before a lost link is tried again.
const AGAIN: Duration = Duration::from_millis(100);
/// A peer that takes nothing for so long is cut off.
const STUCK: Duration = Duration::from_secs(5);
/// How long the poller of hotstuff_rs may wait for a message.
const POLL: Duration = Duration::from_millis(20);
/// How often a replica offers its blocks to those that lag behind.
const ADVERTISE: Duration = Duration::from_secs(1);
/// How long the block sync server rests between two looks.
const REST: Duration = Duration::from_millis(20);

/// The links of a replica. Clones are the same links.
#[derive(Clone)]
pub struct Links {
    shared: Arc<Shared>,
    inbox: Arc<Mutex<Receiver<(VerifyingKey, Message)>>>,
}

struct Shared {
    me: usize,
    keys: Vec<VerifyingKey>,
    places: HashMap<[u8; 32], usize>,
    secret: SigningKey,
    /// One for each replica; none to itself.
    queues: Vec<Option<SyncSender<Arc<Vec<u8>>>>>,
    to_inbox: Sender<(VerifyingKey, Message)>,
    advertised: Mutex<Advertised>,
    pool: Arc<Pool>,
    journal: Arc<Journal>,
}

/// When the last offer of blocks went out, and whether the present one does.
struct Advertised {
    last: Option<Instant>,
    now: bool,
}

impl Links {
    /// Listens, and begins to connect.
    ///
    /// # Errors
    /// The port cannot be used.
    pub fn open(own: &Resolved, pool: Arc<Pool>, journal: Arc<Journal>) -> io::Result<Links> {
        let config = &own.config;
        let listener = TcpListener::bind(config.replicas[config.me].peers)?;
        let (to_inbox, inbox) = channel();
        let queues = config.replicas.iter().enumerate().map(|(at, replica)| {
            (at != config.me).then(|| {
                let (queue, frames) = sync_channel(QUEUE);
                let (address, journal) = (replica.peers, Arc::clone(&journal));
                thread::spawn(move || deliver(at, address, &frames, &journal));
                queue
            })
        });
        let shared = Arc::new(Shared {
            me: config.me,
            places: own.keys.iter().enumerate().map(|(at, key)| (key.to_bytes(), at)).collect(),
            keys: own.keys.clone(),
            secret: own.secret.clone(),
            queues: queues.collect(),
            to_inbox,
            advertised: Mutex::new(Advertised { last: None, now: true }),
            pool,
            journal,
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                thread::spawn(move || shared.listen_to(&stream));
            }
        });
        Ok(Links { shared, inbox: Arc::new(Mutex::new(inbox)) })
    }

    /// Tells all others of a transaction.
    pub fn gossip(&self, transaction: &Transaction) {
        self.shared.send_all(GOSSIP, &encode(transaction));
    }
}

impl Shared {
    fn frame(&self, kind: u8, body: &[u8]) -> Arc<Vec<u8>> {
        let length = HEAD + body.len() + SIGNATURE;
        let mut frame = Vec::with_capacity(4 + length);
        // Nothing that is sent comes near to 4 GiB.
        frame.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        frame.extend(u16::try_from(self.me).unwrap_or(u16::MAX).to_be_bytes());
        frame.push(kind);
        frame.extend(body);
        let signature = self.secret.sign(&[DOMAIN, &frame[4..]].concat());
        frame.extend(signature.to_bytes());
        Arc::new(frame)
    }

    fn send_all(&self, kind: u8, body: &[u8]) {
        let frame = self.frame(kind, body);
        for at in 0..self.queues.len() {
            self.enqueue(at, &frame);
        }
    }

    fn enqueue(&self, at: usize, frame: &Arc<Vec<u8>>) {
        let Some(queue) = &self.queues[at] else { return };
        if let Err(TrySendError::Full(_)) = queue.try_send(Arc::clone(frame)) {
            self.journal.rejected(&format!("a frame to replica {at}: its queue is full"));
        }
    }

    fn to_self(&self, message: Message) {
        // The inbox lives as long as the process.
        let _gone = self.to_inbox.send((self.keys[self.me], message));
    }

    /// Takes frames from one connection until it ends.
    fn listen_to(&self, stream: &TcpStream) {
        let _slower_but_right = stream.set_nodelay(true);
        let from = stream.peer_addr().map_or_else(|_| "?".into(), |address| address.to_string());
        let mut reader = BufReader::new(stream);
        loop {
            match read_frame(&mut reader) {
                Ok(Some(frame)) => {
                    if let Err(why) = self.take(&frame) {
                        self.journal.rejected(&format!("a frame from {from}: {why}"));
                    }
                }
                Ok(None) => return,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return self.journal.rejected(&format!("the connection from {from}: {error}"));
                }
                Err(_) => return,
            }
        }
    }

    fn take(&self, frame: &[u8]) -> Result<(), String> {
        let (sender, kind, body) = self.open(frame)?;
        match kind {
            CONSENSUS => {
                let message = decode::<Message>(body)
                    .ok_or_else(|| format!("replica {sender} sent no message of hotstuff_rs"))?;
                let _gone = self.to_inbox.send((self.keys[sender], message));
            }
            GOSSIP => {
                let transaction = decode::<Transaction>(body)
                    .ok_or_else(|| format!("replica {sender} sent no transaction"))?;
                if !self.pool.holds(&transaction) {
                    transaction.verify(&self.keys)?;
                    // Without room it is left to those that have some.
                    self.pool.insert(transaction);
                }
            }
            other => return Err(format!("replica {sender} sent an unknown kind {other}")),
        }
        Ok(())
    }

    /// Who sent it, of what kind it is, and the body, if the signature is the sender's.
    fn open<'a>(&self, frame: &'a [u8]) -> Result<(usize, u8, &'a [u8]), String> {
        let short = || format!("{} bytes are too few", frame.len());
        let at = frame.len().checked_sub(SIGNATURE).filter(|at| *at >= HEAD).ok_or_else(short)?;
        let (signed, signature) = frame.split_at(at);
        let sender = usize::from(u16::from_be_bytes([signed[0], signed[1]]));
        let key = self.keys.get(sender).ok_or_else(|| format!("no replica {sender}"))?;
        let signature = Signature::from_slice(signature).map_err(|error| error.to_string())?;
        key.verify(&[DOMAIN, signed].concat(), &signature)
            .map_err(|_| format!("the signature is not that of replica {sender}"))?;
        Ok((sender, signed[2], &signed[HEAD..]))
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

impl Network for Links {
    fn init_validator_set(&mut self, _: ValidatorSet) {}

    fn update_validator_set(&mut self, _: ValidatorSetUpdates) {}

    fn broadcast(&mut self, message: Message) {
        if let Message::ProgressMessage(ProgressMessage::BlockSyncAdvertiseMessage(offer)) =
            &message
            && !self.shared.advertises(offer)
        {
            return;
        }
        self.shared.send_all(CONSENSUS, &encode(&message));
        self.shared.to_self(message);
    }

    fn send(&mut self, peer: VerifyingKey, message: Message) {
        match self.shared.places.get(&peer.to_bytes()) {
            Some(at) if *at == self.shared.me => self.shared.to_self(message),
            Some(at) => self.shared.enqueue(*at, &self.shared.frame(CONSENSUS, &encode(&message))),
            None => {}
        }
    }

    /// Waits for a moment: hotstuff_rs asks again at once, and would spin on a whole core.
    fn recv(&mut self) -> Option<(VerifyingKey, Message)> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(POLL).ok()
    }
}

/// Sends frames to one peer, on one connection after the other. A frame that a broken connection
/// took along is lost. The first frames wait for the first connection: replicas start one by one.
fn deliver(at: usize, address: SocketAddr, frames: &Receiver<Arc<Vec<u8>>>, journal: &Journal) {
    let mut told = false;
    loop {
        match TcpStream::connect_timeout(&address, STUCK) {
            Ok(stream) => {
                journal.say(&format!("link to replica {at} is up"));
                let Err(error) = send_on(stream, frames) else { return };
                journal.say(&format!("link to replica {at} is down: {error}"));
                told = false;
                // What waits from now on is old news in a protocol of views.
                while frames.try_recv().is_ok() {}
            }
            Err(error) if !told => {
                journal.say(&format!("no link to replica {at} at {address}: {error}"));
                told = true;
            }
            Err(_) => {}
        }
        thread::sleep(AGAIN);
    }
}

/// Answers when the process ends; the error is that of the connection.
fn send_on(mut stream: TcpStream, frames: &Receiver<Arc<Vec<u8>>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(STUCK))?;
    for frame in frames {
        stream.write_all(&frame)?;
    }
    Ok(())
}

/// The next frame without its length; `None` at the end.
fn read_frame(reader: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match reader.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > MOST {
        let what = format!("a frame of {length} bytes; at most {MOST} are taken");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    // Memory is taken as the bytes come, and not on the word of a length.
    let mut frame = Vec::new();
    reader.take(length as u64).read_to_end(&mut frame)?;
    Ok((frame.len() == length).then_some(frame))
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
