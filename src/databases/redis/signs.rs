//! How Redis 7 says in its log that something is damaged. Text values in its append-only file have
//! no checksum: only damage to the framing is noticed.

use super::super::Sign;

/// Lines that are written for nothing else.
pub(super) const SIGNS: &[Sign] = &[
    Sign::new("Bad file format reading the append only file", "aof.c, loadSingleAppendOnlyFile"),
    Sign::new(
        "Unrecoverable error reading the append only file",
        "aof.c, loadSingleAppendOnlyFile",
    ),
    Sign::new(
        "' reading the append only file",
        "aof.c, loadSingleAppendOnlyFile: an unknown command",
    ),
    Sign::new("Wrong RDB checksum expected", "rdb.c, rdbLoadRioWithLoadingCtx"),
    Sign::new("Wrong signature trying to load DB from file", "rdb.c, rdbLoadRioWithLoadingCtx"),
    Sign::new("Internal error in RDB reading offset", "rdb.c, rdbReportError"),
    Sign::new(
        "== CRITICAL ==",
        "networking.c, afterErrorReply: a replica cannot do what its primary did",
    ),
    Sign::new("Bad protocol from MASTER", "replication.c, readSyncBulkPayload"),
    Sign::new("=== REDIS BUG REPORT START", "debug.c, _serverAssert and the signal handler"),
];

#[cfg(test)]
mod tests {
    use super::super::super::sign::assert_told_apart;
    use super::*;

    #[test]
    fn damage_is_told_from_an_ordinary_life() {
        let damage = [
            "# Bad file format reading the append only file appendonly.aof.1.incr.aof: make",
            "# Unknown command 'SFT' reading the append only file appendonly.aof.1.incr.aof",
        ];
        let ordinary = [
            "# Connection with master lost.",
            "# Unexpected end of file reading the append only file, truncated as configured",
        ];
        assert_told_apart(SIGNS, &damage, &ordinary);
    }
}
