//! Reads an answer from bytes that arrive in pieces of any length.

use std::io::{Error, ErrorKind, Result};
use std::ops::Range;

/// No head is longer.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// No body is longer.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
const HEAD_END: &[u8] = b"\r\n\r\n";
const LINE_END: &[u8] = b"\r\n";

/// The head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Its own length, with the empty line.
    pub(super) length: usize,
    pub(super) body: BodyLength,
    /// Whether the connection is good for another request.
    pub(super) keeps_alive: bool,
    pub(super) retry_after_secs: Option<u64>,
}

/// How long the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyLength {
    Bytes(usize),
    Chunked,
}

impl Head {
    /// The head, once it is complete. Nothing in the first `seen` bytes ends it.
    pub(super) fn parse(received: &[u8], seen: usize) -> Result<Option<Self>> {
        let from = seen.saturating_sub(HEAD_END.len() - 1);
        let Some(end) = find(&received[from..], HEAD_END) else {
            return if received.len() > HEAD_BYTES_MAX {
                Err(invalid("a head without an end"))
            } else {
                Ok(None)
            };
        };
        let head = std::str::from_utf8(&received[..from + end])
            .map_err(|_| invalid("a head that is not text"))?;
        Self::read(head, from + end + HEAD_END.len()).map(Some)
    }

    fn read(head: &str, length: usize) -> Result<Self> {
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let mut words = status_line.split(' ');
        let version = words.next().unwrap_or_default();
        let status = words.next().and_then(|status| status.parse().ok());
        let (true, Some(status)) = (version.starts_with("HTTP/1."), status) else {
            return Err(invalid("not an answer of HTTP/1"));
        };
        let mut read = Self {
            status,
            length,
            body: BodyLength::Bytes(0),
            keeps_alive: version == "HTTP/1.1",
            retry_after_secs: None,
        };
        let mut length_is_known = matches!(status, 100..=199 | 204 | 304);
        let has_no_body = length_is_known;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") && !has_no_body {
                let bytes = value.parse().ok().filter(|bytes| *bytes <= BODY_BYTES_MAX);
                let bytes = bytes.ok_or_else(|| invalid("a body that is too long"))?;
                read.body = BodyLength::Bytes(bytes);
                length_is_known = true;
            } else if name.eq_ignore_ascii_case("transfer-encoding") && !has_no_body {
                read.body = BodyLength::Chunked;
                length_is_known = true;
            } else if name.eq_ignore_ascii_case("connection") {
                read.keeps_alive = !value.eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("retry-after") {
                read.retry_after_secs = value.parse().ok();
            }
        }
        if length_is_known {
            Ok(read)
        } else {
            Err(invalid("a body of unknown length"))
        }
    }
}

/// The body of chunks that begins at `at`, put together, and where it ends; once it is complete.
pub(super) fn unchunk(received: &[u8], at: usize) -> Result<Option<(Vec<u8>, usize)>> {
    let (mut body, mut at) = (Vec::new(), at);
    loop {
        let Some(line) = find(&received[at..], LINE_END) else {
            return Ok(None);
        };
        let size = std::str::from_utf8(&received[at..at + line])
            .ok()
            .and_then(|line| line.split(';').next())
            .and_then(|size| usize::from_str_radix(size.trim(), 16).ok())
            .filter(|size| *size <= BODY_BYTES_MAX && body.len() + size <= BODY_BYTES_MAX)
            .ok_or_else(|| invalid("a chunk without a size"))?;
        at += line + LINE_END.len();
        if size == 0 {
            return Ok(end_of_trailers(received, at).map(|end| (body, end)));
        }
        let data = Range {
            start: at,
            end: at + size,
        };
        at = data.end + LINE_END.len();
        if received.len() < at {
            return Ok(None);
        }
        body.extend_from_slice(&received[data]);
    }
}

/// Behind the empty line that follows the last chunk and what comes after it.
fn end_of_trailers(received: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let line = find(&received[at..], LINE_END)?;
        at += line + LINE_END.len();
        if line == 0 {
            return Some(at);
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

pub(super) fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head_of(text: &str) -> Result<Option<Head>> {
        Head::parse(text.as_bytes(), 0)
    }

    #[test]
    fn a_head_says_what_follows() {
        let text = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 12\r\nRetry-After: 2\r\n\
                    connection: close\r\n\r\n";
        let head = Head {
            status: 503,
            length: text.len(),
            body: BodyLength::Bytes(12),
            keeps_alive: false,
            retry_after_secs: Some(2),
        };
        assert_eq!(head_of(text).unwrap(), Some(head));
        let nothing = head_of("HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap();
        assert_eq!(nothing.body, BodyLength::Bytes(0));
    }

    #[test]
    fn a_head_is_found_wherever_it_was_cut() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        let whole = head_of(text).unwrap();
        for cut in 0..text.len() - 2 {
            assert_eq!(Head::parse(&text.as_bytes()[..cut], 0).unwrap(), None);
            assert_eq!(Head::parse(text.as_bytes(), cut).unwrap(), whole, "{cut}");
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(HEAD_BYTES_MAX));
        for text in [
            "SSH-2.0-OpenSSH\r\n\r\n",
            "HTTP/1.1 fine\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n",
            &endless,
        ] {
            assert!(head_of(text).is_err(), "{text:.40}");
        }
    }

    #[test]
    fn chunks_are_put_together_wherever_they_were_cut() {
        let text = b"4;name=value\r\nab\r\n\r\nA\r\n0123456789\r\n0\r\ntrailer: x\r\n\r\n";
        for cut in 0..text.len() {
            assert_eq!(unchunk(&text[..cut], 0).unwrap(), None, "{cut}");
        }
        let whole = (b"ab\r\n0123456789".to_vec(), text.len());
        assert_eq!(unchunk(text, 0).unwrap(), Some(whole));
        assert!(unchunk(b"x\r\n", 0).is_err());
        assert!(unchunk(b"fffffffffffffff\r\n", 0).is_err());
    }
}
