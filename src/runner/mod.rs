//! The experiment: provision, drive, break, heal, collect.

mod clock;
mod interpreter;
mod nemesis;
mod worker;

pub use clock::Clock;
pub use interpreter::{Interpreter, InterpreterError, Progress, Stop, Tell};
pub use nemesis::Nemesis;
pub use worker::Connect;
