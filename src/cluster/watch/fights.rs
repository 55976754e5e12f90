//! Objects that somebody else keeps changing back.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::plan::ShortHash;

/// How often one object may be corrected within [`FIGHT_WINDOW`] before that counts as a fight.
pub const FIGHT_CORRECTIONS_MAX: usize = 5;
/// See [`FIGHT_CORRECTIONS_MAX`]; an object that is fought over is left alone as long.
pub const FIGHT_WINDOW: Duration = Duration::from_secs(60);

/// Whether an object is fought over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fight {
    None,
    Begins,
    GoesOn,
}

/// Objects that are corrected again and again.
#[derive(Debug, Default)]
pub(super) struct Fights(HashMap<ShortHash, Corrections>);

#[derive(Debug, Default)]
struct Corrections {
    times: Vec<Instant>,
    left_alone_until: Option<Instant>,
}

impl Fights {
    /// One more change of an object by somebody else.
    pub(super) fn note(&mut self, key: ShortHash, now: Instant) -> Fight {
        let recent = |time: &Instant| now.saturating_duration_since(*time) < FIGHT_WINDOW;
        self.0.retain(|_, corrections| corrections.left_alone_until.is_some() || corrections.times.iter().any(recent));
        let corrections = self.0.entry(key).or_default();
        if corrections.left_alone_until.is_some() {
            return Fight::GoesOn;
        }
        corrections.times.retain(recent);
        corrections.times.push(now);
        if corrections.times.len() <= FIGHT_CORRECTIONS_MAX {
            return Fight::None;
        }
        corrections.left_alone_until = Some(now + FIGHT_WINDOW);
        Fight::Begins
    }

    /// When the first of them is looked at again.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.0.values().filter_map(|corrections| corrections.left_alone_until).min()
    }

    /// Ends those whose time is over; whether there was one. A single further change makes it a fight again.
    pub(super) fn end_of_some(&mut self, now: Instant) -> bool {
        let mut is_some = false;
        for corrections in self.0.values_mut().filter(|c| c.left_alone_until.is_some_and(|until| until <= now)) {
            corrections.left_alone_until = None;
            corrections.times = vec![now; FIGHT_CORRECTIONS_MAX];
            is_some = true;
        }
        is_some
    }

    pub(super) fn count(&self) -> usize {
        self.0.values().filter(|corrections| corrections.left_alone_until.is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fight_is_left_alone_and_looked_at_again() {
        let mut fights = Fights::default();
        let key = ShortHash::UNKNOWN;
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        for second in 0..FIGHT_CORRECTIONS_MAX as u64 {
            assert_eq!(fights.note(key, at(second)), Fight::None);
        }
        assert_eq!(fights.note(key, at(10)), Fight::Begins);
        assert_eq!(fights.note(key, at(11)), Fight::GoesOn);
        assert_eq!((fights.count(), fights.next_end()), (1, Some(at(70))));
        assert!(!fights.end_of_some(at(69)));
        assert!(fights.end_of_some(at(70)));
        assert_eq!((fights.count(), fights.note(key, at(71))), (0, Fight::Begins));
        // Slow drift is no fight.
        let mut fights = Fights::default();
        for i in 0..100 {
            assert_eq!(fights.note(key, at(i * 20)), Fight::None);
        }
    }
}
