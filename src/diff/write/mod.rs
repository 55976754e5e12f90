//! Reports as people and programs read them. In: a [`Report`](super::Report). Out: text.

pub mod annotation;
pub mod html;
pub mod json;
pub mod markdown;
pub mod text;
pub mod value;
