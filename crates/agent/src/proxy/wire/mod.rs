//! Lies in the packets themselves: bits and values, with checksums that fit.
//!
//! The other liar stands in the middle of a connection and is one of its ends; this one lets every
//! packet go on and changes bytes in some. So connections of before are lied to as well, and both
//! ends keep their addresses. It sees single packets: a seal that two of them share is not found,
//! and there are no messages, so only bits and values can be changed, at their own length.
//!
//! What is sent again is asked about again: a lie about a seal is the same each time.

mod netlink;
mod packet;
mod rules;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use self::netlink::{Caught, MOST_PACKET, Queue};
use self::packet::Packet;
use self::rules::{Rules, Which};
use super::running::{Place, Running};
use super::session::flip;
use super::spec::{self, DialledBy, On, Part, Tell, Who};
use super::told::{Link, Telling, Way};
use crate::agent::Agent;
use crate::protocol::{Failure, FailureKind};

pub use rules::delete;

/// How many connections are told apart; beyond that they are counted anew.
const MOST_LINKS: usize = 1 << 16;

/// Taps of one agent are counted.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A liar in the packets.
#[derive(Debug)]
pub struct Tap {
    rules: Rules,
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Tap {
    /// Lets packets come by. When this returns, they do.
    pub fn start(
        agent: &Agent,
        running: Arc<Running>,
        ports: &[u16],
        with: &Who,
        by: DialledBy,
    ) -> Result<Tap, Failure> {
        let queue = Queue::bind()?;
        let number = queue.number;
        let io = |error: std::io::Error| Failure::new(FailureKind::Io, format!("a tap: {error}"));
        let (stopped, stop) =
            nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|error| io(error.into()))?;
        let says = |on: &On| *on != On::Hears;
        let hears = |on: &On| *on != On::Says;
        let is_any = |wanted: fn(&On) -> bool| running.spec.lies.iter().any(|lie| wanted(&lie.on));
        let which = Which { ports, with, by, hears: is_any(hears), says: is_any(says) };
        // Three letters of ours and the agent's own twelve: a chain has at most 28.
        let name = format!("perjury_{}_w{}", agent.id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let ports = ports.to_vec();
        let work = {
            let running = Arc::clone(&running);
            move || Wire { running, queue, ports, links: HashMap::new() }.run(&stopped)
        };
        // Whoever judges is there before the first packet waits.
        let thread = std::thread::Builder::new().name("tap".into()).spawn(work).map_err(io)?;
        match Rules::make(agent, &name, &which, number) {
            Ok(rules) => Ok(Tap { rules, stop: Some(stop), thread: Some(thread) }),
            Err(failure) => {
                drop(stop);
                let _ = thread.join();
                Err(failure)
            }
        }
    }

    /// Removes the rules, and then whoever judged; what waited is let go.
    pub fn undo(&mut self, agent: &Agent) -> Result<(), Failure> {
        self.rules.undo(agent)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A connection, or two ends that send datagrams.
#[derive(Debug)]
struct Known {
    connection: u64,
    /// How many bytes went by in each direction.
    offsets: [u64; 2],
}

struct Wire {
    running: Arc<Running>,
    queue: Queue,
    ports: Vec<u16>,
    links: HashMap<(SocketAddr, SocketAddr), Known>,
}

impl Wire {
    fn run(mut self, stopped: &OwnedFd) {
        let mut buffer = vec![0; MOST_PACKET + 4096];
        loop {
            // When it is told to stop, what still waits is let go first.
            let Ok(is_over) = self.wait(stopped) else { return };
            loop {
                let judged = match self.queue.next(&mut buffer) {
                    Ok(Some(caught)) => {
                        let other = if is_over {
                            None
                        } else {
                            judge(&self.running, &self.ports, &mut self.links, &caught)
                        };
                        self.queue.pass(caught.id, other.as_deref())
                    }
                    Ok(None) => break,
                    // The queue is gone; packets pass.
                    Err(_) => return,
                };
                if judged.is_err() {
                    return;
                }
            }
            if is_over {
                return;
            }
        }
    }

    fn wait(&self, stopped: &OwnedFd) -> nix::Result<bool> {
        let mut asked = [
            PollFd::new(self.queue.as_fd(), PollFlags::POLLIN),
            PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut asked, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => Ok(false),
            Err(error) => Err(error),
            Ok(_) => Ok(asked[1].any() == Some(true)),
        }
    }
}

/// The packet with its lies, if any was told in it.
fn judge(
    running: &Running,
    ports: &[u16],
    links: &mut HashMap<(SocketAddr, SocketAddr), Known>,
    caught: &Caught<'_>,
) -> Option<Vec<u8>> {
    let packet = Packet::parse(caught.bytes)?;
    let (own, other) = match caught.comes_in {
        true => (packet.destination, packet.source),
        false => (packet.source, packet.destination),
    };
    let outgoing = !ports.contains(&own.port());
    let (dialler, listener) = if outgoing { (own, other) } else { (other, own) };
    let way = if packet.destination == listener { Way::Requests } else { Way::Replies };
    if links.len() >= MOST_LINKS {
        links.clear();
    }
    let known = links.entry((dialler, listener)).or_insert_with(|| Known {
        connection: running.connections.fetch_add(1, Ordering::SeqCst),
        offsets: [0; 2],
    });
    let link = Link { connection: known.connection, dialler, listener, outgoing };
    let offset = known.offsets[way as usize];
    known.offsets[way as usize] += packet.payload.len() as u64;
    let mut bytes = caught.bytes.to_vec();
    let payload = &mut bytes[packet.payload.clone()];
    let lies = running.lies_on(&link, way);
    let now = running.now();
    if running.watches_seals() {
        let place = Place { link, way, word: None, lies: &lies, now };
        running.reseal(payload, true, &place);
    }
    for at in lies {
        let Tell::Corrupt(Part::Stream { block }) = running.spec.lies[at].tell else { continue };
        if running.is_awake(at, None, now) {
            flip(running, at, &link, (way, offset, block), payload, |before, after, detail| {
                let telling = Telling { before, after, seal: None, detail };
                running.tell(at, link, way, now, &telling);
            });
        }
    }
    if bytes == caught.bytes {
        return None;
    }
    packet.mend(&mut bytes);
    Some(bytes)
}

/// What is wrong with a lie that is to be told in packets.
pub fn check(lie: &spec::Lie) -> Result<(), String> {
    match lie.tell {
        Tell::Corrupt(_) | Tell::Substitute(_) | Tell::Equivocate(_) => Ok(()),
        _ => Err("on the wire there are only bits and values; leave `wire` out".into()),
    }
}
