//! One keep-alive connection that places orders.

use std::io::{Error, Result};
use std::net::SocketAddr;

use crate::http_client::{Connection as HttpConnection, Place};

/// A connection with its request head, which differs between orders in the length of the body alone.
pub(crate) struct Connection {
    http: HttpConnection,
    head: Vec<u8>,
    request: Vec<u8>,
}

impl Connection {
    /// Connects as the user with this token.
    pub(crate) async fn open(address: SocketAddr, token: &str) -> Result<Self> {
        let place = Place::find(&format!("http://{address}")).map_err(Error::other)?;
        let head = format!(
            "{}Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: ",
            place.request_line("POST", "/v1/orders")
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
