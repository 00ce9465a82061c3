//! Which texts a key allows.

use std::net::SocketAddr;

/// Longest name of a node, in bytes.
const NAME_LENGTH_MAX: usize = 100;
/// Longest prefix of topic names: with the longest of them after it, Kafka's 249 characters are not passed.
const PREFIX_LENGTH_MAX: usize = 200;
/// Longest name of a document database, in bytes.
const DATABASE_LENGTH_MAX: usize = 63;

/// Domains that have shards or a log to host.
const HOSTED: [&str; 5] = ["auth", "orders", "products", "notifications", "logs"];

/// A domain that a node can host.
pub(super) fn hosted_domain(text: &str) -> bool {
    HOSTED.contains(&text)
}

/// A socket address to listen on; port 0 is any free one.
pub(super) fn socket_address(text: &str) -> bool {
    text.parse::<SocketAddr>().is_ok()
}

/// `host:port` that somebody else can connect to.
pub(in super::super) fn reachable(text: &str) -> bool {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return !address.ip().is_unspecified() && address.port() != 0;
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    // A last label of digits is an IPv4 address, and this is none that is right.
    let numeric = |label: &str| label.chars().all(|c| c.is_ascii_digit());
    let named = host.chars().all(letters) && !host.rsplit('.').next().is_none_or(numeric);
    named && port.parse::<u16>().is_ok_and(|port| port != 0)
}

/// The name of a node.
pub(super) fn node_name(text: &str) -> bool {
    (1..=NAME_LENGTH_MAX).contains(&text.len()) && text.chars().all(in_name)
}

/// What topics' names begin with; may be empty.
pub(super) fn topic_prefix(text: &str) -> bool {
    text.len() <= PREFIX_LENGTH_MAX && text.chars().all(in_name)
}

/// The signs that names of nodes and topics are made of.
fn in_name(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || matches!(sign, '.' | '_' | '-')
}

/// A URL of PostgreSQL.
pub(super) fn postgres_url(text: &str) -> bool {
    has_more_than(text, &["postgres://", "postgresql://"])
}

/// A URL of MongoDB.
pub(super) fn mongodb_url(text: &str) -> bool {
    has_more_than(text, &["mongodb://", "mongodb+srv://"])
}

fn has_more_than(text: &str, schemes: &[&str]) -> bool {
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    rest.is_some_and(|rest| !rest.is_empty()) && !text.contains(char::is_whitespace)
}

/// The name of a document database.
pub(super) fn database(text: &str) -> bool {
    (1..=DATABASE_LENGTH_MAX).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// Anything but nothing.
pub(super) fn not_empty(text: &str) -> bool {
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_what_others_can_connect_to_is_an_address() {
        for right in [
            "orders-1:50051",
            "10.0.0.7:1",
            "[::1]:50051",
            "a.b.example:9",
        ] {
            assert!(reachable(right), "{right}");
        }
        for wrong in [
            "orders-1",
            "0.0.0.0:50051",
            "[::]:50051",
            "orders-1:0",
            "10.0.0.7:0",
            ":50051",
            "300.1.1.1:50051",
            "http://orders-1:50051",
            "orders-1:99999",
            "",
        ] {
            assert!(!reachable(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_url_has_its_scheme_and_something_behind_it() {
        assert!(postgres_url("postgres://u:p@h/db") && postgres_url("postgresql://h"));
        assert!(!postgres_url("postgres://") && !postgres_url("mysql://h"));
        assert!(!postgres_url("postgres://h/a b"));
        assert!(mongodb_url("mongodb+srv://h/") && !mongodb_url("h:27017"));
    }

    #[test]
    fn names_are_made_of_few_signs_and_are_not_long() {
        assert!(node_name("box-1.lan-50051") && !node_name("") && !node_name("a b"));
        assert!(!node_name(&"n".repeat(101)));
        assert!(topic_prefix("") && topic_prefix("test-7.") && !topic_prefix("a/b"));
        assert!(database("stampede") && !database("a.b") && !database(""));
        for name in HOSTED {
            assert!(
                domain::Domain::ALL
                    .iter()
                    .any(|domain| domain.name() == name)
            );
        }
    }
}
