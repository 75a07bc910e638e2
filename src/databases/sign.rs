//! How a database says that it noticed damage, or a lie.

/// Words in a line of its log or in an error to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// As they stand there. Never in the log of a run in which nobody lied.
    pub words: &'static str,
    /// Where the database's own sources or documentation have them.
    pub source: &'static str,
}

const fn sign(words: &'static str, source: &'static str) -> Sign {
    Sign { words, source }
}

/// etcd 3.4 to 3.5.
#[cfg(feature = "db-etcd")]
pub(super) const ETCD: &[Sign] = &[
    sign("crc mismatch", "wal/walpb/record.go, ErrCRCMismatch; also snap/snapshotter.go"),
    sign("walpb: ", "wal/walpb/record.go"),
    sign("snap: ", "etcdserver/api/snap/snapshotter.go, ErrNoSnapshot and ErrCRCMismatch"),
    sign("data inconsistency", "etcdserver/corrupt.go: checkHashKV, monitorCorruption"),
    sign("alarm: CORRUPT", "etcdserver/corrupt.go: triggerCorruptAlarm"),
    sign("corrupt cluster", "etcdserver/api/v3rpc/rpctypes/error.go, ErrGRPCCorrupt"),
    sign("proto: ", "gogo/protobuf: a message that does not parse; seen in rafthttp/stream.go"),
    sign("file integrity", "bbolt, page.go and db.go"),
    sign("invalid database", "bbolt, errors.go, ErrInvalid"),
    sign("\"level\":\"panic\"", "an invariant that a process holds does not hold any more"),
    sign("panic: ", "the same, by the Go runtime"),
];

/// PostgreSQL 15.
#[cfg(feature = "db-postgres")]
pub(super) const POSTGRES: &[Sign] = &[
    sign("page verification failed", "storage/page/bufpage.c, PageIsVerifiedExtended"),
    sign("invalid page in block", "storage/buffer/bufmgr.c, ERRCODE_DATA_CORRUPTED"),
    sign("data-corrupted", "SQLSTATE XX001, as this program names it"),
    sign("XX001", "SQLSTATE XX001, data_corrupted"),
    sign("XX002", "SQLSTATE XX002, index_corrupted"),
    sign("incorrect resource manager data checksum", "access/transam/xlogreader.c"),
    sign("unexpected pageaddr", "access/transam/xlogreader.c"),
    sign("invalid memory alloc request size", "utils/mmgr/mcxt.c: a length that was damaged"),
    sign("PANIC:", "utils/error/elog.c: the server goes down"),
    sign("invalid message", "libpq/pqformat.c and pqcomm.c: ERRCODE_PROTOCOL_VIOLATION"),
];

/// Redis 7.
#[cfg(feature = "db-redis")]
pub(super) const REDIS: &[Sign] = &[
    sign("Bad file format reading the append only file", "aof.c, loadSingleAppendOnlyFile"),
    sign("Wrong RDB checksum", "rdb.c, rdbLoadRioWithLoadingCtx"),
    sign("Wrong signature trying to load DB", "rdb.c, rdbLoadRioWithLoadingCtx"),
    sign("Internal error in RDB reading", "rdb.c, rdbReportError"),
    sign("Protocol error", "networking.c, setProtocolError"),
    sign("Bad protocol from MASTER", "replication.c, readSyncBulkPayload"),
    sign("REDIS BUG REPORT", "debug.c, _serverAssert and sigsegvHandler"),
];
