//! Makes histories for tests, event by event.

use perjury_history::{Call, Entry, Event, History, Index, Key, Nanos, Outcome, Process, Value};

/// A history in the making.
#[derive(Default)]
pub struct Made {
    pub history: History,
}

impl Made {
    pub fn push(&mut self, time: Nanos, event: Event) -> Index {
        let index = Index(self.history.entries.len() as u64);
        self.history.entries.push(Entry { index, time, event });
        index
    }

    pub fn invoke(&mut self, time: Nanos, process: Process, call: Call) -> Index {
        let node = format!("n{}", process % 5 + 1).into();
        self.push(time, Event::Invoke { process, node, call })
    }

    pub fn complete(&mut self, time: Nanos, process: Process, call: Index, outcome: Outcome) {
        self.push(time, Event::Complete { process, call, outcome, said: None });
    }
}

pub fn key(name: &str) -> Key {
    Key::from(name)
}

pub fn read(name: &str) -> Call {
    Call::Read { key: key(name) }
}

pub fn write(name: &str, value: impl Into<Value>) -> Call {
    Call::Write { key: key(name), value: value.into() }
}

pub fn cas(name: &str, from: impl Into<Value>, to: impl Into<Value>) -> Call {
    Call::Cas { key: key(name), from: from.into(), to: to.into() }
}
