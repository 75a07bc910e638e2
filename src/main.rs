//! The `perjury` binary: parses, dispatches, exits.

fn main() -> perjury::cli::Exit {
    perjury::cli::main()
}
