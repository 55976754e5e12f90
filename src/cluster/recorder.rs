//! Sends Events (events.k8s.io/v1), and none twice: what happens again is counted in the series of the one that is there.
//!
//! The API server wants the Event of an object that lives in a namespace in that namespace. So what is about such an object
//! that exists is there, for `kubectl describe`; all else, cluster-scoped objects too, is about the record of the environment,
//! in kcfg's own namespace, and names the object in its text.
//!
//! Events tell; nothing depends on them. Each is sent once, within [`EVENT_TIMEOUT`]; that one could not be is for the
//! caller to say, and stops nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::plan::OWN_NAMESPACE;

use super::EventsSent;
use super::client::{Accept, Call, Client, Failure, JSON, MERGE_PATCH, segment};
use super::discovery::Discovery;
use super::event::{Event, NOTE_BYTES_MAX};
use super::lease::lease_name;
use super::parallel::each;
use super::status::without_digits;

/// Events that one synchronisation sends; of more the number is sent.
pub const EVENTS_MAX: usize = 20;
/// The shortest time between two updates of the same Event, but for the first: what happens meanwhile is counted.
pub const SERIES_PAUSE: Duration = Duration::from_secs(600);
/// How long the API server keeps an Event that nobody updates, if nobody told it otherwise; what is remembered of it here
/// is forgotten then.
const EVENT_LIFE: Duration = Duration::from_secs(3600);
/// Events that are remembered. Of more, those are forgotten that were sent longest ago: if one of them happens again, the
/// cluster says that it is there.
const TOLD_MAX: usize = 1000;
/// How long sending one may take.
const EVENT_TIMEOUT: Duration = Duration::from_secs(5);
/// Who reports: the name of the controller, qualified as the API server wants it.
const CONTROLLER: &str = "kcfg.dev/kcfg";
/// Bytes of an object's name that the name of an Event repeats; both have at most 253.
const NAME_BYTES_MAX: usize = 200;
/// Bytes that the name of a process may have in an Event.
const INSTANCE_BYTES_MAX: usize = 128;

/// What is remembered of an Event.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// How often it happened.
    count: u64,
    /// When it was last sent.
    at: Instant,
    /// Whether a repetition was sent.
    is_series: bool,
}

/// The Events of one environment.
#[derive(Debug, Default)]
pub struct Recorder {
    /// The process that reports.
    pub instance: String,
    told: HashMap<String, Told>,
}

/// What a note is filed under, and the cluster's names for what it is about.
struct Regarded {
    namespace: String,
    reference: Value,
    /// What the Event's name begins with.
    name: String,
    note: String,
}

impl Recorder {
    /// Sends Events. The commit, where there is one, is an annotation.
    pub async fn send(
        &mut self,
        client: &Client,
        discovery: &Discovery,
        environment: &str,
        commit: Option<&str>,
        mut events: Vec<Event>,
    ) -> EventsSent {
        if events.len() > EVENTS_MAX {
            let more = events.split_off(EVENTS_MAX - 1);
            events.push(summary(environment, &more));
        }
        let now = Instant::now();
        self.told.retain(|_, told| now.saturating_duration_since(told.at) < EVENT_LIFE);
        let mut tasks = Vec::new();
        for event in events {
            let regarded = regard(&event, discovery, environment);
            let name = name(environment, &event, &regarded);
            let count = match self.told.get_mut(&name) {
                None => 1,
                Some(told) => {
                    told.count += 1;
                    if (told.is_series || event.is_lasting) && now.saturating_duration_since(told.at) < SERIES_PAUSE {
                        continue;
                    }
                    told.count
                }
            };
            let body = body(environment, &self.instance, commit, &event, &regarded, &name);
            let client = client.clone();
            tasks.push(async move {
                let sent = write(&client, &regarded.namespace, &name, &body, count, event.is_lasting).await;
                (name, sent)
            });
        }
        let mut sent = EventsSent::default();
        each(tasks, |(name, result): (String, Result<(u64, bool), Failure>)| match result {
            Ok((count, is_written)) => {
                sent.written += usize::from(is_written);
                remember(&mut self.told, name, Told { count, at: Instant::now(), is_series: count > 1 });
            }
            // Whoever is to stop has nothing to complain about.
            Err(Failure::Stopped) => {}
            Err(failure) => {
                sent.failed += 1;
                sent.why.get_or_insert_with(|| failure.to_string());
            }
        })
        .await;
        sent
    }
}

fn remember(all: &mut HashMap<String, Told>, name: String, told: Told) {
    if all.len() >= TOLD_MAX {
        let mut times: Vec<Instant> = all.values().map(|told| told.at).collect();
        let (_, middle, _) = times.select_nth_unstable(TOLD_MAX / 2);
        all.retain(|_, told| told.at > *middle);
    }
    all.insert(name, told);
}

/// Makes an Event, or updates the series of one that is there. Gives how often it happened by then, and whether something
/// was written: what lasts is not told anew while an Event of it is young.
async fn write(
    client: &Client,
    namespace: &str,
    name: &str,
    body: &Value,
    count: u64,
    is_lasting: bool,
) -> Result<(u64, bool), Failure> {
    let collection = format!("/apis/events.k8s.io/v1/namespaces/{}/events", segment(namespace));
    let path = format!("{collection}/{}", segment(name));
    let read = async || client.send_once(&Call::get(path.clone(), Accept::Json), EVENT_TIMEOUT).await?.json::<Value>();
    let make = async || {
        let (content_type, body) = (JSON, body.to_string().into_bytes());
        let path = collection.clone();
        let call = Call { method: Method::POST, path, accept: Accept::Metadata, content_type, body };
        client.send_once(&call, EVENT_TIMEOUT).await
    };
    let mut count = count;
    if count == 1 {
        let there = match is_lasting {
            true => read().await,
            false => Err(Failure::Refused { code: 404, reason: String::new(), message: String::new(), causes: vec![] }),
        };
        let there = match there {
            Err(Failure::Refused { code: 404, .. }) => match make().await {
                Ok(_) => return Ok((1, true)),
                // An earlier process told of the same.
                Err(Failure::Refused { code: 409, .. }) => read().await?,
                Err(failure) => return Err(failure),
            },
            there => there?,
        };
        count = there["series"]["count"].as_u64().unwrap_or(1) + 1;
        let last = there["series"]["lastObservedTime"].as_str().or(there["eventTime"].as_str());
        let last = last.and_then(|text| text.parse::<Timestamp>().ok());
        let is_young = last.is_some_and(|last| Timestamp::now().duration_since(last).unsigned_abs() < SERIES_PAUSE);
        if is_lasting && is_young {
            return Ok((count, false));
        }
    }
    let series = json!({"series": {"count": count, "lastObservedTime": moment()}});
    let patch = Call::patch(path.clone(), MERGE_PATCH, series.to_string().into_bytes());
    match client.send_once(&patch, EVENT_TIMEOUT).await {
        // The API server has let it go: it begins anew.
        Err(Failure::Refused { code: 404, .. }) => make().await.map(|_| (1, true)),
        result => result.map(|_| (count, true)),
    }
}

fn regard(event: &Event, discovery: &Discovery, environment: &str) -> Regarded {
    if let Some(id) = &event.object
        && let Some(namespace) = &id.namespace
        && let Some(resource) = discovery.get(&id.group, &id.kind)
        && let Some(uid) = &event.uid
    {
        let version = resource.preferred();
        let version = if id.group.is_empty() { version.to_owned() } else { format!("{}/{version}", id.group) };
        let reference = json!({"apiVersion": version, "kind": &*id.kind, "namespace": &**namespace, "name": &*id.name,
                               "uid": &**uid});
        let (namespace, name) = (namespace.to_string(), id.name.to_string());
        return Regarded { namespace, reference, name, note: event.note.clone() };
    }
    let name = lease_name(environment);
    let reference = json!({"apiVersion": "v1", "kind": "ConfigMap", "namespace": OWN_NAMESPACE, "name": name});
    let note = match &event.object {
        Some(id) => format!("{id}: {}", event.note),
        None => event.note.clone(),
    };
    Regarded { namespace: OWN_NAMESPACE.to_owned(), reference, name, note }
}

/// The same for what is the same but for numbers, so that a process that is started anew counts on.
fn name(environment: &str, event: &Event, regarded: &Regarded) -> String {
    let words = without_digits(&regarded.note);
    let uid = regarded.reference["uid"].as_str().unwrap_or_default();
    let object = event.object.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [environment, &object, uid, event.reason, &words] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let hash = HEXLOWER.encode(&hash.finalize()[..8]);
    // Names of objects may hold what names of Events may not, such as the colon of a Role.
    let clean = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' { c } else { '-' };
    let stem: String = regarded.name.to_ascii_lowercase().chars().map(clean).take(NAME_BYTES_MAX).collect();
    let stem = stem.trim_matches('-');
    if stem.is_empty() { format!("kcfg.{hash}") } else { format!("{stem}.{hash}") }
}

fn body(
    environment: &str,
    instance: &str,
    commit: Option<&str>,
    event: &Event,
    regarded: &Regarded,
    name: &str,
) -> Value {
    let mut annotations = json!({"kcfg.dev/environment": environment});
    if let Some(commit) = commit {
        annotations["kcfg.dev/commit"] = json!(commit);
    }
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": regarded.namespace, "annotations": annotations},
        "eventTime": moment(),
        "reportingController": CONTROLLER,
        "reportingInstance": if instance.is_empty() { "kcfg" } else { cut(instance, INSTANCE_BYTES_MAX) },
        "regarding": regarded.reference,
        "reason": event.reason,
        "action": event.action,
        "type": if event.is_warning { "Warning" } else { "Normal" },
        "note": note(&regarded.note),
    })
}

/// A text as a note: not longer than one may be.
fn note(text: &str) -> String {
    if text.len() <= NOTE_BYTES_MAX {
        return text.to_owned();
    }
    format!("{}…", cut(text, NOTE_BYTES_MAX - "…".len()))
}

fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// What all the Events come to that are too many.
fn summary(environment: &str, more: &[Event]) -> Event {
    let mut counts: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    more.iter().for_each(|event| *counts.entry(event.reason).or_default() += 1);
    let parts: Vec<String> = counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let note = format!("{} more: {}; `kcfg status {environment}` and the log have all", more.len(), parts.join(", "));
    let is_warning = more.iter().any(|event| event.is_warning);
    Event { is_warning, ..Event::of_environment("More", "Synchronise", note) }
}

/// Now, as the API server wants it: to the microsecond, with all six digits.
fn moment() -> String {
    format!("{:.6}", Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::ObjectId;

    fn regarded(name: &str, note: &str) -> Regarded {
        let reference = json!({"uid": "u"});
        Regarded { namespace: "shop".into(), reference, name: name.into(), note: note.into() }
    }

    #[test]
    fn names_are_names_and_the_same_for_the_same() {
        let id: ObjectId = "rbac.authorization.k8s.io/Role/shop/system:Reader_1".parse().unwrap();
        let event = Event::warning(&id, "ApplyFailed", "Apply", "x".into());
        let name_of = |text: &str| name("prod", &event, &regarded("system:Reader_1", text));
        let first = name_of("not ready after 10 s");
        assert!(first.starts_with("system-reader-1.") && first.len() == "system-reader-1.".len() + 16, "{first}");
        assert_eq!(first, name_of("not ready after 300 s"));
        assert_ne!(first, name_of("denied"));
        assert_ne!(first, name("staging", &event, &regarded("system:Reader_1", "not ready after 10 s")));
        assert!(name("prod", &event, &regarded("---", "x")).starts_with("kcfg."));
        assert!(name("prod", &event, &regarded(&"é".repeat(253), "x")).len() <= 253);
    }

    #[test]
    fn notes_have_no_more_bytes_than_they_may() {
        for text in ["x".repeat(5000), "é".repeat(600), "€".repeat(342)] {
            let note = note(&text);
            assert!(note.len() <= NOTE_BYTES_MAX && note.ends_with('…'), "{}", note.len());
        }
        assert_eq!(note(&"x".repeat(NOTE_BYTES_MAX)).len(), NOTE_BYTES_MAX);
        let more = [
            Event::of_environment("Pruned", "Prune", String::new()).normal(),
            Event::of_environment("Held", "Prune", String::new()),
        ];
        let summary = summary("prod", &more);
        assert_eq!(
            (summary.is_warning, summary.note.as_str()),
            (true, "2 more: 1 Held, 1 Pruned; `kcfg status prod` and the log have all")
        );
    }

    #[test]
    fn of_many_events_the_last_are_remembered() {
        let mut all = HashMap::new();
        let begin = Instant::now();
        for n in 0..10 * TOLD_MAX {
            let at = begin + Duration::from_millis(n as u64);
            remember(&mut all, n.to_string(), Told { count: 1, at, is_series: false });
            assert!(all.len() <= TOLD_MAX && all.contains_key(&n.saturating_sub(TOLD_MAX / 3).to_string()));
        }
    }

    #[test]
    fn a_moment_has_six_digits() {
        let moment = moment();
        assert_eq!((moment.len(), moment.as_bytes()[19]), ("2026-01-02T03:04:05.000000Z".len(), b'.'), "{moment}");
    }
}
