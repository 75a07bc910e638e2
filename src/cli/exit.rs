//! Exit codes. Documented, stable, and different for an anomaly and for a failure of the harness:
//! a batch engine repeats the latter and never the former.

use std::process::{ExitCode, Termination};

use perjury_history::{Judgement, Verdict};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: no anomaly (or what was asked for was done).
    Valid,
    /// 1: an anomaly was proved.
    Anomaly,
    /// 2: undecided: too little happened, or the search gave up.
    Unknown,
    /// 3: the run is compromised, or something outside the database failed. May be tried again.
    Infrastructure,
    /// 64: the command line or a declaration makes no sense (`EX_USAGE`).
    Usage,
    /// 128 and the number of the signal that interrupted the run, after healing.
    Interrupted(u8),
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Valid => 0,
            Exit::Anomaly => 1,
            Exit::Unknown => 2,
            Exit::Infrastructure => 3,
            Exit::Usage => 64,
            Exit::Interrupted(signal) => 128 + signal,
        }
    }

    /// The exit for a judgement. A proved anomaly stays proved whatever failed besides.
    pub fn of(judgement: &Judgement) -> Exit {
        match judgement.verdict {
            Verdict::Invalid => Exit::Anomaly,
            _ if judgement.compromised.is_some() => Exit::Infrastructure,
            Verdict::Unknown => Exit::Unknown,
            Verdict::Valid => Exit::Valid,
        }
    }

    /// The worse of two: an anomaly is never masked by anything.
    #[must_use]
    pub fn worst(self, other: Exit) -> Exit {
        let rank = |exit: Exit| match exit {
            Exit::Valid => 0,
            Exit::Infrastructure => 1,
            Exit::Unknown => 2,
            Exit::Usage => 3,
            Exit::Interrupted(_) => 4,
            Exit::Anomaly => 5,
        };
        if rank(other) > rank(self) { other } else { self }
    }

    /// The same exit, after its reason was printed.
    #[must_use]
    pub(super) fn because(self, error: &dyn std::error::Error) -> Exit {
        super::complain(error);
        self
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}
