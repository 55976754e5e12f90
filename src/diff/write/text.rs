//! The report for a terminal: summary first, details after.

use std::fmt::Write as _;

use super::value;
use crate::diff::change::{Change, What};
use crate::diff::report::{Counts, Report};
use crate::diff::section::{Member, sections};
use crate::diff::text::{LineSide, hunks};

/// Digits of a digest that people compare.
const DIGEST_DIGITS: usize = 12;

/// The whole report.
pub fn report(report: &Report) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{} → {}", report.labels.old, report.labels.new);
    for note in &report.notes {
        let _ = writeln!(out, "note: {note}");
    }
    if report.is_empty() {
        out.push_str("no differences\n");
        return out;
    }
    for environment in &report.environments {
        let digests = arrow(&environment.digests.old, &environment.digests.new);
        let _ = writeln!(out, "{} {digests}", environment.name);
        for release in &environment.releases {
            let counts = Counts::of(&release.objects);
            let digests = arrow(&release.digests.old, &release.digests.new);
            let _ = writeln!(
                out,
                "  {} {digests} +{} -{} ~{} >{} ^{}",
                release.name, counts.added, counts.removed, counts.changed, counts.renamed, counts.moved
            );
            for note in &release.notes {
                let _ = writeln!(out, "    note: {note}");
            }
        }
    }
    let sections = sections(report);
    for shared in &sections.shared {
        let _ = writeln!(out, "\nin {} objects:", shared.members.len());
        change(&mut out, shared.change);
        members(&mut out, &shared.members);
    }
    for section in &sections.sections {
        let _ = writeln!(out, "\n{} {} objects:", section.status.name(), section.members.len());
        for item in &section.changes {
            change(&mut out, item);
        }
        members(&mut out, &section.members);
    }
    out
}

fn arrow(old: &Option<String>, new: &Option<String>) -> String {
    let short = |digest: &Option<String>| {
        digest.as_ref().map_or("-".to_owned(), |digest| digest[..DIGEST_DIGITS.min(digest.len())].to_owned())
    };
    format!("{} → {}", short(old), short(new))
}

fn members(out: &mut String, members: &[Member<'_>]) {
    for member in members {
        let _ = writeln!(out, "    {} {}", member.place(), member.object.id);
    }
}

fn change(out: &mut String, change: &Change) {
    let path = &change.path;
    let _ = match &change.what {
        What::Added(node) => writeln!(out, "  + {path}: {}", value::line(node)),
        What::Removed(node) => writeln!(out, "  - {path}: {}", value::line(node)),
        What::Changed { old, new, same_meaning } => {
            let same = same_meaning.map(|why| format!(" ({why})")).unwrap_or_default();
            writeln!(out, "  ~ {path}: {} → {}{same}", value::line(old), value::line(new))
        }
        What::Reordered(items) => writeln!(out, "  o {path}: {} items in another order", items.len()),
        What::Text { old, new } => {
            let _ = writeln!(out, "  ~ {path}:");
            for hunk in hunks(old, new) {
                for line in hunk.lines {
                    let sign = match line.side {
                        LineSide::Both => ' ',
                        LineSide::Old => '-',
                        LineSide::New => '+',
                    };
                    let _ = writeln!(out, "      {sign}{}", line.text());
                }
            }
            Ok(())
        }
        What::Embedded { format, changes, .. } => {
            let _ = writeln!(out, "  ~ {path} ({}):", format.name());
            for inner in changes {
                self::change(out, inner);
            }
            Ok(())
        }
    };
}
