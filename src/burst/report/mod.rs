//! What a run has come to, for people and for programs.

mod html;
mod json;
mod plots;
mod summary;
mod table;

pub(super) use self::{
    html::html,
    json::json,
    summary::{Run, Summary},
    table::table,
};
