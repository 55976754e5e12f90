//! The status for people: whether all is well, a table, and of what is not well what it is, why, and what to do. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::from_git;
use super::shown::{APPLYING, Shown, Trouble};
use crate::cluster::drifted::DriftedObject;
use crate::repo::Lag;

/// Digits of commits and digests that people compare.
const DIGITS: usize = 12;

/// The whole text.
pub fn text(shown: &[Shown], is_from_git: bool, now: Timestamp) -> String {
    if shown.is_empty() && is_from_git {
        let what = "no tag kcfg-sync-* of this clone tells of an environment";
        return format!("{what}; `{}` brings them, where a loop with --git-report tag writes them\n", from_git::FETCH);
    }
    if shown.is_empty() {
        return "no environment was applied to this cluster; `kcfg apply ENV --init` does it\n".into();
    }
    let bad: Vec<&str> =
        shown.iter().filter(|one| !one.troubles.is_empty()).map(|one| one.state.name.as_str()).collect();
    let mut out = match bad.as_slice() {
        [] if is_from_git => "all was well when this clone was fetched\n\n".to_owned(),
        [] => "all is well\n\n".to_owned(),
        names => format!("NOT WELL: {}\n\n", names.join(", ")),
    };
    let head = [
        "ENVIRONMENT",
        "COMMIT",
        "DIGEST",
        "RELEASES",
        "OBJECTS",
        "BEHIND",
        "CHANGED",
        if is_from_git { "STATE" } else { "LOOP" },
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(shown.iter().map(|one| row(one, is_from_git, now)));
    out.push_str(&table(&rows));
    for one in shown {
        let is_under_way = one.state.lease.as_ref().is_some_and(|lease| lease.is_alive(now));
        let applying = one.state.releases.iter().filter(|release| is_under_way && release.state == APPLYING);
        let applying: Vec<&str> = applying.map(|release| release.name.as_str()).collect();
        if !applying.is_empty() {
            out.push_str(&format!("\nunder way: {} of {}\n", applying.join(", "), one.state.name));
        }
        if let Ok(suspensions) = &one.state.suspensions {
            for s in suspensions.in_force(now) {
                let reason = s.reason.split_whitespace().collect::<Vec<_>>().join(" ");
                let left = age(now, s.until);
                out.push_str(&format!(
                    "\nsuspended: {} until {} ({left} left), by {}: {reason}\n",
                    s.selector, s.until, s.by
                ));
            }
        }
        let status = one.state.status.iter();
        for drifted in status.flat_map(|status| &status.drift).filter(|one| one.corrected && one.is_shown(now)) {
            let times = if drifted.count > 1 { format!(", {} times", drifted.count) } else { String::new() };
            let DriftedObject { release, object, reason, since, .. } = drifted;
            out.push_str(&format!(
                "\ncorrected: {}/{release} {object} {reason}; applied again at {since}{times}\n",
                one.state.name
            ));
        }
        for Trouble { what, help, .. } in &one.troubles {
            // One line each, whatever a server said.
            let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
            out.push_str(&format!("\n{}: {what}\n  help: {help}\n", one.state.name));
        }
    }
    out
}

fn row(one: &Shown, is_from_git: bool, now: Timestamp) -> [String; 8] {
    let cut = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), short);
    let counts = |counts: &BTreeMap<String, usize>| {
        let parts: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
        if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
    };
    let is_recorded = one.state.status.is_some();
    let status = one.state.status.clone().unwrap_or_default();
    let state = match is_from_git {
        true if !is_recorded => "-",
        true if is_suspended(one, now) => "suspended",
        true => status.result.as_str(),
        false => loop_word(one, now),
    };
    [
        one.state.name.clone(),
        if is_recorded && status.commit.is_none() { "folder".into() } else { cut(&status.commit) },
        cut(&status.digest),
        counts(&status.releases),
        counts(&status.objects),
        one.lag.as_ref().map_or_else(|| "unknown".to_owned(), |lag| behind(lag, now)),
        status.time.parse().map_or_else(|_| "-".to_owned(), |time| format!("{} ago", age(time, now))),
        state.to_owned(),
    ]
}

/// Who applies: a word of the column LOOP.
pub fn loop_word(one: &Shown, now: Timestamp) -> &'static str {
    match &one.state.lease {
        _ if is_suspended(one, now) => "suspended",
        Some(lease) if lease.is_alive(now) => "alive",
        _ if one.state.status.as_ref().is_some_and(|status| status.follows.is_some()) => "none",
        _ => "by hand",
    }
}

fn is_suspended(one: &Shown, now: Timestamp) -> bool {
    one.state.suspensions.as_ref().is_ok_and(|suspensions| suspensions.covers_environment(now).is_some())
}

/// So much of a commit or digest as people compare.
pub fn short(text: &str) -> String {
    text.chars().take(DIGITS).collect()
}

/// A number of commits.
pub fn commits(number: usize) -> String {
    match number {
        1 => "1 commit".to_owned(),
        number => format!("{number} commits"),
    }
}

/// Commits, and the age of the oldest.
pub fn behind(lag: &Lag, now: Timestamp) -> String {
    match (lag.commits, Timestamp::from_second(lag.oldest)) {
        (0, _) => "0".to_owned(),
        (number, Ok(oldest)) => format!("{}, {}", commits(number), age(oldest, now)),
        (number, Err(_)) => commits(number),
    }
}

/// How long it is from one moment to another, in its largest unit.
pub fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(then.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: Vec<usize> =
        (0..N).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}
