//! What the host is: told once, when the agent greets a collector.
//!
//! These reads use the `sysinfo` crate, which knows how distributions name themselves and what
//! other platforms do instead. It opens some forty files for it, so everything that is read more
//! often goes to /proc directly (see [`super`]).

use crmscope_proto::Id;
use crmscope_proto::v1::HostFacts;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, System};

use crate::sources::SourceError;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Facts about this host. What cannot be found is empty or 0.
#[must_use]
pub fn host_facts() -> HostFacts {
    let known = System::new().map(|mut system| {
        system.refresh_cpu_list(CpuRefreshKind::nothing());
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        (system.cpus().len(), system.total_memory())
    });
    let (cpus, memory_bytes) = known.unwrap_or_default();
    HostFacts {
        hostname: System::host_name().unwrap_or_default(),
        operating_system: System::long_os_version().unwrap_or_default(),
        kernel_version: System::kernel_version().unwrap_or_default(),
        architecture: System::cpu_arch(),
        cpu_count: u32::try_from(cpus).unwrap_or(u32::MAX),
        memory_bytes,
    }
}

/// The kernel's id of this boot: another one after every start of the host.
///
/// # Errors
/// When the kernel does not tell it.
pub fn boot_id() -> Result<Id, SourceError> {
    let text = std::fs::read_to_string(BOOT_ID).map_err(|error| SourceError::Read {
        path: BOOT_ID.to_owned(),
        error,
    })?;
    Id::parse(&text).map_err(|error| SourceError::Format {
        path: BOOT_ID.to_owned(),
        what: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> String {
        std::fs::read_to_string(path).unwrap().trim().to_owned()
    }

    #[test]
    fn facts_agree_with_the_kernel() {
        let facts = host_facts();
        assert_eq!(facts.hostname, read("/proc/sys/kernel/hostname"));
        assert_eq!(facts.kernel_version, read("/proc/sys/kernel/osrelease"));
        assert!(!facts.operating_system.is_empty());
        assert_eq!(facts.architecture, std::env::consts::ARCH);
        let cores = read("/proc/stat")
            .lines()
            .filter(|l| l.starts_with("cpu"))
            .count()
            - 1;
        assert_eq!(facts.cpu_count as usize, cores);
        let memory = read("/proc/meminfo");
        let total = memory.split_whitespace().nth(1).unwrap();
        assert_eq!(facts.memory_bytes, total.parse::<u64>().unwrap() * 1024);
        assert_eq!(boot_id().unwrap().to_string(), read(BOOT_ID));
    }
}
