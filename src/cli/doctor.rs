//! `perjury doctor`: what this machine has, and how to mend what it lacks.

use super::Exit;
use crate::clusters::{Places, doctor};

pub(super) fn run() -> Exit {
    let mut lacking = 0;
    for check in doctor(&Places::from_env()) {
        match &check.found {
            Ok(found) => println!("ok       {}: {found}", check.what),
            Err(lack) => {
                lacking += 1;
                println!("MISSING  {}: {} (for {})", check.what, lack.why, check.needed_for);
                println!("         mend it with: {}", lack.mend);
            }
        }
    }
    match lacking {
        0 => println!("nothing is missing"),
        _ => println!("{lacking} missing; everything that does not need them works all the same"),
    }
    if lacking == 0 { Exit::Valid } else { Exit::Infrastructure }
}
