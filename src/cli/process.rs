//! This process among all that want a Lease: its name, and whether another one of this machine has ended.

use std::fs;
use std::sync::Arc;

use crate::cluster::Contender;
use crate::error::Diagnostic;

/// This process, named by host (in a pod the pod's name), chance, and what tells on the same machine whether it still
/// runs: its number, when it began, the namespace of its number, and the machine's boot.
///
/// # Errors
/// There are no random bytes.
pub fn contender() -> Result<Contender, Diagnostic> {
    let mut random = [0_u8; 4];
    getrandom::fill(&mut random).map_err(|error| Diagnostic::error(format!("there are no random bytes: {error}")))?;
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let (pid, chance) = (std::process::id(), u32::from_le_bytes(random));
    let place = place();
    let name = match (&place, began(pid)) {
        (Some(place), Some(began)) => format!("{}_{chance:08x}_{pid}_{began}_{place}", host.trim()),
        _ => format!("{}_{chance:08x}_{pid}", host.trim()),
    };
    Ok(Contender { name, is_over: Arc::new(move |name| place.as_ref().is_some_and(|place| is_over(name, place))) })
}

/// Where process numbers and beginnings mean the same: the boot of the machine, the namespace of process numbers, and that
/// of the clocks, by which the beginnings are told.
fn place() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = |name: &str| -> Option<String> {
        let link = fs::read_link(format!("/proc/self/ns/{name}")).ok()?;
        Some(link.to_str()?.chars().filter(char::is_ascii_digit).collect())
    };
    // A kernel without namespaces of clocks has one clock.
    Some(format!("{}_{}_{}", namespace("pid")?, namespace("time").unwrap_or_default(), boot.get(..8)?))
}

/// When a process began, in ticks since the boot; none where there is no such process, or only what its parent has not
/// asked for yet.
fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything; after it come fields 3, the state, to 22 of proc(5).
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Whether the process of that name ran here and has ended. Of one that ran elsewhere nothing is known.
fn is_over(name: &str, here: &str) -> bool {
    let Some(rest) = name.strip_suffix(here).and_then(|rest| rest.strip_suffix('_')) else { return false };
    let mut parts = rest.rsplit('_');
    let (Some(then), Some(pid)) = (parts.next(), parts.next()) else { return false };
    let (Ok(then), Ok(pid)) = (then.parse(), pid.parse()) else { return false };
    began(pid) != Some(then)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_which_others_have_ended() {
        let own = contender().unwrap();
        assert!(!(own.is_over)(&own.name), "{} runs", own.name);
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let (pid, here) = (child.id(), place().unwrap());
        let name = format!("host_0a0a0a0a_{pid}_{}_{here}", began(pid).unwrap());
        assert!(!is_over(&name, &here));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_over(&name, &here) && began(pid).is_none(), "{name} was killed");
        // Another machine, another boot, another container, another form.
        for elsewhere in ["1_00000000", ""] {
            assert!(!is_over(&name, elsewhere), "{elsewhere}");
        }
        assert!(!is_over("somebody", &here));
    }
}
