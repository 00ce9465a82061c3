//! Cursors of lists; gRPC has the same.

pub(crate) use actors::edge::cursor::*;
