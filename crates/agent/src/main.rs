//! The `perjury-agent` binary: it reads its arguments, the library does the rest.

use std::path::Path;
use std::process::exit;
use std::time::Duration;

use perjury_agent::{VERSION, guardian, init, launch, upload};

const USAGE: &str = "\
perjury-agent: the node side of Perjury. It is started by the controller, not by hand.

  perjury-agent serve --state DIR --lease SECONDS   speak with the controller on stdin and stdout
  perjury-agent heal --state DIR [--take-over]      undo everything that DIR's journal holds
  perjury-agent init -- PROGRAM [ARGUMENT...]       be the first process of a node
  perjury-agent version

With `--uploaded` as the last word of `serve` and `heal` it first removes its own file, which the
controller brought here.

exit codes: 0 done, 1 something could not be undone, 2 usage, 3 the state directory is in use,
4 the worker died and was healed after";

fn main() {
    let arguments: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    let own = matches!(words.as_slice(), ["serve" | "heal", .., "--uploaded"]);
    if own {
        upload::remove();
        words.pop();
    }
    exit(match words.as_slice() {
        ["serve", "--state", state, "--lease", seconds] => match seconds.parse() {
            Ok(seconds @ 1..=86400) => {
                guardian::serve(Path::new(state), Duration::from_secs(seconds))
            }
            _ => usage(),
        },
        ["heal", "--state", state] => guardian::heal(Path::new(state), false),
        ["heal", "--state", state, "--take-over"] => guardian::heal(Path::new(state), true),
        ["init", "--", ..] => init::init(&arguments[3..]),
        ["launch", arrangement, "--", ..] => launch::launch(arrangement, &arguments[4..]),
        ["version" | "--version"] => {
            println!("perjury-agent {VERSION}");
            0
        }
        _ => usage(),
    })
}

fn usage() -> i32 {
    eprintln!("{USAGE}");
    2
}
