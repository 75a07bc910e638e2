//! Listeners and connections: bytes between sockets and [`Session`]s.
//!
//! A thread for each connection, which waits for both of its sockets at once. What is read is only
//! kept while the other side takes it: a full queue stops the reading.
//!
//! Invariant: dropping the engine ends all its connections, with a reset.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::running::Running;
use super::session::{Session, WAYS};
use super::sockets;
use super::told::{Link, Way};

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// How much may wait for one way before its source is no longer read.
const MOST_WAITING: usize = 1 << 20;

/// A thread that holds one connection needs little.
const STACK: usize = 192 << 10;

/// Where the connections of a listener go.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// To this address.
    To(SocketAddr),
    /// Where they were going before they were redirected; this node dialled them, or did not.
    Original {
        /// This node dialled.
        outgoing: bool,
    },
}

/// A running proxy.
#[derive(Debug)]
pub struct Engine {
    /// What it shares with its connections.
    pub running: Arc<Running>,
    stop: Option<OwnedFd>,
    listeners: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Takes connections from these listeners.
    pub fn start(
        running: Arc<Running>,
        listeners: Vec<(TcpListener, Target)>,
    ) -> io::Result<Engine> {
        // Nothing is ever written: its end is the sign, for all threads at once.
        let (stopped, stop) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        let stopped = Arc::new(stopped);
        let mut engine = Engine { running, stop: Some(stop), listeners: Vec::new() };
        for (listener, target) in listeners {
            let (running, stopped) = (Arc::clone(&engine.running), Arc::clone(&stopped));
            let thread = std::thread::Builder::new().name("liar".into()).stack_size(STACK);
            let take = move || accept(&running, &listener, target, &stopped);
            engine.listeners.push(thread.spawn(take)?);
        }
        Ok(engine)
    }

    /// Ends all connections; no new ones are taken.
    pub fn stop(&mut self) {
        drop(self.stop.take());
        for thread in self.listeners.drain(..) {
            let _ = thread.join();
        }
        // The connections see the same sign; they are gone in a moment.
        for _ in 0..2000 {
            if self.running.open.load(Ordering::SeqCst) == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

fn accept(running: &Arc<Running>, listener: &TcpListener, target: Target, stopped: &Arc<OwnedFd>) {
    loop {
        let mut asked = [
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut asked, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            Err(_) => return,
            Ok(_) if asked[1].any() == Some(true) => return,
            Ok(_) => {}
        }
        let Ok((client, dialler)) = listener.accept() else {
            // Gone already, or no descriptors are left: then others have to end first.
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        let (running, stopped) = (Arc::clone(running), Arc::clone(stopped));
        running.open.fetch_add(1, Ordering::SeqCst);
        let held = Arc::clone(&running);
        let thread = std::thread::Builder::new().name("liar".into()).stack_size(STACK);
        let connection = move || {
            // How it ended, its two ends have seen.
            let _ = serve(&running, client, dialler, target, &stopped);
            running.open.fetch_sub(1, Ordering::SeqCst);
        };
        if thread.spawn(connection).is_err() {
            held.open.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn serve(
    running: &Arc<Running>,
    client: TcpStream,
    dialler: SocketAddr,
    target: Target,
    stopped: &Arc<OwnedFd>,
) -> io::Result<()> {
    client.set_nonblocking(true)?;
    client.set_nodelay(true)?;
    let own = client.local_addr()?;
    let (listener, marked, outgoing) = match target {
        Target::To(address) => (address, false, false),
        Target::Original { outgoing } => (sockets::original_destination(&client)?, true, outgoing),
    };
    sockets::reset_on_close(&client);
    if marked && listener == own {
        // Somebody dialled us directly: there is nowhere to go.
        return Ok(());
    }
    let server = sockets::dial(listener, marked, stopped)?;
    server.set_nodelay(true)?;
    sockets::reset_on_close(&server);
    let connection = running.connections.fetch_add(1, Ordering::SeqCst);
    let link = Link { connection, dialler, listener, outgoing };
    let session = Session::new(Arc::clone(running), link);
    let both = [Pipe::new(&client), Pipe::new(&server)];
    Connection { running, session, ends: both, buffer: vec![0; CHUNK] }.run(stopped)
}

/// One end of a connection.
struct Pipe<'a> {
    socket: &'a TcpStream,
    /// It has said all that it will say.
    read_all: bool,
    /// It has been told that nothing more comes.
    told_end: bool,
}

impl<'a> Pipe<'a> {
    fn new(socket: &'a TcpStream) -> Pipe<'a> {
        Pipe { socket, read_all: false, told_end: false }
    }
}

struct Connection<'a> {
    running: &'a Running,
    session: Session,
    /// The one that dialled, then the one that listened.
    ends: [Pipe<'a>; 2],
    buffer: Vec<u8>,
}

impl Connection<'_> {
    fn run(mut self, stopped: &OwnedFd) -> io::Result<()> {
        loop {
            let now = self.running.now();
            self.session.tick(now);
            for way in WAYS {
                self.send(way, now)?;
            }
            if self.session.is_broken() {
                return Ok(());
            }
            if self.ends.iter().all(|end| end.read_all && end.told_end) {
                self.end_in_order();
                return Ok(());
            }
            let Some(readable) = self.wait(stopped, now)? else { return Ok(()) };
            for way in WAYS {
                if readable[way as usize] {
                    self.receive(way)?;
                }
            }
        }
    }

    /// Waits until something can be done. `None` if the proxy stops; else which ends can be read.
    fn wait(&mut self, stopped: &OwnedFd, now: Duration) -> io::Result<Option<[bool; 2]>> {
        let mut due = self.session.due();
        let mut flags = [PollFlags::empty(); 2];
        for way in WAYS {
            let (from, to) = (way as usize, 1 - way as usize);
            let outlet = self.session.outlet(way);
            if !self.ends[from].read_all && outlet.waiting() < MOST_WAITING {
                flags[from] |= PollFlags::POLLIN;
            }
            match outlet.due() {
                Some(at) if at <= now => flags[to] |= PollFlags::POLLOUT,
                Some(at) => due = Some(due.map_or(at, |due| due.min(at))),
                None => {}
            }
        }
        let timeout = match due {
            // Rounded up: a timer that is not due yet would spin.
            Some(due) => {
                let rest = due.saturating_sub(self.running.now()).as_micros().div_ceil(1000);
                PollTimeout::try_from(rest.min(60_000) as u32).unwrap_or(PollTimeout::MAX)
            }
            None => PollTimeout::NONE,
        };
        let mut asked = vec![PollFd::new(stopped.as_fd(), PollFlags::POLLIN)];
        for (end, flags) in self.ends.iter().zip(flags) {
            // A socket of which nothing is wanted would only report its own end again and again.
            if !flags.is_empty() {
                asked.push(PollFd::new(end.socket.as_fd(), flags));
            }
        }
        match poll(&mut asked, timeout) {
            Err(Errno::EINTR) => return Ok(Some([false; 2])),
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        if asked[0].any() == Some(true) {
            return Ok(None);
        }
        let mut seen = asked[1..].iter();
        let mut readable = [false; 2];
        for (way, flags) in WAYS.into_iter().zip(flags) {
            if flags.is_empty() {
                continue;
            }
            let Some(events) = seen.next() else { break };
            let events = events.revents().unwrap_or(PollFlags::empty());
            let any = PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR;
            readable[way as usize] = flags.contains(PollFlags::POLLIN) && events.intersects(any);
            if events.contains(PollFlags::POLLERR) && !flags.contains(PollFlags::POLLIN) {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
        Ok(Some(readable))
    }

    fn receive(&mut self, way: Way) -> io::Result<()> {
        let end = &mut self.ends[way as usize];
        let count = match (&mut &*end.socket).read(&mut self.buffer) {
            Ok(count) => count,
            Err(error) if is_later(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        let now = self.running.now();
        if count == 0 {
            end.read_all = true;
            self.session.end(way, now);
            return Ok(());
        }
        let mut bytes = &self.buffer[..count];
        if self.session.is_honest(way) && self.session.outlet(way).waiting() == 0 {
            // Nothing to do but to pass it on: no copy is made of what the other end takes at once.
            match (&mut &*self.ends[1 - way as usize].socket).write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if is_later(&error) => {}
                Err(error) => return Err(error),
            }
            self.session.outlet(way).push(bytes, now, None);
            return Ok(());
        }
        self.session.take(way, bytes, now);
        Ok(())
    }

    fn send(&mut self, way: Way, now: Duration) -> io::Result<()> {
        let end = &mut self.ends[1 - way as usize];
        let outlet = self.session.outlet(way);
        loop {
            let ready = outlet.ready(now);
            if ready.is_empty() {
                break;
            }
            match (&mut &*end.socket).write(ready) {
                Ok(count) => outlet.sent(count, now),
                Err(error) if is_later(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        if outlet.is_done() && !end.told_end {
            end.told_end = true;
            end.socket.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }

    /// Both ends have said and heard everything: no reset is due.
    fn end_in_order(&self) {
        for end in &self.ends {
            sockets::close_in_order(end.socket);
        }
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
