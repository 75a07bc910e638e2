//! The judgement of a history while it is still being made.
//!
//! Entries are fed one by one, and what cannot matter any more is forgotten. The verdict is that of
//! the whole history, and an anomaly is final: every prefix of a linearizable history is
//! linearizable, so nothing that follows can mend it.
//!
//! | model | judged by | kept at most |
//! |---|---|---|
//! | registers, values distinct | `zones` | what is open or began meanwhile, values in doubt |
//! | a set | `elements` | its elements, and what is open |
//! | registers otherwise, and all others | `window` | what began since little was open |
//!
//! Besides, a number is kept of each process that is gone.
//!
//! Entries of the same time are taken together, calls before completions: such operations overlap.
//! So what a completion proves is said with the first entry that is later, or at the end.

mod elements;
mod ends;
mod evidence;
mod peaks;
mod settled;
mod starts;
mod window;
mod zones;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use perjury_history::{
    Anomaly, Call, Cause, Entry, Event, History, Index, Key, NodeName, Operation, Outcome, Phase,
    Process, Value, Verdict,
};

use crate::{Budget, ModelName, Options, assumptions, set_full};
use elements::{Elements, Tally};
use window::{Proved, Window};
use zones::Zones;

/// How long a search for the longest prefix may take.
const PREFIX_TIME: Duration = Duration::from_secs(10);

/// A judgement in the making.
///
/// ```
/// use perjury_checkers::{ModelName, Online, Options};
/// use perjury_history::{Call, Entry, Event, Index, Key, Outcome, Reply, Value};
///
/// let mut online = Online::new(Options::new(ModelName::Register));
/// let call = Call::Read { key: Key::from("x") };
/// let asked = Event::Invoke { process: 0, node: "n1".into(), call };
/// let outcome = Outcome::Ok(Reply::Value(Value::Int(7)));
/// let answered = Event::Complete { process: 0, call: Index(0), outcome, said: None };
/// online.push(&Entry { index: Index(0), time: 10, event: asked })?;
/// online.push(&Entry { index: Index(1), time: 20, event: answered })?;
/// let proof = online.finish().proof.expect("nobody wrote 7");
/// assert_eq!(proof.at, Index(1));
/// # Ok::<(), String>(())
/// ```
pub struct Online {
    options: Options,
    open: HashMap<Process, (Option<Key>, Index, Call)>,
    gone: HashSet<Process>,
    objects: BTreeMap<Option<Key>, Object>,
    /// Completions of the latest time, in their order.
    due: Vec<Due>,
    last: u64,
    doubtful: bool,
    proof: Option<Proof>,
    held: usize,
    most_held: usize,
}

struct Due {
    key: Option<Key>,
    call: Index,
    at: Index,
    outcome: Outcome,
}

enum Object {
    Zones(Zones),
    Window(Window),
    Elements(Elements),
}

/// An anomaly, and the entry that completes its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Without this completion the history before it could still be right.
    pub at: Index,
    /// What was proved. Of what was forgotten it says less than a judgement of the whole.
    pub anomaly: Anomaly,
}

/// What came of a whole history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// As a judgement of the whole file would have it.
    pub verdict: Verdict,
    /// What was proved.
    pub proof: Option<Proof>,
    /// How many operations were kept at once at the most.
    pub most_held: usize,
}

impl Online {
    /// Begins, with nothing known. What is [`expected`](Options::expected) is not looked at; the
    /// [`budget`](Options::budget) is for each search.
    pub fn new(options: Options) -> Online {
        Online {
            options,
            open: HashMap::new(),
            gone: HashSet::new(),
            objects: BTreeMap::new(),
            due: Vec::new(),
            last: 0,
            doubtful: false,
            proof: None,
            held: 0,
            most_held: 0,
        }
    }

    /// Takes the next entry. What the entries before it prove, if they prove anything; that is
    /// final, and nothing more is looked at.
    ///
    /// # Errors
    /// The history is ill formed, or has a call that the model does not know; nothing is decided.
    pub fn push(&mut self, entry: &Entry) -> Result<Option<&Proof>, String> {
        if entry.time < self.last {
            return Err(format!("the time of {} is before that of its predecessor", entry.index));
        }
        if entry.time > self.last {
            self.settle();
            self.last = entry.time;
        }
        if self.proof.is_none() {
            match &entry.event {
                Event::Invoke { process, node, call } => {
                    self.invoke(entry, *process, node, call)?;
                }
                Event::Complete { process, call, outcome, .. } => {
                    self.complete(entry, *process, *call, outcome)?;
                }
                _ => {}
            }
        }
        Ok(self.proof.as_ref())
    }

    /// How many operations are kept now, counting values and elements as one each.
    pub fn held(&self) -> usize {
        self.held
    }

    fn invoke(
        &mut self,
        entry: &Entry,
        process: Process,
        node: &NodeName,
        call: &Call,
    ) -> Result<(), String> {
        let operation = Operation {
            process,
            node: node.clone(),
            call: call.clone(),
            invoked: entry.index,
            start: entry.time,
            completion: None,
            said: None,
        };
        if let Some(problem) = assumptions::misfit(&operation, self.options.model) {
            return Err(problem);
        }
        let key = match self.options.model {
            ModelName::Bank => return Err("a bank is judged as a whole, at its end".into()),
            ModelName::MultiRegister => None,
            _ => call.key().cloned(),
        };
        let open = (key.clone(), entry.index, call.clone());
        if self.gone.contains(&process) || self.open.insert(process, open).is_some() {
            return Err(format!("process {process} may not speak at {}", entry.index));
        }
        let options = &self.options;
        let before = self.objects.get(&key).map_or(0, Object::held);
        let object = self
            .objects
            .entry(key.clone())
            .or_insert_with(|| Object::new(options.model, key, &options.initial));
        object.invoke(operation);
        self.held = self.held + object.held() - before;
        self.most_held = self.most_held.max(self.held);
        Ok(())
    }

    fn complete(
        &mut self,
        entry: &Entry,
        process: Process,
        call: Index,
        outcome: &Outcome,
    ) -> Result<(), String> {
        let orphan = || format!("{} ends {call}, which is not open", entry.index);
        let (key, invoked, asked) = self.open.remove(&process).ok_or_else(orphan)?;
        if invoked != call {
            return Err(orphan());
        }
        if let Outcome::Ok(reply) = outcome
            && !assumptions::answers(self.options.model, &asked, reply)
        {
            return Err(format!("{} is no answer to {call}", entry.index));
        }
        if matches!(outcome, Outcome::Info(_)) {
            self.gone.insert(process);
        }
        let mut outcome = outcome.clone();
        if let Outcome::Fail(cause) | Outcome::Info(cause) = &outcome
            && cause.code == Cause::UNMODELLED
        {
            self.doubtful = true;
            outcome = Outcome::Info(cause.clone());
        }
        self.due.push(Due { key, call, at: entry.index, outcome });
        Ok(())
    }

    /// Hands on the completions of the latest time; nothing more has this time.
    fn settle(&mut self) {
        for Due { key, call, at, outcome } in std::mem::take(&mut self.due) {
            let Some(object) = self.objects.get_mut(&key) else { continue };
            let before = object.held();
            let proved = object.complete(call, (at, self.last, outcome), &self.options);
            self.held = self.held + object.held() - before;
            self.most_held = self.most_held.max(self.held);
            if let Some(Proved { at, anomaly }) = proved {
                self.proof.get_or_insert(Proof { at, anomaly });
                return;
            }
        }
    }

    /// Nothing follows: judges what is left. What is open is in doubt.
    pub fn finish(mut self) -> Ended {
        if self.proof.is_none() {
            self.settle();
        }
        let mut verdict = if self.doubtful { Verdict::Unknown } else { Verdict::Valid };
        let mut tally = Tally::default();
        for object in self.objects.values() {
            if self.proof.is_some() {
                break;
            }
            match object {
                Object::Zones(_) => {}
                Object::Elements(elements) => tally.add(elements.finish()),
                Object::Window(window) => match window.finish(&self.options) {
                    Ok(None) => {}
                    Ok(Some(Proved { at, anomaly })) => self.proof = Some(Proof { at, anomaly }),
                    Err(()) => verdict = Verdict::Unknown,
                },
            }
        }
        if self.options.model == ModelName::Set && !set_full::is_enough(tally.added, tally.unread) {
            verdict = Verdict::Unknown;
        }
        if self.proof.is_some() {
            verdict = Verdict::Invalid;
        }
        Ended { verdict, proof: self.proof, most_held: self.most_held }
    }
}

/// The time of the completion that makes an illegal history illegal: what was answered before has
/// an order. `None` if it takes too long to tell; that costs no more than `PREFIX_TIME`, or what
/// the budget allows if that is less.
pub(crate) fn longest_prefix(history: &History, options: &Options) -> Option<u64> {
    let time = options.budget.time.map_or(PREFIX_TIME, |time| time.min(PREFIX_TIME));
    let budget = Budget { time: Some(time), ..options.budget.clone() };
    let meter = budget.start();
    let mut online = Online::new(Options { budget, ..options.clone() });
    for (number, entry) in history.entries.iter().enumerate() {
        if number % 1024 == 0 && meter.exceeded() {
            return None;
        }
        if matches!(entry.event, Event::Phase(Phase::Scrub)) {
            break;
        }
        if online.push(entry).ok()?.is_some() {
            break;
        }
    }
    let proof = online.finish().proof?;
    let completion = usize::try_from(proof.at.0).ok()?;
    history.entries.get(completion).filter(|entry| entry.index == proof.at).map(|entry| entry.time)
}

impl Object {
    fn new(model: ModelName, key: Option<Key>, initial: &Value) -> Object {
        let zones = if model.is_register() { Zones::new(initial, &[]) } else { None };
        match (model, zones) {
            (ModelName::Set, _) => Object::Elements(Elements::default()),
            (_, Some(zones)) => Object::Zones(zones),
            (_, None) => Object::Window(Window::new(key, initial, Vec::new(), BTreeSet::new())),
        }
    }

    fn held(&self) -> usize {
        match self {
            Object::Zones(zones) => zones.held(),
            Object::Window(window) => window.held(),
            Object::Elements(elements) => elements.held(),
        }
    }

    fn invoke(&mut self, operation: Operation) {
        if let (Object::Zones(zones), Some(key)) = (&*self, operation.call.key())
            && !zones.takes(&operation.call)
        {
            *self = Object::Window(zones.to_window(key));
        }
        match self {
            Object::Zones(zones) => zones.invoke(operation),
            Object::Window(window) => window.invoke(operation),
            Object::Elements(elements) => elements.invoke(operation),
        }
    }

    fn complete(
        &mut self,
        call: Index,
        completion: (Index, u64, Outcome),
        options: &Options,
    ) -> Option<Proved> {
        let at = completion.0;
        let proved = |anomaly| Proved { at, anomaly };
        match self {
            Object::Zones(zones) => zones.complete(call, completion, options).map(proved),
            Object::Elements(elements) => elements.complete(call, completion).map(proved),
            Object::Window(window) => {
                let proved = window.complete(call, completion, options);
                if let Some(zones) = window.zones(options.model) {
                    *self = Object::Zones(zones);
                }
                proved
            }
        }
    }
}
