//! How much memory is free.

use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

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
        (free > 0).then_some(free)
    }
}

/// What is left of the limit of this process's control group, if it has one.
fn container(system: &mut System) -> Option<u64> {
    let own = Pid::from_u32(std::process::id());
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, ProcessRefreshKind::nothing());
    Some(system.process(own)?.cgroup_limits()?.free_memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_runs_this_has_memory_and_not_more_than_it_was_built_with() {
        let free = SystemMemory::default().free().unwrap();
        let kind = RefreshKind::nothing().with_memory(MemoryRefreshKind::everything());
        let total = System::new_with_specifics(kind).unwrap().total_memory();
        assert!((1..=total).contains(&free));
    }
}
