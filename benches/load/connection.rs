//! One keep-alive connection that places orders.

use std::io::{Error, Result};
use std::net::SocketAddr;

use crate::http_client::{Connection as HttpConnection, Place};

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
    http: HttpConnection,
    head: Vec<u8>,
    request: Vec<u8>,
}

impl Connection {
    /// Connects as the user with this token, who waits for the outcome of orders or does not.
    pub(crate) async fn open(address: SocketAddr, token: &str, awaited: Awaited) -> Result<Self> {
        let place = Place::find(&format!("http://{address}")).map_err(Error::other)?;
        let head = format!(
            "{}Authorization: Bearer {token}\r\n{}Content-Type: application/json\r\nContent-Length: ",
            place.request_line("POST", "/v1/orders"),
            awaited.header(),
        );
        Ok(Self {
            http: HttpConnection::open(&place).await?,
            head: head.into_bytes(),
            request: Vec::new(),
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
        Ok(self.http.ask(&self.request).await?.status)
    }
}
