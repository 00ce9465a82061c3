//! One keep-alive connection that speaks just enough HTTP/1.1 to place orders, and uses little processor for it.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// No answer of a benchmark is longer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const READ_BYTES: usize = 4 * 1024;

/// What an order is answered after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// It is confirmed.
    Confirmation,
    /// It is durable (`Prefer: respond-async`).
    Acceptance,
}

impl Awaited {
    /// The status of an answer that says so.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Confirmation => 201,
            Self::Acceptance => 202,
        }
    }

    const fn header(self) -> &'static str {
        match self {
            Self::Confirmation => "",
            Self::Acceptance => "Prefer: respond-async\r\n",
        }
    }
}

/// A connection with its request head, which differs between orders in the length of the body alone.
pub(crate) struct Connection {
    stream: TcpStream,
    head: Vec<u8>,
    request: Vec<u8>,
    received: Vec<u8>,
}

impl Connection {
    /// Connects as the user with this token, who waits for the outcome of orders or does not.
    pub(crate) async fn open(address: SocketAddr, token: &str, awaited: Awaited) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let prefer = awaited.header();
        let head = format!(
            "POST /v1/orders HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{prefer}\
             Content-Type: application/json\r\nContent-Length: "
        );
        Ok(Self {
            stream,
            head: head.into_bytes(),
            request: Vec::new(),
            received: Vec::with_capacity(READ_BYTES),
        })
    }

    /// Orders one piece; returns the status of the answer.
    pub(crate) async fn order(&mut self, product_id: u64) -> Result<u16> {
        let body = format!("{{\"lines\":[{{\"product_id\":{product_id},\"quantity\":1}}]}}");
        self.request.clear();
        self.request.extend_from_slice(&self.head);
        self.request
            .extend_from_slice(format!("{}\r\n\r\n", body.len()).as_bytes());
        self.request.extend_from_slice(body.as_bytes());
        self.stream.write_all(&self.request).await?;
        self.answer_status().await
    }

    /// Reads one answer to its end.
    async fn answer_status(&mut self) -> Result<u16> {
        self.received.clear();
        let (status, length) = loop {
            if let Some(answer) = parse(&self.received)? {
                break answer;
            }
            self.receive().await?;
        };
        while self.received.len() < length {
            self.receive().await?;
        }
        if self.received.len() > length {
            return Err(invalid("bytes after the end of an answer"));
        }
        Ok(status)
    }

    async fn receive(&mut self) -> Result<()> {
        self.received.reserve(READ_BYTES);
        if self.stream.read_buf(&mut self.received).await? == 0 {
            return Err(Error::from(ErrorKind::UnexpectedEof));
        }
        Ok(())
    }
}

/// The status of an answer and the length of all of it, once its head is complete.
fn parse(received: &[u8]) -> Result<Option<(u16, usize)>> {
    let Some(head_end) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if received.len() > ANSWER_BYTES_MAX {
            Err(invalid("an answer without an end"))
        } else {
            Ok(None)
        };
    };
    let head = std::str::from_utf8(&received[..head_end])
        .map_err(|_| invalid("a head that is not text"))?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| invalid("no status"))?;
    let body_length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .ok_or_else(|| invalid("no content length"))?;
    Ok(Some((status, head_end + 4 + body_length)))
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}
