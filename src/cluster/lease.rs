//! Who may write: one process at a time, by a Lease (coordination.k8s.io/v1) in kcfg's own namespace, one for each
//! environment. The rules are those of client-go's leader election:
//!
//! - a Lease is free when nobody is named in it, when who is named is a process of this machine that has ended, or when
//!   it has not changed for its duration, measured by the watcher's own [`Moment`]s: the clocks of two machines are
//!   never compared;
//! - every write names the version that was read, so that of two who try one loses;
//! - who holds it writes anew every [`RENEW_PERIOD`]. From the moment at which the last such write that succeeded was
//!   *sent*, requests may leave for [`LEASE_DURATION`] − [`MARGIN`]; that is set as the deadline of the [`Gate`]. One that
//!   leaves at the deadline arrives within [`SENDING_TIMEOUT`] or never, and the API server works at it for
//!   [`WRITING_TIMEOUT`] at most, so that it is over before anybody else may take the Lease, whatever became of the
//!   process that sent it.
//!
//! Who applies once takes the same Lease, and gives way to one that is renewed: [`Lease::seize`].
//!
//! The Lease's own requests go through a client of their own, whose gate stays open.

use std::time::Duration;

use http::Method;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::client::{Accept, Call, Client, Failure, Gate, JSON, SENDING_TIMEOUT, WRITING_TIMEOUT, segment};
use super::moment::Moment;
use super::{Contender, Target, parent};
use crate::error::Diagnostic;
use crate::plan::OWN_NAMESPACE;

/// How long a Lease lasts that is not renewed.
pub const LEASE_DURATION: Duration = Duration::from_secs(60);
/// How long before its end no request leaves any more.
pub const MARGIN: Duration = SENDING_TIMEOUT.saturating_add(WRITING_TIMEOUT);
/// How often it is renewed.
pub const RENEW_PERIOD: Duration = Duration::from_secs(5);
/// How often it is looked at by who waits for it to be free.
const SEIZE_PERIOD: Duration = Duration::from_secs(1);
/// How long one write of it may take.
const RENEW_TIMEOUT: Duration = Duration::from_secs(5);

/// What trying to take or keep the Lease came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It is ours; requests may leave until then.
    Ours(Moment),
    /// It is somebody else's.
    Theirs(String),
}

/// Why the Lease was not to be had.
#[derive(Debug)]
pub enum Seizure {
    /// Somebody else has it and renews it.
    Held(String),
    /// The API server does not answer, or forbids it.
    Failure(Failure),
}

/// The Lease of an environment, as one process sees it.
#[derive(Debug)]
pub struct Lease {
    client: Client,
    name: String,
    contender: Contender,
    /// The Lease as it was read or written last, and since when it has been so.
    seen: Option<(Value, Moment)>,
}

impl Lease {
    /// Prepares the connection; nothing is sent yet. Whoever takes the Lease knows that this is the right cluster: kcfg's
    /// namespace is made, if it is not there.
    ///
    /// # Errors
    /// As for [`Client::new`].
    pub async fn new(target: &Target, environment: &str, contender: Contender) -> Result<Lease, Diagnostic> {
        let client = Client::new(target, Gate::default()).await?;
        Ok(Lease { client, name: lease_name(environment), contender, seen: None })
    }

    /// The name of the Lease.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many requests were sent for it.
    pub fn requests(&self) -> u64 {
        self.client.requests()
    }

    /// Takes the Lease, or keeps it.
    ///
    /// # Errors
    /// The API server does not answer, or forbids it.
    pub async fn attempt(&mut self) -> Result<Attempt, Failure> {
        let known = match &self.seen {
            // Renewing is one request; somebody else's Lease is read anew.
            Some((lease, _)) if holder(lease) == self.contender.name => Some(lease.clone()),
            _ => self.read().await?,
        };
        let now = Moment::now();
        if let Some(lease) = &known
            && holder(lease) != self.contender.name
            && !self.is_free(lease, now)
        {
            return Ok(Attempt::Theirs(holder(lease).to_owned()));
        }
        match self.write(known.as_ref(), &self.contender.name.clone(), LEASE_DURATION).await {
            Ok(lease) => {
                self.seen = Some((lease, now));
                Ok(Attempt::Ours(now + (LEASE_DURATION - MARGIN)))
            }
            // Somebody else was faster.
            Err(Failure::Refused { code: 409, .. }) => {
                self.seen = None;
                let lease = self.read().await?;
                Ok(Attempt::Theirs(lease.as_ref().map_or("", holder).to_owned()))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Takes the Lease for one synchronisation. Who has it and renews it keeps it; one that is not renewed is waited for
    /// until it is free, which `waits` is told.
    ///
    /// # Errors
    /// Somebody else has it, or what [`Lease::attempt`] has.
    pub async fn seize(&mut self, mut waits: impl FnMut(&str)) -> Result<Moment, Seizure> {
        let mut first: Option<(String, String)> = None;
        loop {
            match self.attempt().await.map_err(Seizure::Failure)? {
                Attempt::Ours(deadline) => return Ok(deadline),
                Attempt::Theirs(holder) => {
                    let now =
                        (holder, self.seen.as_ref().map(|(lease, _)| version(lease).to_owned()).unwrap_or_default());
                    match &first {
                        // Renewed, or taken by a third.
                        Some(first) if *first != now => return Err(Seizure::Held(now.0)),
                        Some(_) => {}
                        None => {
                            waits(&now.0);
                            first = Some(now);
                        }
                    }
                }
            }
            tokio::time::sleep(SEIZE_PERIOD).await;
        }
    }

    /// Gives the Lease back, so that the next one need not wait.
    ///
    /// # Errors
    /// As for [`Lease::attempt`]; it then ends by itself.
    pub async fn release(&mut self) -> Result<(), Failure> {
        let Some((lease, _)) = self.seen.take() else { return Ok(()) };
        if holder(&lease) != self.contender.name {
            return Ok(());
        }
        let result = self.write(Some(&lease), "", Duration::from_secs(1)).await;
        if !matches!(result, Err(Failure::Refused { code: 409, .. })) {
            return result.map(drop);
        }
        // A renewal that was given up on may have arrived.
        match self.read().await? {
            Some(lease) if holder(&lease) == self.contender.name => {
                self.write(Some(&lease), "", Duration::from_secs(1)).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Keeps the Lease as long as this is polled, moving the gate's deadline on; ends when somebody else has it.
    pub async fn keep(&mut self, gate: &Gate) -> String {
        loop {
            tokio::time::sleep(RENEW_PERIOD).await;
            match self.attempt().await {
                Ok(Attempt::Ours(deadline)) => gate.set_deadline(Some(deadline)),
                Ok(Attempt::Theirs(holder)) => {
                    gate.set_deadline(Some(Moment::now()));
                    return holder;
                }
                // The deadline stays where it is.
                Err(_) => {}
            }
        }
    }

    /// Reads the Lease, and notes since when it has been as it is.
    async fn read(&mut self) -> Result<Option<Value>, Failure> {
        let call = Call::get(self.path(), Accept::Json);
        let lease: Value = match self.send(call).await {
            Ok(lease) => lease,
            Err(Failure::Refused { code: 404, .. }) => {
                self.seen = None;
                return Ok(None);
            }
            Err(failure) => return Err(failure),
        };
        let since = match &self.seen {
            Some((before, since)) if version(before) == version(&lease) => *since,
            _ => Moment::now(),
        };
        self.seen = Some((lease.clone(), since));
        Ok(Some(lease))
    }

    fn is_free(&self, lease: &Value, now: Moment) -> bool {
        let since = self.seen.as_ref().map_or(now, |(_, since)| *since);
        is_free(lease, now.since(since)) || (self.contender.is_over)(holder(lease))
    }

    async fn write(&self, before: Option<&Value>, holder: &str, duration: Duration) -> Result<Value, Failure> {
        let lease = next(&self.name, before, holder, duration, Timestamp::now());
        let (method, path) = match before {
            Some(_) => (Method::PUT, self.path()),
            None => (Method::POST, collection()),
        };
        let body = lease.to_string().into_bytes();
        let call = Call { method, path, accept: Accept::Json, content_type: JSON, body };
        match self.send(call.clone()).await {
            // The namespace is not there before the first apply.
            Err(Failure::Refused { code: 404, .. }) if before.is_none() => {
                parent::make_own_namespace(&self.client).await?;
                self.send(call).await
            }
            result => result,
        }
    }

    async fn send(&self, call: Call) -> Result<Value, Failure> {
        match tokio::time::timeout(RENEW_TIMEOUT, self.client.send(&call)).await {
            Ok(answer) => answer?.json(),
            Err(_) => Err(Failure::TimedOut),
        }
    }

    fn path(&self) -> String {
        format!("{}/{}", collection(), segment(&self.name))
    }
}

/// The collection that Leases are in.
pub fn collection() -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/{OWN_NAMESPACE}/leases")
}

/// The name of the Lease, and of the environment's record beside it: names of environments may be no names of objects.
pub fn lease_name(environment: &str) -> String {
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if environment.len() <= 200 && environment.bytes().all(is_name) && !environment.ends_with('-') {
        return format!("kcfg-{environment}");
    }
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(environment));
    let clean = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    format!("kcfg-{}.{}", environment.chars().map(clean).take(40).chain(['x']).collect::<String>(), &hash[..10])
}

/// Whether anybody may take a Lease that has been as it is for a time.
fn is_free(lease: &Value, unchanged_for: Duration) -> bool {
    let seconds = lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_u64).unwrap_or(0);
    holder(lease).is_empty() || unchanged_for >= Duration::from_secs(seconds)
}

/// The Lease as its holder writes it.
fn next(name: &str, before: Option<&Value>, holder_now: &str, duration: Duration, now: Timestamp) -> Value {
    let now = json!(format!("{now:.6}"));
    let is_same = before.is_some_and(|before| holder(before) == holder_now);
    let transitions = before.and_then(|before| before.pointer("/spec/leaseTransitions")?.as_u64()).unwrap_or(0);
    let acquired = before.and_then(|before| before.pointer("/spec/acquireTime")).filter(|_| is_same);
    let mut lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": name, "namespace": OWN_NAMESPACE},
        "spec": {
            "holderIdentity": holder_now,
            "leaseDurationSeconds": duration.as_secs(),
            "acquireTime": acquired.unwrap_or(&now),
            "renewTime": now,
            "leaseTransitions": transitions + u64::from(before.is_some() && !is_same && !holder_now.is_empty()),
        },
    });
    if let Some(before) = before {
        lease["metadata"]["resourceVersion"] = json!(version(before));
    }
    lease
}

fn holder(lease: &Value) -> &str {
    lease.pointer("/spec/holderIdentity").and_then(Value::as_str).unwrap_or_default()
}

fn version(lease: &Value) -> &str {
    lease.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::client::REQUEST_TIMEOUT;
    use super::*;

    const _: () = assert!(MARGIN.as_secs() > REQUEST_TIMEOUT.as_secs());
    const _: () = assert!(LEASE_DURATION.as_secs() - MARGIN.as_secs() > 3 * RENEW_PERIOD.as_secs());

    fn lease(holder: &str) -> Value {
        json!({
            "metadata": {"resourceVersion": "7"},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 60, "acquireTime": "then", "leaseTransitions": 2},
        })
    }

    #[test]
    fn a_lease_is_free_when_nobody_has_it_or_nothing_moved_for_its_duration() {
        for (holder, seconds, free) in [("", 0, true), ("a", 0, false), ("a", 59, false), ("a", 60, true)] {
            assert_eq!(is_free(&lease(holder), Duration::from_secs(seconds)), free, "{holder} {seconds}");
        }
    }

    #[test]
    fn what_is_written() {
        let now: Timestamp = "2026-01-02T03:04:05.5Z".parse().unwrap();
        let spec = |before: Option<&Value>, holder: &str| next("n", before, holder, LEASE_DURATION, now);
        let first = spec(None, "a");
        assert_eq!(first["metadata"].get("resourceVersion"), None);
        assert_eq!(first["spec"]["renewTime"], "2026-01-02T03:04:05.500000Z");
        assert_eq!(first["spec"]["leaseTransitions"], 0);
        let renewed = spec(Some(&lease("a")), "a");
        assert_eq!(
            (&renewed["spec"]["acquireTime"], &renewed["spec"]["leaseTransitions"]),
            (&json!("then"), &json!(2))
        );
        assert_eq!(renewed["metadata"]["resourceVersion"], "7");
        let taken = spec(Some(&lease("b")), "a");
        assert_eq!(taken["spec"]["leaseTransitions"], 3);
        assert_eq!(taken["spec"]["acquireTime"], taken["spec"]["renewTime"]);
        assert_eq!(spec(Some(&lease("a")), "")["spec"]["leaseTransitions"], 2);
    }

    #[test]
    fn names() {
        assert_eq!(lease_name("prod"), "kcfg-prod");
        assert_ne!(lease_name("Prod_1"), lease_name("prod-1"));
        assert!(lease_name(&"X_".repeat(100)).len() < 70);
    }
}
