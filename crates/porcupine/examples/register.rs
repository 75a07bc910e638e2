//! Judges a short history of one register: `cargo run -p perjury-porcupine --example register`.

use std::time::Duration;

use perjury_porcupine::models::{Register, RegisterInput, RegisterOutput, Seen};
use perjury_porcupine::{Budget, Operation, Search, check};

fn main() {
    let write = |value| (RegisterInput::Write(value), RegisterOutput::Written);
    let read = |value| (RegisterInput::Read, RegisterOutput::Read(Seen::Value(value)));
    let history: Vec<_> = [
        (0, write("a"), 0, 10),
        (1, write("b"), 5, 15),
        (0, read("a"), 20, 30),
        (1, read("b"), 25, 40),
    ]
    .into_iter()
    .map(|(client, (input, output), call, ret)| {
        Operation::completed(client, input, output, call, ret)
    })
    .collect();

    match check(&Register("nothing"), &history, &Budget::time(Duration::from_secs(1))) {
        Search::Linearizable(proof) => println!("linearizable: {:?}", proof.partitions),
        Search::Illegal(evidence) => {
            for part in &evidence.partitions {
                for partial in &part.partials {
                    println!("possible so far: {partial:?}");
                }
            }
            for index in evidence.blocked() {
                println!("no order allows operation {index}: {:?}", history[index]);
            }
        }
        Search::Exhausted { reason, .. } => println!("unknown: {reason:?}"),
    }
}
