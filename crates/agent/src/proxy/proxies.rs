//! The liars of one agent: installing, asking, removing.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::engine::{Engine, Target};
use super::redirect::{self, CutOver, Redirect};
use super::running::Running;
use super::sockets;
use super::spec::{DialledBy, Liar, Place, Who};
use super::told::Told;
use super::wire::Tap;
use crate::agent::Agent;
use crate::protocol::{Failure, FailureKind};

/// What a liar has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deeds {
    /// Where it listens. For a transparent one these are its own ports, not those it stands for.
    pub listens: Vec<SocketAddr>,
    /// Connections that came through since it was installed.
    pub connections: u64,
    /// Connections that are open.
    pub open: u64,
    /// Connections on which messages could not be told apart any more, so that lies about messages
    /// are not told there.
    pub opaque: u64,
    /// How many lies were told, by their word. None: nothing was tested.
    pub told: BTreeMap<String, u64>,
    /// Records that were never fetched and had to go.
    pub lost: u64,
    /// Connections of before that were ended, so that their ends connect again through the liar.
    pub cut_over: u64,
    /// Connections of before that go on without the liar, because they could not be ended.
    pub kept: u64,
    /// The time on the clock of its records, in nanoseconds.
    pub now_ns: u64,
}

/// Some records of a liar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lies {
    /// In order; none if there are no more for now.
    pub records: Vec<Told>,
    /// What it has done so far.
    pub deeds: Deeds,
}

#[derive(Debug)]
struct Installed {
    running: Arc<Running>,
    /// None once it was removed; its records stay.
    engine: Option<Engine>,
    redirect: Option<Redirect>,
    tap: Option<Tap>,
    listens: Vec<SocketAddr>,
    cut_over: CutOver,
}

impl Installed {
    /// Nothing comes to it yet.
    fn idle(running: Arc<Running>) -> Installed {
        let (listens, cut_over) = (Vec::new(), CutOver::default());
        Installed { running, engine: None, redirect: None, tap: None, listens, cut_over }
    }

    fn deeds(&self) -> Deeds {
        let (told, lost) = self.running.log.counts();
        Deeds {
            listens: self.listens.clone(),
            connections: self.running.connections.load(Ordering::SeqCst),
            open: self.running.open.load(Ordering::SeqCst),
            opaque: self.running.opaque.load(Ordering::SeqCst),
            told,
            lost,
            cut_over: self.cut_over.ended,
            kept: self.cut_over.kept,
            now_ns: u64::try_from(self.running.now().as_nanos()).unwrap_or(u64::MAX),
        }
    }
}

/// All of them, by name.
#[derive(Debug, Default)]
pub struct Proxies {
    all: Mutex<BTreeMap<String, Installed>>,
}

impl Proxies {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Installed>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Installs a liar. When this returns, connections go through it; none of before is left that
    /// is not counted.
    pub fn install(&self, agent: &Agent, liar: &Liar) -> Result<Deeds, Failure> {
        liar.check().map_err(|why| Failure::bad_request(format!("liar {}: {why}", liar.name)))?;
        let mut all = self.lock();
        if all.contains_key(&liar.name) {
            return Err(Failure::bad_request(format!(
                "there is a liar {} already; choose another name",
                liar.name
            )));
        }
        let running = Arc::new(Running::new(liar.clone()));
        let installed = match &liar.place {
            Place::Explicit { listen, forward } => explicit(running, *listen, *forward)?,
            Place::Transparent { ports, with, dialled_by } => {
                transparent(agent, running, ports, with, *dialled_by)?
            }
            Place::Wire { ports, with, dialled_by } => {
                let tap = Tap::start(agent, Arc::clone(&running), ports, with, *dialled_by)?;
                Installed { tap: Some(tap), ..Installed::idle(running) }
            }
        };
        let deeds = installed.deeds();
        all.insert(liar.name.clone(), installed);
        Ok(deeds)
    }

    /// The records of a liar from a number on, and its deeds.
    pub fn lies(&self, name: &str, from: u64) -> Result<Lies, Failure> {
        let all = self.lock();
        let installed = all.get(name).ok_or_else(|| unknown(name))?;
        let records = installed.running.log.fetch(from);
        Ok(Lies { records, deeds: installed.deeds() })
    }

    /// Removes a liar: its redirect first, so that who connects again reaches the truth, then its
    /// connections. Its records stay.
    pub fn remove(&self, agent: &Agent, name: &str) -> Result<Deeds, Failure> {
        let mut all = self.lock();
        let installed = all.get_mut(name).ok_or_else(|| unknown(name))?;
        if let Some(redirect) = &installed.redirect {
            redirect.undo(agent)?;
        }
        if let Some(tap) = &mut installed.tap {
            tap.undo(agent)?;
        }
        installed.redirect = None;
        installed.engine = None;
        installed.tap = None;
        Ok(installed.deeds())
    }

    /// Ends the connections of all liars, after their redirects were undone from the journal.
    pub fn silence(&self) -> Vec<String> {
        let mut ended = Vec::new();
        for (name, installed) in self.lock().iter_mut() {
            installed.redirect = None;
            if installed.engine.take().is_some() || installed.tap.take().is_some() {
                ended.push(format!("liar {name} silenced"));
            }
        }
        ended
    }
}

fn unknown(name: &str) -> Failure {
    Failure::new(FailureKind::NotFound, format!("there is no liar {name}"))
}

fn io(what: &str, error: &std::io::Error) -> Failure {
    let kind = match error.kind() {
        std::io::ErrorKind::PermissionDenied => FailureKind::NotPermitted,
        _ => FailureKind::Io,
    };
    Failure::new(kind, format!("cannot {what}: {error}"))
}

fn explicit(
    running: Arc<Running>,
    listen: SocketAddr,
    forward: SocketAddr,
) -> Result<Installed, Failure> {
    if !listen.ip().is_loopback() {
        let why = format!("an explicit liar listens on loopback only, not on {listen}");
        return Err(Failure::bad_request(why));
    }
    let what = format!("listen on {listen}");
    let listener = sockets::listener(listen).map_err(|error| io(&what, &error))?;
    let own = listener.local_addr().map_err(|error| io(&what, &error))?;
    let targets = vec![(listener, Target::To(forward))];
    let engine = Engine::start(Arc::clone(&running), targets);
    let engine = engine.map_err(|error| io("start a liar", &error))?;
    Ok(Installed { engine: Some(engine), listens: vec![own], ..Installed::idle(running) })
}

fn transparent(
    agent: &Agent,
    running: Arc<Running>,
    ports: &[u16],
    with: &Who,
    dialled_by: DialledBy,
) -> Result<Installed, Failure> {
    let mut listeners: Vec<(TcpListener, Target)> = Vec::new();
    let mut doors = Vec::new();
    for outgoing in [false, true] {
        let wanted = match dialled_by {
            DialledBy::Them => !outgoing,
            DialledBy::Us => outgoing,
            DialledBy::Either => true,
        };
        for any in [SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), (Ipv6Addr::UNSPECIFIED, 0).into()]
        {
            if !wanted {
                continue;
            }
            let listener = match sockets::listener(any) {
                Ok(listener) => listener,
                // A node without IPv6 has none to lie about.
                Err(_) if any.is_ipv6() => continue,
                Err(error) => return Err(io("listen", &error)),
            };
            let own = listener.local_addr().map_err(|error| io("listen", &error))?;
            doors.push(redirect::Door { address: own, outgoing });
            listeners.push((listener, Target::Original { outgoing }));
        }
    }
    let redirect = Redirect::make(agent, ports, with, &doors)?;
    // Nothing is accepted yet, so what is open now is of before.
    let cut_over = redirect::cut_over(&redirect, ports, with, dialled_by);
    let engine = Engine::start(Arc::clone(&running), listeners);
    match engine {
        Ok(engine) => Ok(Installed {
            engine: Some(engine),
            redirect: Some(redirect),
            listens: doors.iter().map(|door| door.address).collect(),
            cut_over,
            ..Installed::idle(running)
        }),
        Err(error) => {
            redirect.undo(agent)?;
            Err(io("start a liar", &error))
        }
    }
}
