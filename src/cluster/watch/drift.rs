//! What somebody else changed: members that no longer hold what was applied, and records.

use std::collections::HashMap;
use std::time::Instant;

use super::fights::{FIGHT_WINDOW, Fight};
use super::leading::Leading;
use crate::cluster::event::Event;
use crate::cluster::members::Sight;
use crate::cluster::metrics::label;
use crate::cluster::source::Tree;
use crate::cluster::sync::Synchroniser;
use crate::plan::ShortHash;
use crate::release::Drift;

impl Leading {
    /// Whether something has to be corrected; says what is seen.
    pub(super) fn drifted(&mut self, known: &Known, sights: HashMap<ShortHash, Sight>) -> bool {
        let mut is_due = false;
        for (key, sight) in sights {
            let Some(state) = known.states.get(&key) else { continue };
            if self.suspended.contains(&key) {
                continue;
            }
            if *state == ShortHash::UNKNOWN || (!sight.is_gone && *state == sight.live.state) {
                continue;
            }
            let manager = match &sight.live.other_manager {
                _ if sight.is_gone => "deleted",
                Some(manager) => manager,
                None => "unknown",
            };
            self.board.metrics.add("kcfg_drift_total", &label("manager", manager), 1.0);
            let fields = [("object", sight.live.id.to_string()), ("manager", manager.to_owned())];
            if !known.corrects {
                // The record is to list it, once.
                if self.differing.insert(key) {
                    self.log.warn("drift, which is only reported", &fields);
                    is_due = true;
                }
                continue;
            }
            match self.fights.note(key, Instant::now()) {
                Fight::None => {
                    self.log.warn("drift", &fields);
                    is_due = true;
                }
                Fight::Begins => {
                    self.log.error("somebody keeps changing it back", &fields);
                    let seconds = FIGHT_WINDOW.as_secs();
                    let note = format!("{manager} keeps changing it back; it is left alone for {seconds} s");
                    let uid = (!sight.is_gone).then(|| sight.live.uid.clone());
                    self.events.push(Event { uid, ..Event::warning(&sight.live.id, "DriftFight", "Compare", note) });
                }
                Fight::GoesOn => {}
            }
        }
        self.board.metrics.set("kcfg_fights", "", self.fights.count() as f64);
        is_due
    }

    /// Whether somebody else changed a parent; they are then read anew.
    pub(super) fn parents_changed(&self, synchroniser: &mut Synchroniser, sights: impl Iterator<Item = Sight>) -> bool {
        let Some(known) = synchroniser.parents() else { return true };
        let number = |version: &str| version.parse::<u64>().unwrap_or(0);
        let mut names = Vec::new();
        for Sight { live, is_gone } in sights {
            let own = known.values().find_map(|parent| parent.version_of(&live.id.name));
            // What was written here is seen too, and may be seen late.
            let is_own = match own {
                Some(own) => !is_gone && number(&live.resource_version) <= number(own),
                None => is_gone,
            };
            if !is_own {
                let manager = live.other_manager.as_deref().unwrap_or("unknown").to_owned();
                self.log.warn("a record was changed", &[("record", live.id.to_string()), ("manager", manager)]);
                names.push(live.id.name);
            }
        }
        if !names.is_empty() {
            synchroniser.forget_parents();
        }
        !names.is_empty()
    }
}

/// What was applied.
pub(super) struct Known {
    pub(super) states: HashMap<ShortHash, ShortHash>,
    pub(super) corrects: bool,
}

/// What was applied, for telling drift from what was done here.
pub(super) fn know(synchroniser: &Synchroniser, tree: &Tree) -> Option<Known> {
    let entries = synchroniser.parents()?.values().flat_map(|parent| &parent.inventory.entries);
    let states = entries.map(|(key, entry)| (*key, entry.state)).collect();
    Some(Known { states, corrects: corrects(tree) })
}

/// Whether drift is corrected, or only said.
pub(super) fn corrects(tree: &Tree) -> bool {
    tree.environment.as_ref().is_none_or(|document| document.drift == Drift::Correct)
}
