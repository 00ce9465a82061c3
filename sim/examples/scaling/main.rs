//! What a larger deployment would do: `cargo run --release -p stampede-sim --example scaling`.
//!
//! A model of queues, not of the program: orders go through the stations that an order of a cluster goes through, each of
//! which takes what `scripts/compare` has measured for it, and waits where others are served before it. It answers two
//! questions about a deployment: whether it keeps up with a rate, and what orders wait for if it does. What it does not
//! know: losses, restarts, garbage collection of servers, networks that are full.
#![allow(clippy::print_stdout)]

mod model;
mod stations;

use model::{Deployment, run};

/// For 10 thousand orders a second, as in the table of `docs/scaling.md`.
const TEN_THOUSAND: Deployment = Deployment {
    name: "10 thousand",
    rate: 10_000,
    shards: 16,
    gateways: (2, 2),
    nodes: (3, 4),
    databases: (1, 4),
    kafka_cores: 4,
    is_hot: false,
};
const HUNDRED_THOUSAND: Deployment = Deployment {
    name: "100 thousand",
    rate: 100_000,
    shards: 128,
    gateways: (4, 4),
    nodes: (11, 4),
    databases: (4, 8),
    kafka_cores: 25,
    is_hot: false,
};
const MILLION: Deployment = Deployment {
    name: "1 million",
    rate: 1_000_000,
    shards: 1_024,
    gateways: (32, 4),
    nodes: (108, 4),
    databases: (32, 8),
    kafka_cores: 250,
    is_hot: false,
};

/// What is tried: those, and what becomes of them if something is otherwise.
const DEPLOYMENTS: [Deployment; 11] = [
    TEN_THOUSAND,
    Deployment {
        name: "… one hot SKU",
        is_hot: true,
        ..TEN_THOUSAND
    },
    Deployment {
        name: "… a node has gone",
        nodes: (2, 4),
        ..TEN_THOUSAND
    },
    Deployment {
        name: "… two nodes of one core",
        nodes: (2, 1),
        ..TEN_THOUSAND
    },
    HUNDRED_THOUSAND,
    Deployment {
        name: "… one database for all domains",
        databases: (1, 16),
        ..HUNDRED_THOUSAND
    },
    Deployment {
        name: "… the same with eight cores",
        databases: (1, 8),
        ..HUNDRED_THOUSAND
    },
    Deployment {
        name: "… one hot SKU",
        is_hot: true,
        ..HUNDRED_THOUSAND
    },
    Deployment {
        name: "… one hot SKU, nodes of sixteen cores",
        nodes: (3, 16),
        is_hot: true,
        ..HUNDRED_THOUSAND
    },
    MILLION,
    Deployment {
        name: "… one hot SKU, nodes of 64 cores",
        nodes: (7, 64),
        is_hot: true,
        ..MILLION
    },
];

fn main() {
    println!(
        "| deployment | orders/s | gateways | nodes | databases | Kafka cores | confirmed/s | accepted p50, p99 ms \
         | confirmed p50, p99 ms | entries a transaction | busiest |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for deployment in DEPLOYMENTS {
        let outcome = run(&deployment);
        let (accepted, confirmed) = (outcome.accepted_ms, outcome.confirmed_ms);
        println!(
            "| {} | {} | {} x {} | {} x {} | {} x {} | {} | {:.0} | {:.1}, {:.1} | {:.1}, {:.1} | {:.0} | {} {:.0} % |",
            deployment.name,
            deployment.rate,
            deployment.gateways.0,
            deployment.gateways.1,
            deployment.nodes.0,
            deployment.nodes.1,
            deployment.databases.0,
            deployment.databases.1,
            deployment.kafka_cores,
            outcome.confirmed_per_second,
            accepted.0,
            accepted.1,
            confirmed.0,
            confirmed.1,
            outcome.entries_per_transaction,
            outcome.busiest.0,
            outcome.busiest.1 * 100.0,
        );
    }
}
