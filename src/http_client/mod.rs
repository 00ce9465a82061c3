//! A client that speaks just enough HTTP/1.1 to load a server, and uses little processor for it.
//!
//! Requests are bytes that the caller has made, answers are bytes that the caller reads. There is no TLS, no
//! redirection, no pool and no pipelining: one connection, one request at a time. For everything that is not load, use
//! `api`.

mod answer;
mod connection;
mod place;

pub(crate) use connection::Connection;
pub(crate) use place::Place;
