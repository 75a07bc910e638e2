//! Reads EDN, as far as histories need it: <https://github.com/edn-format/edn>.
//!
//! Not a general EDN library: unknown tags are dropped and their element is kept, which is what
//! Clojure's records (`#jepsen.history.Op{...}`) and printed objects need. The invariant: any bytes
//! give an answer or an error with a line; nesting is bounded, so no text overflows the stack.

use super::datum::{Datum, Flaw, Form};
use crate::hex::unhex;

/// How deep collections may be nested. Histories need six.
const DEEPEST: usize = 100;

/// The tag under which [`export`](crate::export) writes bytes that are no text.
pub(crate) const RAW: &str = "perjury/raw";

/// The entries of a history: the elements of the one outermost vector or list, or, where there is
/// none, the elements of the outermost level.
pub(super) fn forms(text: &str) -> Result<Vec<Form>, Flaw> {
    let mut reader = Reader { text, at: 0, line: 1 };
    reader.skip(0)?;
    let close = match reader.peek() {
        Some('[') => Some(']'),
        Some('(') => Some(')'),
        _ => None,
    };
    let opened = reader.line;
    if close.is_some() {
        reader.next();
    }
    let mut forms = Vec::new();
    loop {
        reader.skip(0)?;
        let line = reader.line;
        match (reader.peek(), close) {
            (None, None) => return Ok(forms),
            (None, Some(close)) => {
                let what = format!(
                    "the file ends before the {close:?} that closes what line {opened} opens: it \
                     is cut off"
                );
                return Err(Flaw { line, what });
            }
            (Some(next), Some(close)) if next == close => {
                reader.next();
                reader.skip(0)?;
                return match reader.peek() {
                    None => Ok(forms),
                    Some(more) => Err(reader.flaw(format!(
                        "{more:?} follows the end of the history; a file holds one history"
                    ))),
                };
            }
            _ => forms.push(Form { line, datum: reader.datum(0)? }),
        }
    }
}

/// All data of a text one after another, brackets or not.
pub(super) fn sequence(text: &str) -> Result<Vec<Datum>, Flaw> {
    let mut reader = Reader { text, at: 0, line: 1 };
    let mut data = Vec::new();
    loop {
        reader.skip(0)?;
        if reader.peek().is_none() {
            return Ok(data);
        }
        data.push(reader.datum(0)?);
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: u64,
}

impl<'a> Reader<'a> {
    fn flaw(&self, what: impl Into<String>) -> Flaw {
        Flaw { line: self.line, what: what.into() }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        self.line += u64::from(next == '\n');
        Some(next)
    }

    /// Passes over white space, commas, comments and discarded elements.
    fn skip(&mut self, depth: usize) -> Result<(), Flaw> {
        if depth > DEEPEST {
            return Err(self.flaw(format!("nested more than {DEEPEST} deep")));
        }
        loop {
            match self.peek() {
                Some(blank) if blank.is_whitespace() || blank == ',' => {
                    self.next();
                }
                Some(';') => while self.next().is_some_and(|passed| passed != '\n') {},
                Some('#') if self.rest().starts_with("#_") => {
                    self.next();
                    self.next();
                    self.skip(depth + 1)?;
                    self.datum(depth + 1)?;
                }
                _ => return Ok(()),
            }
        }
    }

    /// One datum, which begins right here.
    fn datum(&mut self, depth: usize) -> Result<Datum, Flaw> {
        if depth > DEEPEST {
            return Err(self.flaw(format!("nested more than {DEEPEST} deep")));
        }
        match self.peek() {
            None => Err(self.flaw("the file ends in the middle of an element: it is cut off")),
            Some('[') => self.list(']', depth).map(Datum::List),
            Some('(') => self.list(')', depth).map(Datum::List),
            Some('{') => self.map(depth),
            Some('"') => self.string().map(Datum::Text),
            Some('\\') => Ok(self.character()),
            Some('#') => self.dispatch(depth),
            Some(stray @ (']' | ')' | '}')) => {
                Err(self.flaw(format!("{stray:?} closes nothing that is open")))
            }
            Some(_) => self.atom(),
        }
    }

    fn list(&mut self, close: char, depth: usize) -> Result<Vec<Datum>, Flaw> {
        self.next();
        let mut list = Vec::new();
        loop {
            self.skip(depth + 1)?;
            if self.peek() == Some(close) {
                self.next();
                return Ok(list);
            }
            list.push(self.datum(depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Datum, Flaw> {
        let opened = self.line;
        let list = self.list('}', depth)?;
        if list.len() % 2 == 1 {
            let what = format!("the map that line {opened} opens has a key without a value");
            return Err(self.flaw(what));
        }
        let mut pairs = Vec::with_capacity(list.len() / 2);
        let mut list = list.into_iter();
        while let (Some(key), Some(value)) = (list.next(), list.next()) {
            pairs.push((key, value));
        }
        Ok(Datum::Map(pairs))
    }

    fn string(&mut self) -> Result<String, Flaw> {
        let opened = self.line;
        self.next();
        let mut text = String::new();
        loop {
            let cut = || Flaw { line: opened, what: "this string is not closed".into() };
            match self.next().ok_or_else(cut)? {
                '"' => return Ok(text),
                '\\' => match self.next().ok_or_else(cut)? {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    'b' => text.push('\u{8}'),
                    'f' => text.push('\u{c}'),
                    'u' => text.push(self.unicode()?),
                    same @ ('"' | '\\' | '/' | '\'') => text.push(same),
                    other => return Err(self.flaw(format!("\\{other} is no escape in a string"))),
                },
                plain => text.push(plain),
            }
        }
    }

    /// The four digits after `\u`. Half of a surrogate pair becomes the replacement character.
    fn unicode(&mut self) -> Result<char, Flaw> {
        let digits = self.rest().get(..4).filter(|digits| digits.is_ascii());
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let Some(code) = code else {
            return Err(self.flaw("\\u in a string needs four hex digits"));
        };
        self.at += 4;
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn character(&mut self) -> Datum {
        self.next();
        let mut text = String::from("\\");
        text.extend(self.next());
        text.push_str(self.token());
        Datum::Other(text)
    }

    /// `#{set}`, `##NaN`, `#"regex"` or `#tag element`.
    fn dispatch(&mut self, depth: usize) -> Result<Datum, Flaw> {
        self.next();
        match self.peek() {
            Some('{') => self.list('}', depth).map(Datum::List),
            Some('"') => self.string().map(Datum::Text),
            Some('#') => {
                self.next();
                Ok(Datum::Other(format!("##{}", self.token())))
            }
            Some(letter) if letter.is_alphabetic() => {
                let raw = self.token() == RAW;
                self.skip(depth + 1)?;
                let element = self.datum(depth + 1)?;
                match &element {
                    Datum::Text(hex) if raw => unhex(hex).map(Datum::Raw).ok_or_else(|| {
                        self.flaw(format!("#{RAW} needs a string of pairs of hex digits"))
                    }),
                    _ => Ok(element),
                }
            }
            _ => Err(self.flaw("# is followed by neither a set nor a tag")),
        }
    }

    /// Everything up to the next delimiter.
    fn token(&mut self) -> &'a str {
        let ends = |symbol: char| symbol.is_whitespace() || ",;\"[](){}".contains(symbol);
        let start = self.at;
        self.at += self.rest().find(ends).unwrap_or(self.rest().len());
        &self.text[start..self.at]
    }

    fn atom(&mut self) -> Result<Datum, Flaw> {
        let token = self.token();
        let numeric =
            token.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit());
        Ok(match token {
            "nil" => Datum::Nil,
            "true" => Datum::Bool(true),
            "false" => Datum::Bool(false),
            _ if numeric => match token.strip_suffix('N').unwrap_or(token).parse() {
                Ok(number) => Datum::Int(number),
                Err(_) => Datum::Other(token.to_owned()),
            },
            _ => match token.strip_prefix(':') {
                Some("") => return Err(self.flaw("a colon without a keyword")),
                Some(word) => Datum::Word(word.to_owned()),
                None if token.starts_with(|c: char| c.is_control() || "'`~@^".contains(c)) => {
                    let what = format!("{:?} is no EDN", token.chars().next().unwrap_or(' '));
                    return Err(self.flaw(what));
                }
                None => Datum::Word(token.to_owned()),
            },
        })
    }
}
