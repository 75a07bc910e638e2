//! How the server of `targets/malachite` says that it was told what is not so. Each line is written
//! by `Journal::rejected` of `targets/replica`.

use super::super::Sign;

/// Lines that are written for nothing else.
pub(super) const SIGNS: &[Sign] = &[
    Sign::new(
        " rejected a frame from ",
        "replica/src/network.rs, listen_to: no message, or a transaction not signed by its origin",
    ),
    Sign::new(
        " rejected the connection from ",
        "replica/src/network.rs, listen_to: a length that cannot be",
    ),
    Sign::new(" rejected a vote: ", "hands.rs, verify_message: not signed by its voter"),
    Sign::new(" rejected a proposal: ", "hands.rs, verify_message: not signed by its proposer"),
    Sign::new(" rejected a proposal of ", "hands.rs, verify_message: a value of nonsense"),
    Sign::new(" certificate: ", "hands.rs, refused: not enough signatures that fit"),
    Sign::new(" rejected a decided value from ", "engine.rs, take_decided: not what is certified"),
];

#[cfg(test)]
mod tests {
    use super::super::super::sign::assert_told_apart;
    use super::*;

    #[test]
    fn damage_is_told_from_an_ordinary_life() {
        let damage = [
            "1.2 view 9000 rejected a frame from 10.0.0.3:34: transaction 2-01-7: its signature is \
             not its origin's",
            "1.2 view 9000 rejected the connection from 10.0.0.13:341: a frame of 99999999 bytes",
            "1.2 view 9000 rejected a vote: the signature is not that of replica 2",
            "1.2 view 9000 rejected a proposal: the signature is not that of replica 2",
            "1.2 view 9000 rejected a proposal of replica 2: its content is no transactions",
            "1.2 view 9000 rejected a commit certificate: Invalid commit signature: 3",
            "1.2 view 9000 rejected a decided value from replica 1: it is not the certified one",
        ];
        let ordinary = [
            "1.2 view 9000 in a second: 16 views, 9 blocks, 5 transactions, 0 timeouts, 2 rejected",
            "1.2 view 9001 rejected a frame to replica 3: its queue is full",
            "1.2 view 9001 round 1 of height 9, replica 2 proposes",
            "1.2 view 9000 timeout ProposeTimeout(0)",
            "1.2 view 9000 asks replica 2 from height 9 on",
        ];
        assert_told_apart(SIGNS, &damage, &ordinary);
    }
}
