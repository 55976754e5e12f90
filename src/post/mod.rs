//! The poster: one comment on a pull or merge request, made once and then kept up to date, and the statuses of commits.
//!
//! In: a [`Target`] (worked out of flags and the CI's variables, both handed in) and the comment's text; or a
//! [`StatusTarget`] (worked out of a repository's address) and a [`CommitStatus`]. Out: where it stands now. Only this
//! module talks to a forge's API; it needs feature `post`.

#[cfg(feature = "post")]
#[path = "enabled.rs"]
mod client;
#[cfg(not(feature = "post"))]
#[path = "disabled.rs"]
mod client;
#[cfg(feature = "post")]
mod commit_status;
#[cfg(feature = "post")]
mod github;
#[cfg(feature = "post")]
mod gitlab;
#[cfg(feature = "post")]
mod http;
mod status_target;
mod target;

use std::fmt;

pub use client::post;
#[cfg(feature = "post")]
pub use commit_status::set_commit_status;
pub use status_target::{StatusForge, StatusTarget};
pub use target::{Asked, target};

/// Where pull requests are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forge {
    /// github.com, or a GitHub Enterprise Server.
    GitHub,
    /// gitlab.com, or any other GitLab.
    GitLab,
}

/// The pull or merge request to comment on, and how to get at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where it is.
    pub forge: Forge,
    /// The API's address, without `/` at its end.
    pub api: String,
    /// `owner/name` on GitHub; the number or the path of the project on GitLab.
    pub project: String,
    /// The number of the pull or merge request.
    pub number: u64,
    /// What to sign in with.
    pub token: Token,
}

/// A token; its text never shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    kind: TokenKind,
    text: String,
}

/// How a token is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenKind {
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization: token`: Gitea's.
    #[cfg(feature = "post")]
    Plain,
    /// `PRIVATE-TOKEN`: GitLab's tokens of people, projects and groups.
    Private,
    /// `JOB-TOKEN`: what GitLab gives to each job.
    Job,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:?}, hidden)", self.kind)
    }
}

/// What became of the comment, with its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// It is new.
    Created(String),
    /// It says something else now.
    Updated(String),
    /// It said so already.
    Unchanged(String),
}

/// How a commit does somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitState {
    /// All is as it should be.
    Success,
    /// Something is not.
    Failure,
    /// That is not known yet.
    Pending,
}

impl CommitState {
    /// As GitHub and Gitea call it, and logs.
    pub fn word(self) -> &'static str {
        match self {
            CommitState::Success => "success",
            CommitState::Failure => "failure",
            CommitState::Pending => "pending",
        }
    }
}

/// A line beside a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitStatus {
    /// The commit's id, in full.
    pub commit: String,
    /// What tells it from the lines of others: `kcfg/prod`.
    pub context: String,
    /// How it does.
    pub state: CommitState,
    /// Why, in a few words; more than 140 characters are cut off.
    pub description: String,
}
