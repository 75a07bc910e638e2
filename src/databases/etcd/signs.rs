//! How etcd 3.4 says in its log that something is damaged: a checksum that does not match ends it
//! at its start, and members that compare their copies find a difference.

use super::super::Sign;

/// Lines that are written for nothing else.
pub(super) const SIGNS: &[Sign] = &[
    Sign::new("walpb: crc mismatch", "wal/walpb/record.go"),
    Sign::new("wal: crc mismatch", "wal/wal.go"),
    Sign::new("snap: crc mismatch", "etcdserver/api/snap/snapshotter.go"),
    Sign::new("Was the raft log corrupted, truncated, or lost?", "raft/log.go, commitTo"),
    Sign::new("found hash mismatch", "etcdserver/corrupt.go, checkHashKV"),
    Sign::new("found different hash values from remote peer", "etcdserver/corrupt.go"),
    Sign::new("found data inconsistency with peers", "etcdserver/corrupt.go, CheckInitialHashKV"),
    Sign::new("checksum error", "bbolt, errors.go, ErrChecksum"),
    Sign::new("invalid database", "bbolt, errors.go, ErrInvalid"),
];

#[cfg(test)]
mod tests {
    use super::super::super::sign::assert_told_apart;
    use super::*;

    #[test]
    fn damage_is_told_from_an_ordinary_life() {
        let damage = [
            r#"{"level":"fatal","msg":"discovery failed","error":"walpb: crc mismatch"}"#,
            r#"{"level":"warn","msg":"found hash mismatch","revision":7}"#,
        ];
        let ordinary = [
            r#"{"msg":"lost TCP streaming connection with remote peer","error":"EOF"}"#,
            r#"{"level":"warn","msg":"failed to reach the peer URL","error":"connection refused"}"#,
        ];
        assert_told_apart(SIGNS, &damage, &ordinary);
    }
}
