//! How the server of `targets/hotstuff` says that it was told what is not so. Each line is written
//! by `Journal::rejected` of `targets/replica`.
//!
//! Not here: a block that is rejected. The published library's own block sync sends such ones.

use super::super::Sign;

/// Lines that are written for nothing else.
pub(super) const SIGNS: &[Sign] = &[
    Sign::new(
        " rejected a frame from ",
        "network.rs, listen_to: no signature of the sender, or no message",
    ),
    Sign::new(" rejected the connection from ", "network.rs, listen_to: a length that cannot be"),
];

#[cfg(test)]
mod tests {
    use super::super::super::sign::assert_told_apart;
    use super::*;

    #[test]
    fn damage_is_told_from_an_ordinary_life() {
        let damage = [
            "1.2 view 9 rejected a frame from 10.0.0.3:34: the signature is not that of replica 2",
            "1.2 view 37 rejected the connection from 10.0.0.13:341: a frame of 99999999 bytes",
        ];
        let ordinary = [
            "1.2 view 49 in a second: 16 views, 15 blocks, 25 transactions, 0 timeouts, 2 rejected",
            "1.2 view 49 rejected a frame to replica 3: its queue is full",
        ];
        assert_told_apart(SIGNS, &damage, &ordinary);
    }
}
