//! Two namespaces with a cable between them: where cuts are tried.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use perjury_agent::protocol::{Answer, Body};

use super::{AGENT, Agent, must};

/// Two namespaces with a cable between them, removed at the end.
pub struct Pair {
    pub names: [String; 2],
}

impl Pair {
    pub fn make(test: &str) -> Pair {
        let me = std::process::id();
        let pair = Pair { names: ["a", "b"].map(|end| format!("pj{test}{end}{me}")) };
        let [a, b] = pair.names.each_ref().map(String::as_str);
        for name in [a, b] {
            must(&["ip", "netns", "add", name]);
            must(&["ip", "-n", name, "link", "set", "lo", "up"]);
        }
        let cable = ["link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", b];
        must(&[&["ip", "-n", a][..], &cable].concat());
        for (name, last) in [(a, 1), (b, 2)] {
            must(&["ip", "-n", name, "addr", "add", &format!("10.9.0.{last}/24"), "dev", "eth0"]);
            let v6 = format!("fd00:9::{last}/64");
            must(&["ip", "-n", name, "addr", "add", &v6, "dev", "eth0", "nodad"]);
            must(&["ip", "-n", name, "link", "set", "eth0", "up"]);
        }
        pair
    }

    /// Does something in the namespace of an end; a socket that is made there stays there.
    pub fn within<T: Send>(&self, end: usize, act: impl FnOnce() -> T + Send) -> T {
        let namespace = std::fs::File::open(format!("/run/netns/{}", self.names[end])).unwrap();
        let enter = move || {
            let flags = nix::sched::CloneFlags::CLONE_NEWNET;
            nix::sched::setns(namespace.as_fd(), flags).unwrap();
            act()
        };
        std::thread::scope(|scope| scope.spawn(enter).join().unwrap())
    }

    /// Says the same to every line, at an end, to IPv4 and IPv6.
    pub fn serve(&self, end: usize, port: u16, said: &str) {
        for any in ["0.0.0.0", "::"] {
            let address = SocketAddr::new(any.parse().unwrap(), port);
            let listener = self.within(end, || perjury_agent::proxy::listener(address)).unwrap();
            listener.set_nonblocking(false).unwrap();
            let said = said.to_string();
            std::thread::spawn(move || {
                for socket in listener.incoming() {
                    let (mut socket, said) = (socket.unwrap(), said.clone());
                    std::thread::spawn(move || {
                        let lines = BufReader::new(socket.try_clone().unwrap()).lines();
                        for _ in lines.map_while(Result::ok) {
                            if socket.write_all(said.as_bytes()).is_err() {
                                return;
                            }
                        }
                    });
                }
            });
        }
    }

    /// Connects from an end.
    pub fn connect(&self, end: usize, to: &str) -> TcpStream {
        let to: SocketAddr = to.parse().unwrap();
        let socket = self.within(end, || TcpStream::connect(to)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    /// Runs a program at one end and answers what it printed.
    pub fn on(&self, end: usize, words: &[&str]) -> String {
        must(&[&["ip", "netns", "exec", &self.names[end]][..], words].concat())
    }

    /// An agent on a node that has no `nft`: nothing is where that would be.
    pub fn agent_without_nft(&self, end: usize, state: &Path) -> Agent {
        let hide = "for nft in /usr/sbin/nft /sbin/nft /usr/bin/nft /usr/local/sbin/nft; do \
                    if [ -f $nft ]; then mount --bind /dev/null $nft || exit 1; fi; done; \
                    exec \"$0\" \"$@\"";
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[end], "sh", "-c", hide, AGENT]);
        Agent::start_by(command, state, 30)
    }

    pub fn agent(&self, end: usize, state: &Path) -> Agent {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[end], AGENT]);
        Agent::start_by(command, state, 30)
    }

    pub fn nft(&self, end: usize, words: &[&str]) -> String {
        self.on(end, &[&["nft"][..], words].concat())
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

/// What is said to a line, of the length of a seal.
pub fn ask(socket: &mut TcpStream) -> std::io::Result<String> {
    socket.write_all(b"what\n")?;
    let mut reply = vec![0; 43];
    socket.read_exact(&mut reply)?;
    Ok(String::from_utf8(reply).unwrap())
}

pub fn addresses(last: u32) -> Vec<IpAddr> {
    [format!("10.9.0.{last}"), format!("fd00:9::{last}")].map(|text| text.parse().unwrap()).into()
}

pub fn counters(agent: &mut Agent) -> Vec<u64> {
    let Answer::Counters { dropped } = agent.ask(Body::CutCounters).unwrap() else { panic!() };
    dropped.into_values().collect()
}

pub fn eventually_counts(agent: &mut Agent, wanted: &[u64]) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while counters(agent) != wanted {
        assert!(Instant::now() < deadline, "{:?}, not {wanted:?}", counters(agent));
        std::thread::sleep(Duration::from_millis(10));
    }
}
