//! The links between replicas: TCP, and frames of two kinds, gossip of transactions and messages of
//! the protocol.
//!
//! A frame names its sender. With [`Frames::Signed`] it carries the sender's signature, and one
//! that does not verify is refused, told and counted: for a protocol that takes the network's word
//! for who sent a message. With [`Frames::Bare`] a frame is believed about nothing, and everything
//! in it that matters has to carry a signature of its own. Frames may be lost, repeated or
//! overtaken: the protocols bear that, and nothing here sends a frame twice.
//!
//! A frame is its length as four bytes, big end first, and: the sender as two bytes, the kind as
//! one, the body, and, if it is signed, 64 bytes over a domain and all before them.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};

use crate::config::Resolved;
use crate::journal::Journal;
use crate::pool::Pool;
use crate::transaction::{Transaction, decode, encode};

const DOMAIN: &[u8] = b"replica frame 1\n";
const SIGNATURE: usize = 64;
/// Sender and kind.
const HEAD: usize = 3;
/// The largest frame: an answer to a replica that was away holds many blocks.
const MOST: usize = 64 << 20;
const PROTOCOL: u8 = 0;
const GOSSIP: u8 = 1;
/// So many frames wait for a slow peer; then new ones are dropped.
const QUEUE: usize = 4096;
/// How long to wait before a lost link is tried again.
const AGAIN: Duration = Duration::from_millis(100);
/// A peer that takes nothing for so long is cut off.
const STUCK: Duration = Duration::from_secs(5);
/// Do frames carry signatures?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// Each one that of its sender.
    Signed,
    /// None. Who sent a frame is then a mere claim.
    Bare,
}

/// What a message of the protocol is handed to: the place of its sender, and the body. The error
/// says why it is refused.
type Take = dyn Fn(usize, &[u8]) -> Result<(), String> + Send + Sync;

/// The links of a replica. Clones are the same links.
#[derive(Clone)]
pub struct Links(Arc<Shared>);

struct Shared {
    me: usize,
    frames: Frames,
    keys: Vec<VerifyingKey>,
    secret: SigningKey,
    /// One for each replica; none to itself.
    queues: Vec<Option<SyncSender<Arc<Vec<u8>>>>>,
    take: Box<Take>,
    pool: Arc<Pool>,
    journal: Arc<Journal>,
}

impl Links {
    /// Listens, and begins to connect. `take` is called in the thread of a connection.
    ///
    /// # Errors
    /// The port cannot be used.
    pub fn open<P>(
        own: &Resolved<P>,
        frames: Frames,
        pool: Arc<Pool>,
        journal: Arc<Journal>,
        take: impl Fn(usize, &[u8]) -> Result<(), String> + Send + Sync + 'static,
    ) -> io::Result<Links> {
        let config = &own.config;
        let listener = TcpListener::bind(config.replicas[config.me].peers)?;
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
            frames,
            keys: own.keys.clone(),
            secret: own.secret.clone(),
            queues: queues.collect(),
            take: Box::new(take),
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
        Ok(Links(shared))
    }

    /// Sends a message of the protocol to one other replica.
    pub fn send(&self, at: usize, body: &[u8]) {
        self.0.enqueue(at, &self.0.frame(PROTOCOL, body));
    }

    /// Sends a message of the protocol to all others.
    pub fn send_all(&self, body: &[u8]) {
        self.0.send_all(PROTOCOL, body);
    }

    /// Tells all others of a transaction.
    pub fn gossip(&self, transaction: &Transaction) {
        self.0.send_all(GOSSIP, &encode(transaction));
    }
}

impl Shared {
    fn frame(&self, kind: u8, body: &[u8]) -> Arc<Vec<u8>> {
        let length = HEAD + body.len() + self.signature();
        let mut frame = Vec::with_capacity(4 + length);
        // Nothing that is sent comes near to 4 GiB.
        frame.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        frame.extend(u16::try_from(self.me).unwrap_or(u16::MAX).to_be_bytes());
        frame.push(kind);
        frame.extend(body);
        if self.frames == Frames::Signed {
            let signature = self.secret.sign(&[DOMAIN, &frame[4..]].concat());
            frame.extend(signature.to_bytes());
        }
        Arc::new(frame)
    }

    /// How many bytes the signature of a frame takes.
    fn signature(&self) -> usize {
        match self.frames {
            Frames::Signed => SIGNATURE,
            Frames::Bare => 0,
        }
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
            PROTOCOL => (self.take)(sender, body)?,
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

    /// Who sent it, of what kind it is, and the body, if the signature is the sender's or none is
    /// asked for.
    fn open<'a>(&self, frame: &'a [u8]) -> Result<(usize, u8, &'a [u8]), String> {
        let short = || format!("{} bytes are too few", frame.len());
        let at = frame.len().checked_sub(self.signature());
        let at = at.filter(|at| *at >= HEAD).ok_or_else(short)?;
        let (signed, signature) = frame.split_at(at);
        let sender = usize::from(u16::from_be_bytes([signed[0], signed[1]]));
        let key = self.keys.get(sender).ok_or_else(|| format!("no replica {sender}"))?;
        if self.frames == Frames::Signed {
            let signature = Signature::from_slice(signature).map_err(|error| error.to_string())?;
            key.verify(&[DOMAIN, signed].concat(), &signature)
                .map_err(|_| format!("the signature is not that of replica {sender}"))?;
        }
        Ok((sender, signed[2], &signed[HEAD..]))
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
                // What waits from now on is old news in a protocol of views or rounds.
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
