//! The memory of a process: which stretches are its own data (`/proc/PID/maps`, proc(5)).

/// A stretch of private, writable memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) start: u64,
    pub(super) end: u64,
    /// What the kernel calls it: `[heap]`, a file, or nothing.
    pub(super) name: String,
}

/// The stretches that hold data which only this process writes. Left out: what is read-only or
/// shared (a write to a shared file mapping would damage the file, which is not what was asked),
/// and the kernel's own pages (`[vvar]`, `[vdso]`, `[vsyscall]`).
pub(super) fn private(text: &str) -> Vec<Mapping> {
    text.lines().filter_map(mapping).collect()
}

fn mapping(line: &str) -> Option<Mapping> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let permissions = fields.next()?;
    let name = fields.skip(3).collect::<Vec<_>>().join(" ");
    let kernel = ["[vvar", "[vdso", "[vsyscall"].iter().any(|prefix| name.starts_with(prefix));
    if !permissions.starts_with("rw") || !permissions.ends_with('p') || kernel {
        return None;
    }
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    Some(Mapping { start: number(start)?, end: number(end)?, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_private_writable_memory_counts() {
        let text = "\
55d0c0a00000-55d0c0a21000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000001000 r--p 00000000 08:01 12                         /lib/a b.so
7f0000001000-7f0000002000 rw-s 00000000 08:01 13                         /data/db
7f0000002000-7f0000003000 rw-p 00001000 08:01 12                         /lib/a b.so
7ffd00000000-7ffd00001000 rw-p 00000000 00:00 0                          [vvar]
junk
";
        let names: Vec<_> = private(text).into_iter().map(|mapping| mapping.name).collect();
        assert_eq!(names, ["[heap]", "/lib/a b.so"]);
        assert_eq!(private(text)[0].end - private(text)[0].start, 0x21000);
    }
}
