//! The lies in words: what each kind of lie is, and what a node did with it.

use super::format;
use super::truth::ROT;

/// A lie of that word in a few words.
pub fn meaning(word: &str) -> &'static str {
    match word {
        "forge" => "a value that nobody wrote",
        "forge-insider" => "a value that nobody wrote, with a true code",
        "misdirect" => "another key's value",
        "replay" => "an old value",
        "equivocate" => "another value to each listener",
        "corrupt" => "a flipped bit",
        "acknowledge" => "“done” for what was never done",
        "default" => "a value for a key that is not there",
        "duplicate" => "a request that is done twice",
        "reorder" => "requests in another order",
        "omit-request" => "a request that is lost",
        "omit-reply" => "a reply that is lost",
        "omit-acknowledgement" => "a write that is done and not answered",
        "truncate" => "an end within a message",
        "black-hole" => "silence",
        "delay" => "lateness",
        "drip" => "slowness",
        ROT => "bytes that are not what they were",
        "memory" => "damage in its memory",
        "files" => "damage in its files",
        "roll-back" => "files of an earlier time",
        _ => "a lie",
    }
}

/// What a node did so often, as the rest of a sentence that begins with its name. `other` is who
/// was told, or whose words were changed before the node heard them.
pub fn deed(word: &str, other: &str, says: bool, count: u64) -> String {
    let times = format::counted(count, "time", "times");
    let what = meaning(word);
    match word {
        ROT => {
            let places = format::counted(count, "place", "places");
            format!("was corrupted at {places}")
        }
        "acknowledge" => format!("told {other} {times} that a write was done, and dropped it"),
        "omit-request"
        | "omit-reply"
        | "omit-acknowledgement"
        | "truncate"
        | "duplicate"
        | "reorder"
        | "black-hole"
        | "delay"
        | "drip" => {
            format!("gave {other} {what} ({times})")
        }
        "equivocate" if says => {
            format!("told {other} {times} another value than it told the others")
        }
        _ if says => format!("told {other} {what} ({times})"),
        _ => format!("took what {other} said for {what} ({times})"),
    }
}

/// Names in a sentence: `n1, n2 and n3`.
pub fn names<T: AsRef<str>>(names: &[T]) -> String {
    match names {
        [] => "nobody".into(),
        [one] => one.as_ref().into(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", most.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_a_sentence() {
        assert_eq!(names(&["n1"]), "n1");
        assert_eq!(names(&["n1", "n2", "n3"]), "n1, n2 and n3");
        assert_eq!(names::<&str>(&[]), "nobody");
    }
}
