//! How much memory is free.

use sysinfo::{CGroupLimits, MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

/// Says how much memory new work can get, in bytes; `None` if the system does not say.
pub trait Memory: Send {
    /// Bytes that can be had now without pushing others out.
    fn free(&mut self) -> Option<u64>;
}

/// What the operating system says. In a container it is the container's limit that counts.
#[derive(Debug)]
pub struct SystemMemory {
    system: Option<System>,
}

impl Default for SystemMemory {
    fn default() -> Self {
        Self { system: System::new_with_specifics(RefreshKind::nothing()).ok() }
    }
}

impl Memory for SystemMemory {
    fn free(&mut self) -> Option<u64> {
        let system = self.system.as_mut()?;
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let machine = system.available_memory();
        let free = container(system).map_or(machine, |container| container.min(machine));
        // A machine with memory may have none left, and that is an answer too.
        (system.total_memory() > 0).then_some(free)
    }
}

/// What is left of the limit of this process's control group, if it has one.
fn container(system: &mut System) -> Option<u64> {
    let own = Pid::from_u32(std::process::id());
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, ProcessRefreshKind::nothing());
    Some(left(&system.process(own)?.cgroup_limits()?))
}

/// The limit without what processes hold. Pages of files that were read count as used memory too, and the kernel gives
/// them back as soon as somebody needs the room: they are free.
const fn left(limits: &CGroupLimits) -> u64 {
    limits.total_memory.saturating_sub(limits.rss)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_files_that_were_read_are_free_and_what_processes_hold_is_not() {
        let limits = |rss, free_memory| CGroupLimits { total_memory: 100, free_memory, free_swap: 0, rss };
        assert_eq!(left(&limits(30, 0)), 70);
        assert_eq!(left(&limits(100, 0)), 0);
        assert_eq!(left(&limits(101, 0)), 0);
    }

    #[test]
    fn a_machine_that_runs_this_has_memory_and_not_more_than_it_was_built_with() {
        let free = SystemMemory::default().free().unwrap();
        let kind = RefreshKind::nothing().with_memory(MemoryRefreshKind::everything());
        let total = System::new_with_specifics(kind).unwrap().total_memory();
        assert!((1..=total).contains(&free));
    }
}
