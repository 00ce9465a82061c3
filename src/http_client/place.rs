//! Where a server is.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Url;

/// A server and the path at which it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    addresses: Vec<SocketAddr>,
    host: String,
    base_path: String,
}

impl Place {
    /// The server that a URL names.
    ///
    /// # Errors
    /// If it is no URL, not of plain HTTP, or its host is not known.
    pub(crate) fn find(url: &str) -> Result<Self> {
        let parsed = Url::parse(url).with_context(|| format!("{url:?} is no URL"))?;
        if parsed.scheme() == "https" {
            bail!(
                "{url} is https, and this client speaks plain http only: use an address behind whatever ends TLS"
            );
        }
        ensure!(parsed.scheme() == "http", "{url} is not http");
        ensure!(
            parsed.username().is_empty() && parsed.password().is_none(),
            "the URL must not contain a user"
        );
        let name = parsed.host_str().context("a URL without a host")?;
        let port = parsed.port_or_known_default().unwrap_or(80);
        // Brackets around an IPv6 address belong to the URL.
        let addresses = (name.trim_matches(['[', ']']), port)
            .to_socket_addrs()
            .with_context(|| format!("the address of {name} is not known"))?;
        let host = match parsed.port() {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        };
        Ok(Self {
            addresses: addresses.collect(),
            host,
            base_path: parsed.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The addresses that its name has.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The beginning of a request: its first line and its host.
    pub(crate) fn request_line(&self, method: &str, path: &str) -> String {
        let Self {
            host, base_path, ..
        } = self;
        format!("{method} {base_path}{path} HTTP/1.1\r\nHost: {host}\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_an_address_a_host_and_a_path() {
        let place = Place::find("http://127.0.0.1:8000/shop/").unwrap();
        assert_eq!(place.addresses(), ["127.0.0.1:8000".parse().unwrap()]);
        assert_eq!(
            place.request_line("GET", "/v1/products"),
            "GET /shop/v1/products HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n"
        );
        let ipv6 = Place::find("http://[::1]").unwrap();
        assert_eq!(ipv6.addresses(), ["[::1]:80".parse().unwrap()]);
        assert!(ipv6.request_line("GET", "/").ends_with("Host: [::1]\r\n"));
    }

    #[test]
    fn what_is_not_plain_http_is_refused_with_a_reason() {
        for (url, reason) in [
            ("https://shop.example", "plain http only"),
            ("ftp://shop.example", "not http"),
            ("shop", "no URL"),
            ("http://anna:secret@127.0.0.1", "must not contain a user"),
        ] {
            let error = Place::find(url).unwrap_err();
            assert!(format!("{error:#}").contains(reason), "{url}: {error:#}");
        }
    }
}
