//! The command line: words to deeds, and what comes of them to an exit code.

mod account;
mod arguments;
mod check;
mod cluster;
mod doctor;
mod exit;
mod export;
mod heal;
mod judge;
mod list;
mod progress;
mod report;
mod scorecard;
mod serve;
mod single;
mod test;

pub use arguments::{Arguments, Command};
pub use exit::Exit;

use clap::Parser as _;

/// Parses the command line and does what it says.
pub fn main() -> Exit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // If even that cannot be printed, nobody is listening.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Valid };
        }
    };
    match arguments.command {
        Command::Test(options) => test::run(&options),
        Command::Scorecard(options) => scorecard::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Export(options) => export::run(&options),
        Command::Report(options) => report::run(&options),
        Command::Serve(options) => serve::run(&options),
        Command::Cluster(command) => cluster::run(&command),
        Command::Doctor => doctor::run(),
        Command::Heal(options) => heal::run(&options),
        Command::List(options) => list::run(&options),
        Command::ToyNode { config } => match crate::databases::toy::serve(&config) {
            Ok(()) => Exit::Valid,
            Err(error) => Exit::Infrastructure.because(&error),
        },
    }
}

/// Prints an error with everything that caused it, in one line unless it has lines itself.
fn complain(error: &dyn std::error::Error) {
    eprintln!("perjury: {}", story(error));
}

/// An error with everything that caused it.
fn story(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let more = deeper.to_string();
        // Many errors repeat their cause already.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = deeper.source();
    }
    text
}
