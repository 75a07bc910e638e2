//! Requests and their replies on one connection, and the lies about whole messages.
//!
//! Pure: bytes go in, [`Out`] comes out, to be sent in that order. The client gets its replies in
//! the order of its requests, whatever was done to these; a reply is never given to another
//! request's asker, because that would be a lie that nobody asked for.
//!
//! Source: the request and response orders of RESP, HTTP/1.1 (RFC 9112, 9.3.2) and PostgreSQL
//! (chapter 55.2).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::framing::{Cut, Framing, MOST_MESSAGE, Request};
use super::running::{Place, Running};
use super::spec::{Omit, Tell};
use super::told::{Link, Telling, Way};

/// How long an unfinished message that may be an endless stream is waited for.
const STREAM: Duration = Duration::from_millis(250);

/// Something to send.
#[derive(Debug, PartialEq, Eq)]
pub struct Out {
    /// In which direction.
    pub way: Way,
    /// What.
    pub bytes: Vec<u8>,
    /// The word of its message; none for what is no message.
    pub word: Option<String>,
}

#[derive(Debug)]
enum Answer {
    Awaited,
    Ready(Vec<u8>),
    /// By that lie.
    Lost(usize),
}

/// A request whose reply the client has not got yet.
#[derive(Debug)]
struct Slot {
    id: u64,
    request: Request,
    answer: Answer,
}

/// Reply of the server to come: to whom it goes. The copy of a request has nobody.
#[derive(Debug)]
struct Due {
    slot: Option<u64>,
    request: Request,
}

#[derive(Debug)]
struct Held {
    lie: usize,
    slot: u64,
    request: Request,
    until: Duration,
}

/// The exchange on one connection.
#[derive(Debug)]
pub struct Exchange {
    liar: Arc<Running>,
    link: Link,
    framing: Box<dyn Framing>,
    lies: [Vec<usize>; 2],
    buffers: [Vec<u8>; 2],
    /// Since when the reply that may be endless is unfinished.
    streaming: Option<Duration>,
    opaque: [bool; 2],
    asked: VecDeque<Slot>,
    answering: VecDeque<Due>,
    held: Option<Held>,
    /// The lie by which the client waits for a reply that never comes.
    silent: Option<usize>,
    next: u64,
}

impl Exchange {
    /// A connection on which nothing was said yet. `lies` are those of either way.
    pub fn new(
        liar: Arc<Running>,
        link: Link,
        framing: Box<dyn Framing>,
        lies: [Vec<usize>; 2],
    ) -> Exchange {
        Exchange {
            liar,
            link,
            framing,
            lies,
            buffers: Default::default(),
            streaming: None,
            opaque: [false; 2],
            asked: VecDeque::new(),
            answering: VecDeque::new(),
            held: None,
            silent: None,
            next: 0,
        }
    }

    /// Is that way passed on as it is from now on? Then what is left is in [`Exchange::take`]'s
    /// last answer.
    pub fn is_opaque(&self, way: Way) -> bool {
        self.opaque[way as usize]
    }

    /// Bytes came in.
    pub fn take(&mut self, way: Way, bytes: &[u8], now: Duration) -> Vec<Out> {
        let mut out = Vec::new();
        let mut buffer = std::mem::take(&mut self.buffers[way as usize]);
        buffer.extend_from_slice(bytes);
        let mut from = 0;
        while from < buffer.len() {
            let rest = &buffer[from..];
            let cut = match way {
                Way::Requests => self.framing.request(rest),
                Way::Replies => {
                    self.framing.reply(rest, self.answering.front().map(|due| &due.request))
                }
            };
            match cut {
                Cut::Message(length) => {
                    let message = rest[..length].to_vec();
                    from += length;
                    match way {
                        Way::Requests => self.asked(message, now, &mut out),
                        Way::Replies => self.answered(message, now, &mut out),
                    }
                }
                Cut::Aside(length) => {
                    out.push(Out { way, bytes: rest[..length].to_vec(), word: None });
                    from += length;
                }
                Cut::Wait | Cut::Stream if rest.len() <= MOST_MESSAGE => {
                    let stream = cut == Cut::Stream && way == Way::Replies;
                    self.streaming = stream.then(|| self.streaming.unwrap_or(now));
                    break;
                }
                Cut::Wait | Cut::Stream | Cut::Opaque => {
                    out.push(Out { way, bytes: rest.to_vec(), word: None });
                    from = buffer.len();
                    self.give_up(way, now, &mut out);
                }
            }
            if way == Way::Replies {
                self.streaming = None;
            }
        }
        buffer.drain(..from);
        self.buffers[way as usize] = buffer;
        out
    }

    /// Messages cannot be told apart any more. A stream of replies takes the requests with it; a
    /// request without replies lets those before it be answered first.
    fn give_up(&mut self, way: Way, now: Duration, out: &mut Vec<Out>) {
        if self.opaque == [false; 2] {
            self.liar.opaque.fetch_add(1, Ordering::Relaxed);
        }
        self.release(out);
        self.opaque[Way::Requests as usize] = true;
        if way == Way::Replies || self.answering.is_empty() {
            self.opaque[Way::Replies as usize] = true;
            self.flush(now, out);
        }
    }

    /// What has to be done at the latest then.
    pub fn due(&self) -> Option<Duration> {
        let held = self.held.as_ref().map(|held| held.until);
        let stream = self.streaming.map(|since| since + STREAM);
        held.into_iter().chain(stream).min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) -> Vec<Out> {
        let mut out = Vec::new();
        if self.held.as_ref().is_some_and(|held| held.until <= now) {
            self.release(&mut out);
        }
        if self.streaming.is_some_and(|since| since + STREAM <= now) {
            self.streaming = None;
            self.give_up(Way::Replies, now, &mut out);
            let bytes = std::mem::take(&mut self.buffers[Way::Replies as usize]);
            out.push(Out { way: Way::Replies, bytes, word: None });
        }
        out
    }

    /// That way has ended: what is unfinished goes on as it is.
    pub fn end(&mut self, way: Way) -> Vec<Out> {
        let mut out = Vec::new();
        if way == Way::Requests {
            self.release(&mut out);
        }
        let bytes = std::mem::take(&mut self.buffers[way as usize]);
        if way == Way::Requests || self.silent.is_none() {
            out.push(Out { way, bytes, word: None });
        }
        out
    }

    /// The first lie of that kind that is told now about a message with this word.
    fn lie(&self, word: &str, now: Duration, kind: impl Fn(&Tell) -> bool) -> Option<usize> {
        let lies = &self.lies[Way::Requests as usize];
        lies.iter().copied().find(|at| {
            let tell = &self.liar.spec.lies[*at].tell;
            kind(tell) && self.liar.is_awake(*at, Some(word), now) && self.liar.strikes(*at)
        })
    }

    fn tell(&self, lie: usize, way: Way, now: Duration, before: &[u8], after: &[u8], word: &str) {
        let telling = Telling { before, after, seal: None, detail: word.to_owned() };
        self.liar.tell(lie, self.link, way, now, &telling);
    }

    /// A whole request came in.
    fn asked(&mut self, message: Vec<u8>, now: Duration, out: &mut Vec<Out>) {
        let mut request = self.framing.describe(&message);
        request.bytes = self.resealed(Way::Requests, &request.word, message, now);
        let id = self.next;
        self.next += 1;
        let slot = |answer| Slot { id, request: request.clone(), answer };
        let (word, bytes) = (request.word.as_str(), request.bytes.as_slice());
        let way = Way::Requests;
        if let Some(lie) = self.lie(word, now, |tell| *tell == Tell::Omit(Omit::Requests)) {
            self.tell(lie, way, now, bytes, b"", word);
            let lost = slot(Answer::Lost(lie));
            self.release(out);
            self.asked.push_back(lost);
            return self.flush(now, out);
        }
        let ready = self.framing.acknowledgement(&request).filter(|_| request.writes);
        if let Some(reply) = ready
            && let Some(lie) = self.lie(word, now, |tell| *tell == Tell::Acknowledge)
        {
            self.tell(lie, way, now, bytes, &reply, word);
            let ready = slot(Answer::Ready(reply));
            self.asked.push_back(ready);
            return self.flush(now, out);
        }
        if let Some((lie, reply)) = self.refused(&request, now, false) {
            self.tell(lie, way, now, bytes, &reply, word);
            let ready = slot(Answer::Ready(reply));
            self.asked.push_back(ready);
            return self.flush(now, out);
        }
        let awaited = slot(Answer::Awaited);
        self.asked.push_back(awaited);
        self.pass_on(id, request, now, out);
    }

    /// The error that this request is answered with, done or not, and by which lie.
    fn refused(&self, request: &Request, now: Duration, is_done: bool) -> Option<(usize, Vec<u8>)> {
        let lies = &self.lies[Way::Requests as usize];
        lies.iter().copied().find_map(|at| {
            let Tell::Refuse { text, done } = &self.liar.spec.lies[at].tell else { return None };
            let reply = self.framing.refusal(request, text).filter(|_| *done == is_done)?;
            let awake = self.liar.is_awake(at, Some(&request.word), now);
            (awake && self.liar.strikes(at)).then_some((at, reply))
        })
    }

    /// The request goes to the server: once, twice, or after the next one.
    fn pass_on(&mut self, id: u64, request: Request, now: Duration, out: &mut Vec<Out>) {
        let (word, bytes) = (request.word.as_str(), request.bytes.as_slice());
        let way = Way::Requests;
        if let Some(held) = self.held.take() {
            // This one overtakes the one that was held.
            let both = [held.request.bytes.as_slice(), bytes].concat();
            let swapped = [bytes, held.request.bytes.as_slice()].concat();
            let words = format!("{word} before {}", held.request.word);
            self.tell(held.lie, way, now, &both, &swapped, &words);
            self.forward(Some(id), request, out);
            return self.forward(Some(held.slot), held.request, out);
        }
        let twin = |tell: &Tell| *tell == Tell::Duplicate;
        if request.alone
            && let Some(lie) = self.lie(word, now, twin)
        {
            let copy = Request { bytes: self.framing.copy(&request), ..request.clone() };
            let both = [bytes, copy.bytes.as_slice()].concat();
            self.tell(lie, way, now, bytes, &both, word);
            self.forward(Some(id), request.clone(), out);
            return self.forward(None, copy, out);
        }
        let swap = |tell: &Tell| matches!(tell, Tell::Reorder { .. });
        if request.alone
            && let Some(lie) = self.lie(word, now, swap)
            && let Tell::Reorder { hold_ms } = self.liar.spec.lies[lie].tell
        {
            let until = now + Duration::from_millis(hold_ms);
            self.held = Some(Held { lie, slot: id, request, until });
            return;
        }
        self.forward(Some(id), request, out);
    }

    /// The request that waited for another one to overtake it goes on.
    fn release(&mut self, out: &mut Vec<Out>) {
        if let Some(held) = self.held.take() {
            self.forward(Some(held.slot), held.request, out);
        }
    }

    fn forward(&mut self, slot: Option<u64>, request: Request, out: &mut Vec<Out>) {
        let (bytes, word) = (request.bytes.clone(), Some(request.word.clone()));
        out.push(Out { way: Way::Requests, bytes, word });
        self.answering.push_back(Due { slot, request });
    }

    /// A whole reply came in.
    fn answered(&mut self, message: Vec<u8>, now: Duration, out: &mut Vec<Out>) {
        let Some(Due { slot, request }) = self.answering.pop_front() else {
            // Nobody asked: a server that closes says so.
            return out.push(Out { way: Way::Replies, bytes: message, word: None });
        };
        if let Some(id) = slot {
            let answer = self.reply(&request, message, now);
            if let Some(slot) = self.asked.iter_mut().find(|slot| slot.id == id) {
                slot.answer = answer;
            }
            self.flush(now, out);
        }
        if self.opaque[Way::Requests as usize] && self.answering.is_empty() {
            self.opaque[Way::Replies as usize] = true;
        }
    }

    /// What the client is told.
    fn reply(&mut self, request: &Request, message: Vec<u8>, now: Duration) -> Answer {
        let word = request.word.as_str();
        let way = Way::Replies;
        self.framing.learn(request, &message);
        let lost = |tell: &Tell| match tell {
            Tell::Omit(Omit::Replies) => true,
            Tell::Omit(Omit::Acknowledgements) => request.writes,
            _ => false,
        };
        if let Some(lie) = self.lie(word, now, lost) {
            self.tell(lie, way, now, &message, b"", word);
            return Answer::Lost(lie);
        }
        if self.silent.is_some() {
            // It will not be heard, so no other lie is told in it.
            return Answer::Ready(message);
        }
        if let Some((lie, other)) = self.refused(request, now, true) {
            self.tell(lie, way, now, &message, &other, word);
            return Answer::Ready(other);
        }
        let lies = self.lies[Way::Requests as usize].clone();
        for at in lies {
            let Tell::Default { value } = &self.liar.spec.lies[at].tell else { continue };
            if let Some(other) = self.framing.with_default(request, &message, value)
                && self.liar.is_awake(at, Some(word), now)
                && self.liar.strikes(at)
            {
                self.tell(at, way, now, &message, &other, word);
                return Answer::Ready(other);
            }
        }
        Answer::Ready(self.resealed(way, word, message, now))
    }

    /// Gives the client the replies that are complete, up to the first that is not. One lost reply
    /// has many victims; each is written down.
    fn flush(&mut self, now: Duration, out: &mut Vec<Out>) {
        while let Some(slot) = self.asked.front_mut() {
            let answer = std::mem::replace(&mut slot.answer, Answer::Awaited);
            if matches!(answer, Answer::Awaited) {
                return;
            }
            let Some(Slot { request, .. }) = self.asked.pop_front() else { return };
            match (answer, self.silent) {
                (Answer::Awaited, _) => {}
                (Answer::Lost(lie), _) => self.silent = self.silent.or(Some(lie)),
                (Answer::Ready(bytes), Some(lie)) => {
                    let detail = format!("{}: an earlier reply is missing", request.word);
                    self.tell(lie, Way::Replies, now, &bytes, b"", &detail);
                }
                (Answer::Ready(bytes), None) => {
                    out.push(Out { way: Way::Replies, bytes, word: Some(request.word) });
                }
            }
        }
    }

    /// The message with lies about its seals.
    fn resealed(&self, way: Way, word: &str, message: Vec<u8>, now: Duration) -> Vec<u8> {
        if !self.liar.watches_seals() {
            return message;
        }
        let lies = &self.lies[way as usize];
        let place = Place { link: self.link, way, word: Some(word), lies, now };
        let seamless = self.framing.seamless(&message);
        let is_seamless = seamless.is_none();
        let mut other = seamless.unwrap_or_else(|| message.clone());
        let before = other.clone();
        self.liar.reseal(&mut other, true, &place);
        if is_seamless || other != before { other } else { message }
    }
}
