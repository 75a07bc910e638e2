//! Numbers for people.

use perjury_history::Nanos;

/// A moment of the run, in seconds with three digits, as in the sentences of the checkers.
pub fn moment(nanos: Nanos) -> String {
    format!("{:.3} s", nanos as f64 / 1e9)
}

/// A moment with that many digits.
pub fn precise(nanos: Nanos, digits: usize) -> String {
    format!("{:.digits$} s", nanos as f64 / 1e9)
}

/// How many digits tell these moments apart: three where that is enough, else six.
pub fn digits(moments: impl IntoIterator<Item = Nanos>) -> usize {
    let mut moments: Vec<Nanos> = moments.into_iter().collect();
    moments.sort_unstable();
    moments.dedup();
    if moments.windows(2).all(|pair| pair[1] - pair[0] >= 1_000_000) { 3 } else { 6 }
}

/// A length of time with its fitting unit and three significant digits.
pub fn length(nanos: Nanos) -> String {
    let seconds = nanos as f64 / 1e9;
    let (number, unit) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (seconds * 1e6, "µs"),
        1_000_000..1_000_000_000 => (seconds * 1e3, "ms"),
        1_000_000_000..120_000_000_000 => (seconds, "s"),
        _ => {
            let whole = nanos / 1_000_000_000;
            let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
            return match hours {
                0 => format!("{minutes} min {rest:02} s"),
                _ => format!("{hours} h {minutes:02} min"),
            };
        }
    };
    let digits = usize::from(number < 100.0) + usize::from(number < 10.0);
    format!("{number:.digits$} {unit}")
}

/// A count with thin spaces between its thousands.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{2009}');
        }
        out.push(digit);
    }
    out
}

/// A count and its noun.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A number of bytes.
pub fn bytes(number: u64) -> String {
    match number {
        0..1024 => format!("{number} B"),
        1024..1_048_576 => format!("{:.1} kB", number as f64 / 1024.0),
        _ => format!("{:.1} MB", number as f64 / 1_048_576.0),
    }
}

/// A share in percent.
pub fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => "–".into(),
        _ => format!("{:.1} %", part as f64 * 100.0 / whole as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(count(1_234_567), "1\u{2009}234\u{2009}567");
        assert_eq!(count(12), "12");
        assert_eq!(length(1_234_567), "1.23 ms");
        assert_eq!(length(123_456_789), "123 ms");
        assert_eq!(length(30_000_000_000), "30.0 s");
        assert_eq!(length(3_720_000_000_000), "1 h 02 min");
        assert_eq!(moment(1_500_000_000), "1.500 s");
        assert_eq!(digits([5_000_000, 1_000_000, 5_000_000]), 3);
        assert_eq!(precise(1_500_000, digits([1_500_000, 1_600_000])), "0.001500 s");
        assert_eq!(percent(1, 8), "12.5 %");
        assert_eq!(bytes(2048), "2.0 kB");
    }
}
