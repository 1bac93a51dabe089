//! The number of processes: names in /proc that are numbers.
//!
//! Nothing is opened; still the kernel walks all processes for it, hence the slower cadence.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, RawDir, SeekFrom};
use rustix::io::Errno;

/// Names that one call brings: some 250.
const BUFFER_BYTES: usize = 8 * 1024;

/// Counts processes.
#[derive(Debug)]
pub(super) struct Processes {
    path: PathBuf,
    handle: Option<OwnedFd>,
    buffer: Vec<u8>,
}

impl Processes {
    pub(super) fn new(proc_path: &Path) -> Self {
        Self {
            path: proc_path.to_owned(),
            handle: None,
            buffer: Vec::with_capacity(BUFFER_BYTES),
        }
    }

    /// How many there are; `None` if the folder cannot be read, or hides other users' processes
    /// (`hidepid`), which shows in process 1 not being listed.
    pub(super) fn count(&mut self) -> Option<u64> {
        match self.read() {
            Ok((count, first)) => first.then_some(count),
            Err(_) => {
                self.handle = None;
                None
            }
        }
    }

    fn read(&mut self) -> Result<(u64, bool), Errno> {
        let handle = match &mut self.handle {
            Some(handle) => handle,
            closed => closed.insert(rustix::fs::open(
                &self.path,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )?),
        };
        rustix::fs::seek(&*handle, SeekFrom::Start(0))?;
        let mut count = 0;
        let mut first = false;
        let mut entries = RawDir::new(&*handle, self.buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            count += u64::from(is_process(name));
            first |= name == b"1";
        }
        Ok((count, first))
    }
}

fn is_process(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_counted_and_hidden_processes_give_no_figure() {
        let root = tempfile::tempdir().unwrap();
        for name in ["2", "31", "self", "3x", "sys"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        let mut processes = Processes::new(root.path());
        assert_eq!(processes.count(), None, "process 1 is hidden");
        std::fs::create_dir(root.path().join("1")).unwrap();
        assert_eq!(processes.count(), Some(3));
        assert_eq!(processes.count(), Some(3), "read again from the start");
        // More than one buffer of names.
        for id in 1000..3000 {
            std::fs::create_dir(root.path().join(id.to_string())).unwrap();
        }
        assert_eq!(processes.count(), Some(2003));
        assert_eq!(Processes::new(&root.path().join("none")).count(), None);
    }
}
