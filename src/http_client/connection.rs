//! One keep-alive connection.

use std::io::{Error, ErrorKind, Result};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    answer::{BodyLength, Head, invalid, unchunk},
    place::Place,
};

/// What is made room for at least before each read.
const READ_BYTES: usize = 4 * 1024;

/// A connection. After an error it must not be used again.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    keeps_alive: bool,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) retry_after_secs: Option<u64>,
    pub(crate) body: &'a [u8],
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(place: &Place) -> Result<Self> {
        let stream = TcpStream::connect(place.addresses()).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(READ_BYTES),
            keeps_alive: true,
        })
    }

    /// Whether another request may be sent, as far as is known here: the server has not closed.
    pub(crate) fn is_open(&self) -> bool {
        let mut byte = [0];
        let read = self.stream.try_read(&mut byte);
        self.keeps_alive && read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Sends a request and reads its answer to the end.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.received.clear();
        let head = loop {
            let head = self.head().await?;
            // 100 and its like announce the answer.
            if head.status >= 200 {
                break head;
            }
            self.received.drain(..head.length);
        };
        self.keeps_alive = head.keeps_alive;
        let end = match head.body {
            BodyLength::Bytes(bytes) => {
                let end = head.length + bytes;
                while self.received.len() < end {
                    self.receive().await?;
                }
                end
            }
            BodyLength::Chunked => self.put_together(head.length).await?,
        };
        if self.received.len() > end {
            return Err(invalid("bytes after the end of an answer"));
        }
        Ok(Answer {
            status: head.status,
            retry_after_secs: head.retry_after_secs,
            body: &self.received[head.length..end],
        })
    }

    async fn head(&mut self) -> Result<Head> {
        let mut seen = 0;
        loop {
            if let Some(head) = Head::parse(&self.received, seen)? {
                return Ok(head);
            }
            seen = self.received.len();
            self.receive().await?;
        }
    }

    /// Reads all chunks and leaves their content in their place.
    async fn put_together(&mut self, at: usize) -> Result<usize> {
        loop {
            if let Some((body, end)) = unchunk(&self.received, at)? {
                self.received.splice(at..end, body.iter().copied());
                return Ok(at + body.len());
            }
            self.receive().await?;
        }
    }

    async fn receive(&mut self) -> Result<()> {
        self.received.reserve(READ_BYTES);
        if self.stream.read_buf(&mut self.received).await? == 0 {
            return Err(Error::new(
                ErrorKind::UnexpectedEof,
                "the server closed the connection",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers with these bytes in pieces of this length, and then waits or closes.
    async fn server(answers: &'static [&'static str], piece: usize) -> Place {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let place = Place::find(&url).unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            for answer in answers {
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                for piece in answer.as_bytes().chunks(piece) {
                    stream.write_all(piece).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
        place
    }

    #[tokio::test]
    async fn answers_are_read_in_pieces_of_any_length() {
        const ANSWERS: &[&str] = &[
            "HTTP/1.1 201 Created\r\nContent-Length: 8\r\n\r\n{\"id\":7}",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 3\r\nConnection: close\r\n\r\n",
        ];
        for piece in [1, 2, 7, 1_000] {
            let place = server(ANSWERS, piece).await;
            let mut connection = Connection::open(&place).await.unwrap();
            let answer = connection.ask(b"first").await.unwrap();
            assert_eq!((answer.status, answer.body), (201, &b"{\"id\":7}"[..]));
            assert!(connection.is_open());
            let answer = connection.ask(b"second").await.unwrap();
            assert_eq!((answer.status, answer.body), (200, &b"{}"[..]));
            let answer = connection.ask(b"third").await.unwrap();
            assert_eq!((answer.status, answer.retry_after_secs), (503, Some(3)));
            assert!(!connection.is_open(), "the server has said so");
        }
    }

    #[tokio::test]
    async fn a_connection_that_ends_within_an_answer_is_an_error() {
        let place = server(&["HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"], 100).await;
        let mut connection = Connection::open(&place).await.unwrap();
        let error = connection.ask(b"question").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}
