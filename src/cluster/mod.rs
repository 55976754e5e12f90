//! The applier: what makes a cluster equal to the rendered tree. Only here are tokio and kube.

pub mod generated;
pub mod health;
