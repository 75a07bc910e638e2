//! How PostgreSQL 15 says in its log that something is damaged.
//!
//! Not here: "invalid record length", "unexpected pageaddr" and "invalid magic number". This is how
//! every recovery finds the end of the log.

use super::super::Sign;

/// Lines that are written for nothing else.
pub(super) const SIGNS: &[Sign] = &[
    Sign::new("data-corrupted", "errcodes.txt: XX001, as this program names it"),
    Sign::new("XX001", "errcodes.txt, ERRCODE_DATA_CORRUPTED"),
    Sign::new("XX002", "errcodes.txt, ERRCODE_INDEX_CORRUPTED"),
    Sign::new("page verification failed, calculated checksum", "bufpage.c, PageIsVerifiedExtended"),
    Sign::new("invalid page in block", "bufmgr.c, ReadBuffer_common"),
    Sign::new("could not read block", "md.c, mdread"),
    Sign::new("contains unexpected zero page at block", "nbtpage.c, _bt_checkpage"),
    Sign::new("contains corrupted page at block", "nbtpage.c, _bt_checkpage"),
    Sign::new("missing chunk number", "heaptoast.c, heap_fetch_toast_slice"),
    Sign::new("compressed pglz data is corrupt", "toast_compression.c"),
    Sign::new("invalid memory alloc request size", "mcxt.c: of a length that cannot be"),
    Sign::new("could not access status of transaction", "slru.c, SlruReportIOError"),
    Sign::new(
        "incorrect resource manager data checksum in record",
        "xlogreader.c, ValidXLogRecord",
    ),
    Sign::new("could not locate a valid checkpoint record", "xlogrecovery.c, InitWalRecovery"),
    Sign::new("incorrect checksum in control file", "xlog.c, ReadControlFile"),
    Sign::new("WAL contains references to invalid pages", "xlogutils.c, XLogCheckInvalidPages"),
];

#[cfg(test)]
mod tests {
    use super::super::super::sign::assert_told_apart;
    use super::*;

    #[test]
    fn damage_is_told_from_an_ordinary_life() {
        let damage = [
            "ERROR:  invalid page in block 0 of relation base/5/16384",
            "LOG:  incorrect resource manager data checksum in record at 0/1955A98",
        ];
        let ordinary = [
            "LOG:  invalid record length at 0/1955A98: wanted 24, got 0",
            "FATAL:  terminating connection due to administrator command",
        ];
        assert_told_apart(SIGNS, &damage, &ordinary);
    }
}
