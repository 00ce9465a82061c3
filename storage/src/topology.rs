//! The numbers of shards as a store remembers them.

use domain::{Domain, Topology};

/// The domains that keep journals.
pub(crate) const SHARDED: [Domain; 4] = [
    Domain::Auth,
    Domain::Orders,
    Domain::Products,
    Domain::Notifications,
];

/// The numbers of shards in words, for people and for the stores.
pub(crate) fn topology_text(topology: &Topology) -> String {
    SHARDED
        .map(|domain| format!("{}={}", domain.name(), topology.shards(domain)))
        .join(" ")
}

/// The numbers of shards in these words.
pub(crate) fn topology_from_text(text: &str) -> Option<Topology> {
    let shards = |domain: Domain| {
        text.split(' ')
            .find_map(|part| part.strip_prefix(domain.name())?.strip_prefix('='))?
            .parse()
            .ok()
    };
    let [auth, orders, products, notifications] = SHARDED.map(shards);
    Some(Topology {
        auth: auth?,
        orders: orders?,
        products: products?,
        notifications: notifications?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topology_comes_back() {
        let topology = Topology {
            auth: 1,
            orders: 16,
            products: 8,
            notifications: 1_024,
        };
        let text = topology_text(&topology);
        assert_eq!(text, "auth=1 orders=16 products=8 notifications=1024");
        assert_eq!(topology_from_text(&text), Some(topology));
        assert_eq!(topology_from_text("auth=1 orders=16"), None);
    }
}
