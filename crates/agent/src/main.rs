//! The `perjury-agent` binary.
fn main() {}
