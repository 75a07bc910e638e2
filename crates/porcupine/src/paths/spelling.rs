//! Strings that are replaced, added to, and read as a whole. O(n log n) in the size of the answers.
//!
//! Not where one written string begins another, or is empty: then a string could have been made in
//! several ways, and goes to the search; so does what was written twice, where time does not tell
//! which of the two was seen. The steps: how each string that was read is spelled; what that says
//! of each append; and the rest is a register.
//!
//! *Why this decides.* No written string begins another, so a string is put together from them in
//! one way at most, and what it begins with is the last of them, in the order of the alphabet, that
//! does not come after it: all that lies between a string and its continuation begins with that
//! string. Where each was written once, a string that was read says of each append in it what was
//! there before: that append is a compare-and-set which succeeded, from what stands before it to
//! what stands with it. Where one was written several times, it is the only one of them that had
//! not ended before what must come first began, and had begun before a read that shows it ended.
//!
//! What a string begins with says where it was built: all that was read and begins with one put, or
//! with none, was there between that put and the next. There strings only grow, so each begins with
//! all shorter ones. An append that no string has was never followed by a read before the next put:
//! wherever it takes effect, it leaves a string that nobody saw, as does a write of a value of its
//! own. The same holds for puts that were not seen. The register that results has exactly the
//! linearizations that the string has.
//!
//! Source: the argument above; for the register, [`register`](super::register).

use super::{Act, Halt, Judged, Span, Watch, concluded, decide_register, illegal};
use crate::{Kind, Meter, Operation, Shortcut, Witness};

/// What an operation does to a string.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Text<'a> {
    /// Makes it this.
    Put(&'a str),
    /// Adds this at its end.
    Append(&'a str),
    /// Finds this.
    Read(&'a str),
    /// Finds anything.
    Glance,
    /// Fits nowhere.
    Never,
}

const NAME: &str = "spelling";

/// In place of a position in the part: none.
const NONE: u32 = u32::MAX;

/// How often a string may be written: each reader looks at all of its writes.
const MANY: usize = 16;

/// Judges a string that is empty at first.
pub(crate) fn decide_string<'a, I, O>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    classify: impl Fn(&'a I, Option<&'a O>) -> Text<'a>,
    meter: &Meter,
) -> Option<Shortcut> {
    let text = |&index: &usize| classify(&history[index].input, history[index].output.as_ref());
    let texts: Vec<Text<'a>> = part.iter().map(text).collect();
    let operations: Vec<&Operation<I, O>> = part.iter().map(|&index| &history[index]).collect();
    let spelled = match spell(&texts, &operations, meter) {
        Ok(spelled) => spelled,
        Err(Halt::Illegal(mut witness)) => {
            witness.operations.iter_mut().for_each(|at| *at = part[*at]);
            return concluded(NAME, Err(Halt::Illegal(witness)));
        }
        Err(Halt::Unfit) => return None,
    };
    let act = |(operation, &input): (&&Operation<I, O>, &Act<u32>)| {
        let Operation { client, ref output, call, ret, .. } = **operation;
        Operation { client, input, output: output.as_ref().map(|_| ()), call, ret }
    };
    let register: Vec<_> = operations.iter().zip(&spelled.acts).map(act).collect();
    let all: Vec<usize> = (0..part.len()).collect();
    let order = match decide_register(&register, &all, 0, |act, _| *act, meter)?.order {
        Ok(order) => Ok(order.into_iter().map(|at| part[at]).collect()),
        Err(witness) => {
            let readers = witness.operations.iter().map(|&at| spelled.shown[at]);
            let readers = readers.filter(|at| *at != NONE).map(|at| at as usize);
            let operations = witness.operations.iter().copied().chain(readers);
            illegal(spelled.kind(witness.kind), operations.map(|at| part[at]))
        }
    };
    concluded(NAME, order)
}

/// The string as a register.
struct Spelled {
    /// Of each operation, by its position in the part. 0 is the empty string.
    acts: Vec<Act<u32>>,
    /// For each append that was seen, a read that saw it.
    shown: Vec<u32>,
    /// The number of the last state.
    states: u32,
    /// Whether it took the times to know which of several appends was seen.
    told_by_time: bool,
}

fn spell<I, O>(
    texts: &[Text<'_>],
    operations: &[&Operation<I, O>],
    meter: &Meter,
) -> Judged<Spelled> {
    let watch = Watch::new(meter, texts.len())?;
    let words = Words::new(texts)?;
    let (reads, told_by_time) = by_base(texts, operations, &words)?;
    let count = texts.len();
    let (acts, shown) = (vec![Act::Glance; count], vec![NONE; count]);
    let mut spelled = Spelled { acts, shown, states: 0, told_by_time };
    for together in reads.chunk_by(|one, other| one.0 == other.0) {
        let judged = spelled.spell_together(together, texts, operations, &words, &watch);
        judged.map_err(|halt| match halt {
            Halt::Illegal(Witness { kind, operations }) => {
                Halt::Illegal(Witness { kind: spelled.kind(kind), operations })
            }
            Halt::Unfit => Halt::Unfit,
        })?;
    }
    for (at, text) in texts.iter().enumerate() {
        match text {
            Text::Put(_) | Text::Append(_) if spelled.acts[at] == Act::Glance => {
                spelled.acts[at] = Act::Write(spelled.new_state());
            }
            Text::Never => spelled.acts[at] = Act::Never,
            _ => {}
        }
    }
    Ok(spelled)
}

impl Spelled {
    fn new_state(&mut self) -> u32 {
        self.states += 1;
        self.states
    }

    /// How operations contradict each other: all have a part in what times told.
    fn kind(&self, kind: Kind) -> Kind {
        if self.told_by_time { Kind::NoPlace } else { kind }
    }

    /// Takes in the reads that begin with the same put, or with none, the shorter first.
    fn spell_together<I, O>(
        &mut self,
        together: &[Found<'_>],
        texts: &[Text<'_>],
        operations: &[&Operation<I, O>],
        words: &Words<'_>,
        watch: &Watch<'_>,
    ) -> Judged<()> {
        let (mut known, mut state, mut reader) = (&[][..], 0, NONE);
        // All that is known so far began no later.
        let mut begun = 0;
        let base = together[0].0;
        if let Some(Text::Put(text)) = texts.get(base as usize) {
            (known, state) = (text.as_bytes(), self.new_state());
            self.acts[base as usize] = Act::Write(state);
            begun = Span::of(operations[base as usize])?.start;
        }
        // From each read on, the first that ended.
        let mut ended = vec![u64::MAX; together.len() + 1];
        for (number, &(.., at)) in together.iter().enumerate().rev() {
            ended[number] = ended[number + 1].min(Span::of(operations[at as usize])?.end);
        }
        for (&(_, found, at), &ended) in together.iter().zip(&ended) {
            if !found.starts_with(known) {
                return illegal(Kind::Mismatch, [reader as usize, at as usize]);
            }
            while known.len() < found.len() {
                watch.step(self.states as usize)?;
                let (word, writes) = words.first(&found[known.len()..]);
                let is_append = |write: &u32| is_append(texts, *write);
                let mut appends = writes.iter().map(|word| word.write).filter(is_append);
                let append = match (appends.next(), appends.next()) {
                    (None, _) => return illegal(Kind::NobodyWrote, [at as usize]),
                    (Some(append), None) => append,
                    _ => {
                        self.told_by_time = true;
                        let span = Span { start: begun, end: ended };
                        append_by_time(texts, operations, writes, span, at)?
                    }
                };
                let before = std::mem::replace(&mut self.shown[append as usize], at);
                if before != NONE {
                    return illegal(Kind::Mismatch, [before as usize, at as usize]);
                }
                let next = self.new_state();
                self.acts[append as usize] = Act::Swap(state, next);
                begun = begun.max(Span::of(operations[append as usize])?.start);
                (known, state) = (&found[..known.len() + word.len()], next);
            }
            self.acts[at as usize] = Act::Read(state);
            begun = begun.max(Span::of(operations[at as usize])?.start);
            reader = at;
        }
        Ok(())
    }
}

/// The only one of these appends that can have taken effect within the span, as was read.
fn append_by_time<I, O>(
    texts: &[Text<'_>],
    operations: &[&Operation<I, O>],
    writes: &[Word<'_>],
    span: Span,
    reader: u32,
) -> Judged<u32> {
    let mut fit = Vec::new();
    for &Word { write, .. } in writes.iter().filter(|word| is_append(texts, word.write)) {
        let its = Span::of(operations[write as usize])?;
        if its.end > span.start && its.start < span.end {
            fit.push(write);
        }
    }
    only(&fit, reader as usize)
}

/// What a read must have found, if no more than one thing fits: there are several only where time
/// does not tell.
fn only(fit: &[u32], reader: usize) -> Judged<u32> {
    match fit {
        [] => illegal(Kind::NoPlace, [reader]),
        [first, others @ ..] if others.iter().all(|other| other == first) => Ok(*first),
        _ => Err(Halt::Unfit),
    }
}

/// A read: the put that its string begins with, if any; the string; its position.
type Found<'a> = (u32, &'a [u8], u32);

/// Reads by what their strings begin with, the shorter first; and whether times told it.
fn by_base<'a, I, O>(
    texts: &[Text<'a>],
    operations: &[&Operation<I, O>],
    words: &Words<'_>,
) -> Judged<(Vec<Found<'a>>, bool)> {
    let mut first_put = u64::MAX;
    for (text, operation) in texts.iter().zip(operations) {
        if let Text::Put(_) = text {
            first_put = first_put.min(Span::of(operation)?.end);
        }
    }
    let (mut reads, mut told_by_time) = (Vec::new(), false);
    for (at, (text, operation)) in texts.iter().zip(operations).enumerate() {
        let Text::Read(found) = text else { continue };
        if operation.is_indeterminate() {
            continue;
        }
        let base = match words.first(found.as_bytes()).1 {
            [] if found.is_empty() => NONE,
            [] => return illegal(Kind::NobodyWrote, [at]),
            [word] if is_append(texts, word.write) => NONE,
            [word] => word.write,
            writes => {
                told_by_time = true;
                base_by_time(texts, operations, writes, first_put, at)?
            }
        };
        reads.push((base, found.as_bytes(), at as u32));
    }
    reads.sort_unstable_by_key(|&(base, found, at)| (base, found.len(), at));
    Ok((reads, told_by_time))
}

/// What a read began with that found one of several writes there: the only put that had begun
/// before the read ended; or none, if an append was among them and no put had ended before it.
fn base_by_time<I, O>(
    texts: &[Text<'_>],
    operations: &[&Operation<I, O>],
    writes: &[Word<'_>],
    first_put: u64,
    reader: usize,
) -> Judged<u32> {
    let span = Span::of(operations[reader])?;
    let mut fit = Vec::new();
    for &Word { write, .. } in writes {
        match is_append(texts, write) {
            true if span.start < first_put => fit.push(NONE),
            false if Span::of(operations[write as usize])?.start < span.end => fit.push(write),
            _ => {}
        }
    }
    only(&fit, reader)
}

fn is_append(texts: &[Text<'_>], write: u32) -> bool {
    matches!(texts[write as usize], Text::Append(_))
}

/// A string that was written, and the position of its write. In the order of the alphabet, which
/// the first bytes mostly tell without a look at the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Word<'a> {
    first_bytes: u64,
    text: &'a [u8],
    write: u32,
}

/// The first eight, the most significant first, and zeros behind a shorter string. Where they
/// differ, they are in the order of the strings.
fn first_bytes(text: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let count = text.len().min(8);
    bytes[..count].copy_from_slice(&text[..count]);
    u64::from_be_bytes(bytes)
}

/// What was written, in the order of the alphabet.
struct Words<'a>(Vec<Word<'a>>);

impl<'a> Words<'a> {
    fn new(texts: &[Text<'a>]) -> Judged<Self> {
        let word = |(at, text): (usize, &Text<'a>)| match text {
            Text::Put(word) | Text::Append(word) => {
                let text = word.as_bytes();
                Some(Word { first_bytes: first_bytes(text), text, write: at as u32 })
            }
            _ => None,
        };
        let mut words: Vec<Word<'a>> = texts.iter().enumerate().filter_map(word).collect();
        words.sort_unstable();
        // What begins any other begins the next one that is not the same; the empty one begins all.
        let begins = |pair: &[Word<'_>]| {
            pair[0].text != pair[1].text && pair[1].text.starts_with(pair[0].text)
        };
        let is_again = |run: &[Word<'_>]| run[0].text == run[MANY].text;
        let begins_all = words.first().is_some_and(|word| word.text.is_empty());
        if begins_all || words.windows(2).any(begins) || words.windows(MANY + 1).any(is_again) {
            return Err(Halt::Unfit);
        }
        Ok(Self(words))
    }

    /// The only one that `text` can begin with, and its writes.
    fn first(&self, text: &[u8]) -> (&'a [u8], &[Word<'a>]) {
        let bytes = first_bytes(text);
        let after = self.0.partition_point(|word| (word.first_bytes, word.text) <= (bytes, text));
        match self.0[..after].last() {
            Some(&Word { text: word, .. }) if text.starts_with(word) => {
                let from = self.0[..after].iter().rposition(|other| other.text != word);
                (word, &self.0[from.map_or(0, |from| from + 1)..after])
            }
            _ => (&[], &[]),
        }
    }
}
