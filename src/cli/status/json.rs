//! The status for programs; docs/status.md says what is in it. Pure.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::shown::{Shown, Trouble, is_well};

/// The document of `--format json`.
pub fn json(shown: &[Shown], now: Timestamp) -> Value {
    let environments: Vec<Value> = shown.iter().map(|one| environment(one, now)).collect();
    json!({"well": is_well(shown), "environments": environments})
}

/// What it holds of one environment.
pub fn environment(one: &Shown, now: Timestamp) -> Value {
    let suspensions = one.state.suspensions.as_ref().ok();
    let suspensions: Vec<Value> = suspensions
        .into_iter()
        .flat_map(|suspensions| suspensions.in_force(now))
        .map(|s| {
            json!({"selector": s.selector.to_string(), "until": s.until.to_string(),
                           "since": s.since.to_string(), "by": s.by, "reason": s.reason})
        })
        .collect();
    let loop_ = one.state.lease.as_ref().map(
        |lease| json!({"holder": lease.holder, "renewed": lease.renewed.to_string(), "alive": lease.is_alive(now)}),
    );
    let troubles: Vec<Value> =
        one.troubles.iter().map(|Trouble { what, help, .. }| json!({"what": what, "help": help})).collect();
    json!({
        "environment": one.state.name,
        "well": one.troubles.is_empty(),
        "status": one.state.status,
        "lag": one.lag.as_ref().map(|lag| json!({"commits": lag.commits, "oldest": lag.oldest})),
        "loop": loop_,
        "suspensions": suspensions,
        "releases": one.state.releases,
        "troubles": troubles,
    })
}
