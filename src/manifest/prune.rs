//! What may be deleted of that which left the tree: rules for one object ([`fate`]), and the guard that holds a sync that
//! would delete too much ([`guard`]). Pure; the diff says with them beforehand what the applier does with them later.

use std::fmt;

use crate::id::ObjectId;
use crate::release::{PruneBudget, Removal, RemovalOf, removal_text};

use super::{GENERATED_ANNOTATION, HOOK_ANNOTATION};

/// `enabled` lets an object of a kind go that is never pruned else; `disabled` (and what nobody knows) keeps any object.
pub const PRUNE_ANNOTATION: &str = "kcfg.dev/prune";
/// Helm's annotation; `keep` keeps any object.
pub const HELM_POLICY_ANNOTATION: &str = "helm.sh/resource-policy";
/// Kinds that hold what no manifest brings back, as group and kind.
pub const NEVER_PRUNED: &[(&str, &str)] = &[
    ("", "Namespace"),
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
];
/// Below so many deletions the budget's percentage does not count: two of five objects are forty percent, and nothing odd.
pub const PERCENT_COUNTS_FROM: usize = 3;

/// What becomes of an object that nothing wants any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is deleted, as far as the guard lets it go.
    Deleted,
    /// It stays in the cluster, no longer kcfg's.
    Kept(Keeper),
}

/// Why an object is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// Its kind is never pruned.
    Kind,
    /// It is a Secret with values that were made up in the cluster, which nothing brings back.
    Generated,
    /// `kcfg.dev/prune: disabled`.
    Annotation,
    /// `helm.sh/resource-policy: keep`.
    HelmPolicy,
    /// It is a Helm hook: its delete policy alone says when it goes.
    Hook,
}

/// What becomes of an object, told by its id and by the annotations it *had* while it was wanted.
pub fn fate<'a>(id: &ObjectId, annotation: impl Fn(&str) -> Option<&'a str>) -> Fate {
    if annotation(HOOK_ANNOTATION).is_some() {
        return Fate::Kept(Keeper::Hook);
    }
    // As Helm reads it (action.filterManifestsToKeep).
    if annotation(HELM_POLICY_ANNOTATION).is_some_and(|policy| policy.trim().eq_ignore_ascii_case("keep")) {
        return Fate::Kept(Keeper::HelmPolicy);
    }
    match annotation(PRUNE_ANNOTATION) {
        Some("enabled") => return Fate::Deleted,
        Some(_) => return Fate::Kept(Keeper::Annotation),
        None => {}
    }
    if NEVER_PRUNED.contains(&(&*id.group, &*id.kind)) {
        return Fate::Kept(Keeper::Kind);
    }
    if annotation(GENERATED_ANNOTATION).is_some() {
        return Fate::Kept(Keeper::Generated);
    }
    Fate::Deleted
}

/// An object that a sync would delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion<'a> {
    /// Its release.
    pub release: &'a str,
    /// The digest that the release had when it was last applied as a whole; none if it never was.
    pub digest: Option<&'a str>,
    /// Its id.
    pub id: &'a ObjectId,
}

/// How much of an environment a sync would touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The environment's objects before the sync.
    pub object_count: usize,
    /// Those of them that are still wanted after it; what is kept though nothing wants it is not among them.
    pub staying_count: usize,
}

/// What the guard holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held<'a> {
    /// Why.
    pub excess: Excess,
    /// What is held; deletions that a Removal covers are not among it, and go.
    pub deletions: Vec<Deletion<'a>>,
}

/// How a sync goes beyond the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// It deletes everything that the environment has.
    Everything {
        /// Objects it would delete.
        deletions: usize,
    },
    /// It deletes more objects than the budget has.
    Objects {
        /// Objects it would delete.
        deletions: usize,
        /// The budget.
        max: u64,
    },
    /// It deletes a larger part of the environment than the budget has.
    Percent {
        /// Objects it would delete.
        deletions: usize,
        /// The environment's objects.
        of: usize,
        /// The budget.
        max: u64,
    },
}

/// What of a sync's deletions is held; none if all may go. What a Removal covers, by release, digest and id, is approved by
/// name; the budget is for the others.
pub fn guard<'a>(
    deletions: &[Deletion<'a>],
    extent: Extent,
    budget: PruneBudget,
    removals: &[Removal],
) -> Option<Held<'a>> {
    let is_covered = |deletion: &Deletion<'_>| {
        deletion.digest.is_some_and(|digest| removals.iter().any(|r| r.covers(deletion.release, digest, deletion.id)))
    };
    let held: Vec<Deletion<'a>> = deletions.iter().copied().filter(|deletion| !is_covered(deletion)).collect();
    let count = held.len();
    let excess = if count > 0 && extent.staying_count == 0 {
        Excess::Everything { deletions: count }
    } else if count as u64 > budget.objects {
        Excess::Objects { deletions: count, max: budget.objects }
    } else if count >= PERCENT_COUNTS_FROM && count as u64 * 100 > budget.percent * extent.object_count as u64 {
        Excess::Percent { deletions: count, of: extent.object_count, max: budget.percent }
    } else {
        return None;
    };
    Some(Held { excess, deletions: held })
}

impl Held<'_> {
    /// The Removal document that lets go what is held; none where no release has a digest to start from.
    pub fn removal(&self) -> Option<String> {
        let mut releases: Vec<RemovalOf> = Vec::new();
        for deletion in &self.deletions {
            let Some(digest) = deletion.digest else { continue };
            let known = releases.iter_mut().find(|of| of.release == deletion.release && of.from == digest);
            match known {
                Some(of) => of.objects.push(deletion.id.clone()),
                None => releases.push(RemovalOf {
                    release: deletion.release.to_owned(),
                    from: digest.to_owned(),
                    objects: vec![deletion.id.clone()],
                }),
            }
        }
        releases.sort_by(|a, b| a.release.cmp(&b.release));
        releases.iter_mut().for_each(|of| of.objects.sort());
        (!releases.is_empty()).then(|| removal_text(&releases))
    }
}

impl fmt::Display for Excess {
    /// As the end of a sentence that begins with "this sync".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objects = |count: usize| if count == 1 { "1 object".into() } else { format!("{count} objects") };
        match self {
            Excess::Everything { deletions } => {
                write!(f, "would delete everything that the environment has ({})", objects(*deletions))
            }
            Excess::Objects { deletions, max } => {
                write!(f, "would delete {}; the prune budget is {max}", objects(*deletions))
            }
            Excess::Percent { deletions, of, max } => {
                write!(f, "would delete {} of {of}; the prune budget is {max} %", objects(*deletions))
            }
        }
    }
}

impl fmt::Display for Keeper {
    /// As the end of a sentence that begins with "it is kept:".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Keeper::Kind => "objects of its kind are never pruned unless they carry kcfg.dev/prune: enabled",
            Keeper::Generated => "its values were made up in the cluster, and nothing brings them back",
            Keeper::Annotation => "it carries kcfg.dev/prune: disabled",
            Keeper::HelmPolicy => "it carries helm.sh/resource-policy: keep",
            Keeper::Hook => "it is a Helm hook, which only its own delete policy removes",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::Source;
    use crate::release::parse_environment;

    fn id(text: &str) -> ObjectId {
        text.parse().expect("an id")
    }

    #[test]
    fn what_becomes_of_an_object_follows_from_kind_and_annotations() {
        let kept = Fate::Kept;
        type Row = (&'static str, &'static [(&'static str, &'static str)], Fate);
        let table: &[Row] = &[
            ("apps/Deployment/shop/web", &[], Fate::Deleted),
            ("core/Secret/shop/web", &[], Fate::Deleted),
            ("core/Namespace/-/shop", &[], kept(Keeper::Kind)),
            ("core/PersistentVolume/-/disk", &[], kept(Keeper::Kind)),
            ("core/PersistentVolumeClaim/shop/data", &[], kept(Keeper::Kind)),
            ("apiextensions.k8s.io/CustomResourceDefinition/-/w.example.com", &[], kept(Keeper::Kind)),
            // A kind of the same name in another group is another kind.
            ("example.com/Namespace/-/shop", &[], Fate::Deleted),
            ("core/PersistentVolumeClaim/shop/data", &[(PRUNE_ANNOTATION, "enabled")], Fate::Deleted),
            ("apps/Deployment/shop/web", &[(PRUNE_ANNOTATION, "disabled")], kept(Keeper::Annotation)),
            // What cannot be read keeps.
            ("apps/Deployment/shop/web", &[(PRUNE_ANNOTATION, "enbled")], kept(Keeper::Annotation)),
            ("apps/Deployment/shop/web", &[(HELM_POLICY_ANNOTATION, "keep")], kept(Keeper::HelmPolicy)),
            ("apps/Deployment/shop/web", &[(HELM_POLICY_ANNOTATION, " KEEP ")], kept(Keeper::HelmPolicy)),
            ("apps/Deployment/shop/web", &[(HELM_POLICY_ANNOTATION, "delete")], Fate::Deleted),
            (
                "apps/Deployment/shop/web",
                &[(HELM_POLICY_ANNOTATION, "keep"), (PRUNE_ANNOTATION, "enabled")],
                kept(Keeper::HelmPolicy),
            ),
            ("core/Secret/shop/web", &[(GENERATED_ANNOTATION, "key 16 digits")], kept(Keeper::Generated)),
            (
                "core/Secret/shop/web",
                &[(GENERATED_ANNOTATION, "key 16 digits"), (PRUNE_ANNOTATION, "enabled")],
                Fate::Deleted,
            ),
            ("batch/Job/shop/migrate", &[(HOOK_ANNOTATION, "pre-upgrade")], kept(Keeper::Hook)),
        ];
        for (text, annotations, expected) in table {
            let found = fate(&id(text), |key| annotations.iter().find(|(k, _)| *k == key).map(|(_, value)| *value));
            assert_eq!(found, *expected, "{text} {annotations:?}");
        }
    }

    /// `count` deletions of `release` from the digest aa….
    fn ids(count: usize) -> Vec<ObjectId> {
        (0..count).map(|n| id(&format!("core/ConfigMap/shop/c{n}"))).collect()
    }

    fn deletions<'a>(release: &'a str, digest: Option<&'a str>, ids: &'a [ObjectId]) -> Vec<Deletion<'a>> {
        ids.iter().map(|id| Deletion { release, digest, id }).collect()
    }

    fn removals(texts: &[String]) -> Vec<Removal> {
        let sources: Vec<Arc<Source>> =
            texts.iter().enumerate().map(|(n, text)| Source::new(format!("releases/prod/{n}.yaml"), &**text)).collect();
        let docs = parse_environment("prod", &sources);
        assert!(docs.errors.is_empty(), "{:?}", docs.errors);
        docs.removals
    }

    #[test]
    fn a_sync_beyond_the_budget_is_held() {
        let budget = PruneBudget::default();
        let of = |objects, percent| PruneBudget { objects, percent };
        // Deletions, objects before, objects that stay, the budget, what is said.
        let table: &[(usize, usize, usize, PruneBudget, Option<&str>)] = &[
            (0, 0, 0, budget, None),
            (0, 5, 5, budget, None),
            (1, 5, 4, budget, None),
            (2, 5, 3, budget, None),
            (3, 5, 2, budget, Some("would delete 3 objects of 5; the prune budget is 20 %")),
            (3, 15, 12, budget, None),
            (3, 14, 11, budget, Some("would delete 3 objects of 14; the prune budget is 20 %")),
            (10, 1000, 990, budget, None),
            (11, 1000, 989, budget, Some("would delete 11 objects; the prune budget is 10")),
            (1, 1, 0, budget, Some("would delete everything that the environment has (1 object)")),
            (2, 2, 0, budget, Some("would delete everything that the environment has (2 objects)")),
            (1, 2, 1, budget, None),
            (20, 1000, 980, of(20, 20), None),
            (1, 1000, 999, of(0, 20), Some("would delete 1 object; the prune budget is 0")),
            (9, 10, 1, of(10, 100), None),
            (3, 1000, 997, of(10, 0), Some("would delete 3 objects of 1000; the prune budget is 0 %")),
            (10, 10, 0, of(10, 100), Some("would delete everything that the environment has (10 objects)")),
        ];
        for (count, object_count, staying_count, budget, expected) in table {
            let ids = ids(*count);
            let deletions = deletions("web", None, &ids);
            let extent = Extent { object_count: *object_count, staying_count: *staying_count };
            let held = guard(&deletions, extent, *budget, &[]);
            assert_eq!(held.as_ref().map(|held| held.excess.to_string()).as_deref(), *expected, "{count} {extent:?}");
            assert!(held.is_none_or(|held| held.deletions == deletions));
        }
    }

    #[test]
    fn the_document_that_a_held_sync_asks_for_lets_it_go_and_nothing_else() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let ids = ids(12);
        let mut all = deletions("web", Some(&a), &ids[..7]);
        all.extend(deletions("007", Some(&b), &ids[7..]));
        let extent = Extent { object_count: 100, staying_count: 88 };
        let budget = PruneBudget::default();
        let held = guard(&all, extent, budget, &[]).expect("twelve are more than ten");
        let document = held.removal().expect("there are digests");
        assert_eq!(guard(&all, extent, budget, &removals(std::slice::from_ref(&document))), None);
        let removals = removals(&[document]);

        // Half of it is done already: the rest may go too, from the same state.
        assert_eq!(guard(&all[3..], Extent { object_count: 97, staying_count: 88 }, budget, &removals), None);
        // From another state it is good for nothing.
        let elsewhere = deletions("web", Some(&b), &ids);
        assert_eq!(guard(&elsewhere, extent, budget, &removals).map(|held| held.deletions.len()), Some(12));
        // Nor for a release that was never applied as a whole, or another release.
        assert!(guard(&deletions("web", None, &ids), extent, budget, &removals).is_some());
        assert!(guard(&deletions("api", Some(&a), &ids), extent, budget, &removals).is_some());
        // What it does not name is for the budget.
        let more: Vec<ObjectId> = (0..11).map(|n| id(&format!("core/Secret/shop/s{n}"))).collect();
        let mut with_one = all.clone();
        with_one.extend(deletions("web", Some(&a), &more[..1]));
        assert_eq!(guard(&with_one, extent, budget, &removals), None);
        let mut with_more = all.clone();
        with_more.extend(deletions("web", Some(&a), &more));
        let held = guard(&with_more, extent, budget, &removals).expect("eleven are more than ten");
        assert_eq!(held.excess, Excess::Objects { deletions: 11, max: 10 });
        assert_eq!(held.deletions, deletions("web", Some(&a), &more));
        // Without a digest there is nothing that a document could start from.
        assert_eq!(Held { excess: held.excess, deletions: deletions("web", None, &more) }.removal(), None);
    }
}
