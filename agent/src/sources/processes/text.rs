//! /proc/PID/stat and /proc/PID/io.

use crate::sources::host::text::{Fields, first_line, lines};

/// A thread of the kernel: it runs no program.
const PF_KTHREAD: u64 = 0x0020_0000;

/// What one line of /proc/PID/stat says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat<'a> {
    pub(super) comm: &'a [u8],
    /// Ended, and waiting to be noticed.
    pub(super) zombie: bool,
    pub(super) kernel_thread: bool,
    /// Clock ticks.
    pub(super) user: u64,
    pub(super) system: u64,
    pub(super) threads: u64,
    /// Clock ticks since boot.
    pub(super) start: u64,
    pub(super) resident_pages: u64,
}

/// `42 (name) S 1 …`: the name may hold blanks, parentheses and line feeds, the rest cannot.
pub(super) fn stat(text: &[u8]) -> Option<Stat<'_>> {
    let open = memchr::memchr(b'(', text)?;
    let close = memchr::memrchr(b')', text)?;
    let comm = text.get(open + 1..close)?;
    let mut fields = Fields::new(first_line(text.get(close + 1..)?)?);
    let state = fields.word()?;
    // Parent, group, session, terminal, its group: some may be negative.
    for _ in 0..5 {
        fields.word()?;
    }
    let flags = fields.number()?;
    for _ in 0..4 {
        fields.word()?;
    }
    let (user, system) = (fields.number()?, fields.number()?);
    // Children's times, priority and nice.
    for _ in 0..4 {
        fields.word()?;
    }
    let threads = fields.number()?;
    fields.word()?;
    let start = fields.number()?;
    fields.word()?;
    Some(Stat {
        comm,
        zombie: matches!(state, b"Z" | b"X" | b"x"),
        kernel_thread: flags & PF_KTHREAD != 0,
        user,
        system,
        threads,
        start,
        // Below 0 for a moment in some kernels.
        resident_pages: fields.number().unwrap_or(0),
    })
}

/// Bytes that reached disks: read and written.
pub(super) fn io(text: &[u8]) -> Option<[u64; 2]> {
    let figure =
        |key: &[u8]| lines(text).find_map(|line| Fields::new(line.strip_prefix(key)?).number());
    Some([figure(b"read_bytes:")?, figure(b"write_bytes:")?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        for comm in ["nginx", "a b", "(sd-pam)", ") S 1 1", "x\ny", ""] {
            let text = format!(
                "42 ({comm}) S 1 42 42 0 -1 4194560 1 2 3 4 50 60 7 8 20 0 3 0 9000 123456 77 184 1\n"
            );
            let want = Stat {
                comm: comm.as_bytes(),
                zombie: false,
                kernel_thread: false,
                user: 50,
                system: 60,
                threads: 3,
                start: 9000,
                resident_pages: 77,
            };
            assert_eq!(stat(text.as_bytes()), Some(want));
        }
        let kernel =
            stat(b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 1 0 0 20 0 1 0 2 0 0 1\n").unwrap();
        assert!(kernel.kernel_thread);
        let zombie =
            stat(b"9 (sh) Z 1 9 9 0 -1 4227084 0 0 0 0 0 1 0 0 20 0 1 0 2 0 -1 1\n").unwrap();
        assert!(zombie.zombie && zombie.resident_pages == 0);
        let real = std::fs::read("/proc/self/stat").unwrap();
        assert!(stat(&real).unwrap().threads >= 1);
    }

    #[test]
    fn bytes_are_those_of_disks() {
        let text = b"rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 7\n";
        assert_eq!(io(text), Some([5, 6]));
        assert_eq!(io(b"read_bytes: 5\nwrite_bytes: 6"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text in prop::collection::vec(any::<u8>(), 0..200), line in "[0-9() SZ-]{0,80}\n") {
            let _ = (stat(&text), io(&text), stat(line.as_bytes()));
        }
    }
}
