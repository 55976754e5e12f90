//! What a record remembers of drift: which objects somebody else changed, who, since when, and what was done about it.
//! Plain data, and the pure step from one synchronisation's report to the next list.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::SyncReport;
use super::status::moment;

/// Objects that a record lists: those that differ at the moment first, then what was corrected last.
pub const DRIFT_MAX: usize = 20;
/// How long drift that was corrected is worth showing.
pub const DRIFT_SHOWN: SignedDuration = SignedDuration::from_hours(24);

/// An object that somebody else changed or deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DriftedObject {
    /// Its release.
    pub release: String,
    /// Its id.
    pub object: String,
    /// The field manager that wrote to it last; empty where it was deleted, or that is not known.
    pub manager: String,
    /// What was found.
    pub reason: String,
    /// Whether it was applied again; else it still differs, for the environment only wants to know.
    pub corrected: bool,
    /// Since when it differs, or when it was corrected last.
    pub since: String,
    /// How often it was corrected, as far as this list goes back.
    pub count: usize,
}

impl DriftedObject {
    /// Whether somebody should be shown it: it differs, or did lately.
    pub fn is_shown(&self, now: Timestamp) -> bool {
        !self.corrected || self.since.parse::<Timestamp>().is_ok_and(|since| now.duration_since(since) < DRIFT_SHOWN)
    }
}

/// The list after a synchronisation. Equal to `before` where no drift came, went or was corrected: nothing is forgotten
/// for its age alone, so that a quiet environment writes nothing.
pub fn after(before: &[DriftedObject], report: &SyncReport, now: Timestamp) -> Vec<DriftedObject> {
    let mut differing = Vec::new();
    let mut corrected = Vec::new();
    for drifted in &report.drift {
        let Some(result) = report.objects.get(drifted.object) else { continue };
        let object = result.id.to_string();
        let earlier = before.iter().find(|earlier| earlier.object == object);
        let (since, count) = match (drifted.is_corrected, earlier) {
            (false, Some(earlier)) if !earlier.corrected => (earlier.since.clone(), 0),
            (false, _) => (moment(now), 0),
            (true, earlier) => (moment(now), 1 + earlier.map_or(0, |earlier| earlier.count)),
        };
        let list = if drifted.is_corrected { &mut corrected } else { &mut differing };
        list.push(DriftedObject {
            release: result.release.clone(),
            object,
            manager: drifted.manager.as_deref().unwrap_or_default().to_owned(),
            reason: result.reason.clone(),
            corrected: drifted.is_corrected,
            since,
            count,
        });
    }
    differing.sort_by(|a, b| (&a.release, &a.object).cmp(&(&b.release, &b.object)));
    let is_new = |earlier: &&DriftedObject| !differing.iter().chain(&corrected).any(|new| new.object == earlier.object);
    let earlier: Vec<DriftedObject> =
        before.iter().filter(|earlier| earlier.corrected).filter(is_new).cloned().collect();
    let mut next = differing;
    next.extend(corrected);
    next.extend(earlier);
    next.truncate(DRIFT_MAX);
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Drifted, ObjectResult, Outcome};

    fn report(drift: &[(&str, Option<&str>, bool)]) -> SyncReport {
        let object = |(name, _, is_corrected): &(&str, Option<&str>, bool)| ObjectResult {
            release: "web".into(),
            id: format!("core/ConfigMap/shop/{name}").parse().unwrap(),
            outcome: if *is_corrected { Outcome::Changed } else { Outcome::Drifted },
            reason: "was changed in the cluster".into(),
        };
        let drifted = |(index, (_, manager, is_corrected)): (usize, &(&str, Option<&str>, bool))| Drifted {
            object: index,
            manager: manager.map(Into::into),
            is_corrected: *is_corrected,
        };
        SyncReport {
            objects: drift.iter().map(object).collect(),
            drift: drift.iter().enumerate().map(drifted).collect(),
            ..SyncReport::default()
        }
    }

    fn line(list: &[DriftedObject]) -> String {
        let one = |one: &DriftedObject| {
            let name = one.object.rsplit('/').next().unwrap_or_default();
            let minute = &one.since[14..16];
            format!(
                "{name}:{}:{}:{minute}:{}",
                one.manager,
                if one.corrected { "corrected" } else { "differs" },
                one.count
            )
        };
        list.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn since_when_and_how_often() {
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let list = after(&[], &report(&[("b", Some("hpa"), false), ("a", None, false)]), at(1));
        assert_eq!(line(&list), "a::differs:01:0 b:hpa:differs:01:0");
        // It lasts: nothing changes. One is no more.
        assert_eq!(after(&list, &report(&[("b", Some("hpa"), false), ("a", None, false)]), at(2)), list);
        let list = after(&list, &report(&[("b", Some("hpa"), false)]), at(3));
        assert_eq!(line(&list), "b:hpa:differs:01:0");
        // Corrected, again, and then something else.
        let list = after(&list, &report(&[("b", Some("hpa"), true)]), at(4));
        let list = after(&list, &report(&[("b", Some("me"), true)]), at(5));
        assert_eq!(line(&list), "b:me:corrected:05:2");
        let list = after(&list, &report(&[("c", None, true)]), at(6));
        assert_eq!(line(&list), "c::corrected:06:1 b:me:corrected:05:2");
        assert_eq!(after(&list, &report(&[]), at(5000)), list, "age alone changes nothing");
        assert!(list[0].is_shown(at(60)) && !list[0].is_shown(at(5000)));
        let names: Vec<String> = (0..30).map(|i| format!("n{i}")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), None, true)).collect();
        assert_eq!(after(&list, &report(&many), at(7)).len(), DRIFT_MAX);
    }
}
