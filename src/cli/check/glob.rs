//! Patterns of paths, for shells that leave them to the program: `*` and `?` inside a name, `[ab]`
//! and `[a-z]` for one letter, `**` for folders at any depth.
//!
//! Names that begin with a dot are matched only by patterns that do. Links to folders are not
//! followed by `**`, so that no loop is walked.

use std::path::{Path, PathBuf};

/// Is it a pattern at all?
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Every path that matches, sorted.
pub(super) fn expand(pattern: &str) -> Vec<PathBuf> {
    let (root, rest) = match pattern.strip_prefix('/') {
        Some(rest) => (PathBuf::from("/"), rest),
        None => (PathBuf::new(), pattern),
    };
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let mut found = Vec::new();
    walk(&root, &parts, &mut found);
    found.sort();
    found.dedup();
    found
}

fn walk(folder: &Path, parts: &[&str], found: &mut Vec<PathBuf>) {
    let Some((part, rest)) = parts.split_first() else {
        found.push(folder.to_owned());
        return;
    };
    if *part == "**" {
        walk(folder, rest, found);
        for name in names(folder) {
            let path = folder.join(&name);
            if !name.starts_with('.') && path.is_dir() && !path.is_symlink() {
                walk(&path, parts, found);
            }
        }
    } else if is_pattern(part) {
        for name in names(folder) {
            let hidden = name.starts_with('.') && !part.starts_with('.');
            if !hidden && matches(part, &name) {
                walk(&folder.join(&name), rest, found);
            }
        }
    } else {
        let path = folder.join(part);
        if path.exists() {
            walk(&path, rest, found);
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Does the name match the pattern? Backtracks to the last star only, which is enough: an earlier
/// star cannot do better than the shortest text that it can take.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < name.len() {
        if pattern.get(at) == Some(&'*') {
            star = Some((at, read));
            at += 1;
        } else if let Some(length) = one(&pattern[at..], name[read]) {
            at += length;
            read += 1;
        } else if let Some((stood, took)) = star {
            star = Some((stood, took + 1));
            (at, read) = (stood + 1, took + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|symbol| *symbol == '*')
}

/// How much of the pattern matches this letter; `None` if it does not.
fn one(pattern: &[char], letter: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => match pattern.iter().skip(2).position(|symbol| *symbol == ']') {
            Some(close) => {
                let inside = &pattern[1..close + 2];
                let (negated, inside) = match inside {
                    ['!' | '^', rest @ ..] if !rest.is_empty() => (true, rest),
                    all => (false, all),
                };
                (class(inside, letter) != negated).then_some(close + 3)
            }
            // Not closed: the bracket itself.
            None => (letter == '[').then_some(1),
        },
        plain => (*plain == letter).then_some(1),
    }
}

fn class(inside: &[char], letter: char) -> bool {
    let mut at = 0;
    while at < inside.len() {
        if let [low, '-', high, ..] = inside[at..] {
            if (low..=high).contains(&letter) {
                return true;
            }
            at += 3;
        } else {
            if inside[at] == letter {
                return true;
            }
            at += 1;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn names_match_as_in_a_shell() {
        for (pattern, name, wanted) in [
            ("*", "", true),
            ("*.edn", "a.edn", true),
            ("*.edn", "a.edn.gz", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("?", "ä", true),
            ("?", "", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]x", "]x", true),
            ("[x", "[x", true),
            ("etcd_0[0-1]?.log", "etcd_017.log", true),
        ] {
            assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
        }
    }

    /// By the definition: every way to share out the name.
    fn defined(pattern: &[char], name: &[char]) -> bool {
        let Some((first, rest)) = pattern.split_first() else { return name.is_empty() };
        if *first == '*' {
            return (0..=name.len()).any(|taken| defined(rest, &name[taken..]));
        }
        let Some((letter, others)) = name.split_first() else { return false };
        let close = (*first == '[').then(|| {
            // A bracket that comes first stands for itself.
            rest.iter().skip(1).position(|one| *one == ']').map(|at| at + 1)
        });
        match close.flatten() {
            Some(close) => {
                let (inside, after) = (&rest[..close], &rest[close + 1..]);
                let negated = inside.len() > 1 && matches!(inside[0], '!' | '^');
                let inside = &inside[usize::from(negated)..];
                let mut at = 0;
                let mut is_in = false;
                while at < inside.len() {
                    if at + 2 < inside.len() && inside[at + 1] == '-' {
                        is_in |= (inside[at]..=inside[at + 2]).contains(letter);
                        at += 3;
                    } else {
                        is_in |= inside[at] == *letter;
                        at += 1;
                    }
                }
                is_in != negated && defined(after, others)
            }
            None => (*first == '?' || first == letter) && defined(rest, others),
        }
    }

    #[test]
    fn any_text_is_a_pattern_and_means_what_the_definition_says() {
        let mut random = 1_u64;
        let mut draw = |end: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % end
        };
        let mut text = |letters: &[char], most: u64| -> String {
            (0..draw(most)).map(|_| letters[draw(letters.len() as u64) as usize]).collect()
        };
        let mut matched = 0;
        for _ in 0..50_000 {
            let pattern = text(&['a', 'b', '*', '?', '[', ']', '-', '!', 'ä'], 9);
            let name = text(&['a', 'b', '-', ']', '[', 'ä'], 6);
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            let wanted = defined(&letters(&pattern), &letters(&name));
            assert_eq!(matches(&pattern, &name), wanted, "{pattern:?} {name:?}");
            matched += u32::from(wanted);
        }
        assert!(matched > 500, "{matched}");
        assert!(!matches(&"*a".repeat(5_000), &"a".repeat(4_999)));
    }
}
