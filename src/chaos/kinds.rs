//! The kinds of faults. Whoever adds one adds a row here.

use std::time::Duration;

use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};

use super::action::{Action, Disturbance, End, Server, Whom};

/// What has to be there for a kind of fault to be injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing but the shop's permission.
    Nothing,
    /// A program that was built with failing stores.
    FailingStores,
    /// Processes that chaos itself has started.
    OwnProcesses,
    /// A gateway that is a process of its own, and was started by chaos.
    OwnGateway,
    /// A server that is reached through a proxy of chaos.
    Proxied(Server),
}

/// A kind of fault.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) needs: Needs,
    /// Draws one of this kind.
    pub(super) draw: fn(&mut StdRng) -> Action,
}

const fn kind(name: &'static str, needs: Needs, draw: fn(&mut StdRng) -> Action) -> Kind {
    Kind { name, needs, draw }
}

/// All of them.
pub(super) const KINDS: &[Kind] = &[
    kind("panic", Needs::Nothing, panic),
    kind("poison", Needs::Nothing, poison),
    kind("freeze", Needs::Nothing, freeze),
    kind("slow_commits", Needs::Nothing, slow_commits),
    kind("feed", Needs::Nothing, feed),
    kind("commit_failure", Needs::FailingStores, commit_failure),
    kind("disk_full", Needs::FailingStores, disk_full),
    kind("exit", Needs::OwnProcesses, exit),
    kind("kill", Needs::OwnProcesses, kill),
    kind("kill_long", Needs::OwnGateway, kill_long),
    kind("stop", Needs::OwnProcesses, stop),
    kind("restart", Needs::OwnProcesses, restart),
    kind("gateway_kill", Needs::OwnGateway, gateway_kill),
    kind("gateway_stop", Needs::OwnGateway, gateway_stop),
    kind("postgres_reset", Needs::Proxied(Server::Postgres), |rng| {
        reset(rng, Server::Postgres)
    }),
    kind(
        "postgres_refused",
        Needs::Proxied(Server::Postgres),
        |rng| refused(rng, Server::Postgres),
    ),
    kind("postgres_slow", Needs::Proxied(Server::Postgres), |rng| {
        slow(rng, Server::Postgres)
    }),
    kind("postgres_silent", Needs::Proxied(Server::Postgres), |rng| {
        silent(rng, Server::Postgres)
    }),
    kind("kafka_reset", Needs::Proxied(Server::Kafka), |rng| {
        reset(rng, Server::Kafka)
    }),
    kind("kafka_refused", Needs::Proxied(Server::Kafka), |rng| {
        refused(rng, Server::Kafka)
    }),
    kind("kafka_slow", Needs::Proxied(Server::Kafka), |rng| {
        slow(rng, Server::Kafka)
    }),
    kind("kafka_silent", Needs::Proxied(Server::Kafka), |rng| {
        silent(rng, Server::Kafka)
    }),
    kind("mongodb_reset", Needs::Proxied(Server::Mongodb), |rng| {
        reset(rng, Server::Mongodb)
    }),
    kind("mongodb_refused", Needs::Proxied(Server::Mongodb), |rng| {
        refused(rng, Server::Mongodb)
    }),
    kind("mongodb_silent", Needs::Proxied(Server::Mongodb), |rng| {
        silent(rng, Server::Mongodb)
    }),
];

/// So many milliseconds.
fn millis(rng: &mut StdRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(rng.random_range(from..=to))
}

fn node(rng: &mut StdRng) -> Whom {
    Whom::Node(rng.random_range(0..1_000))
}

fn inject(body: Value) -> Action {
    Action::Inject {
        body,
        end: None,
        hold: Duration::ZERO,
    }
}

/// A command that is handled three times within a second, and found by then.
const PARKING_TIME: Duration = Duration::from_millis(2_500);

/// The kinds of actors that orders need.
const ACTORS: [&str; 3] = ["order", "product", "notification"];

fn panic(rng: &mut StdRng) -> Action {
    let actor = ACTORS[rng.random_range(0..ACTORS.len())];
    inject(json!({"kind": "panic", "actor": actor, "times": rng.random_range(1..=8)}))
}

/// A command that came from another shard, and so is parked after three tries.
fn poison(rng: &mut StdRng) -> Action {
    const COMMANDS: [(&str, &str); 5] = [
        ("product", "ReserveStock"),
        ("product", "ReserveStock"),
        ("product", "ReleaseStock"),
        ("order", "RecordAnswer"),
        ("order", "RecordAnswer"),
    ];
    let (actor, matching) = COMMANDS[rng.random_range(0..COMMANDS.len())];
    Action::Inject {
        body: json!({"kind": "poison", "actor": actor, "matching": matching}),
        end: None,
        hold: PARKING_TIME,
    }
}

/// Long enough for the thread to be replaced.
fn freeze(rng: &mut StdRng) -> Action {
    let actor = ACTORS[rng.random_range(0..ACTORS.len())];
    let for_ms = rng.random_range(2_500..=5_000);
    inject(json!({"kind": "freeze", "actor": actor, "for_ms": for_ms, "times": 1}))
}

fn slow_commits(rng: &mut StdRng) -> Action {
    let (for_ms, times) = (rng.random_range(20..=400), rng.random_range(3..=12));
    inject(json!({"kind": "slow_commits", "for_ms": for_ms, "times": times}))
}

fn feed(rng: &mut StdRng) -> Action {
    let mut probability = || f64::from(rng.random_range(0..=6)) / 10.0;
    let (drop, double, reorder) = (probability(), probability(), probability());
    Action::Inject {
        body: json!({"kind": "feed", "drop": drop, "double": double, "reorder": reorder}),
        end: Some(End {
            after: millis(rng, 1_000, 4_000),
            by: Some(json!({"kind": "feed", "drop": 0, "double": 0, "reorder": 0})),
        }),
        hold: Duration::ZERO,
    }
}

fn commit_failure(rng: &mut StdRng) -> Action {
    inject(json!({"kind": "commit_failure", "times": rng.random_range(1..=5)}))
}

fn disk_full(rng: &mut StdRng) -> Action {
    Action::Inject {
        body: json!({"kind": "disk_full"}),
        end: Some(End {
            after: millis(rng, 200, 2_000),
            by: None,
        }),
        hold: Duration::ZERO,
    }
}

fn exit(rng: &mut StdRng) -> Action {
    Action::Exit {
        whom: node(rng),
        after_ms: rng.random_range(0..=50),
    }
}

fn kill(rng: &mut StdRng) -> Action {
    Action::Kill {
        whom: node(rng),
        down: millis(rng, 0, 1_000),
    }
}

/// Away for so long that other nodes take its shards.
fn kill_long(rng: &mut StdRng) -> Action {
    Action::Kill {
        whom: node(rng),
        down: millis(rng, 7_000, 9_000),
    }
}

fn stop(rng: &mut StdRng) -> Action {
    Action::Freeze {
        whom: node(rng),
        time: millis(rng, 1_000, 6_000),
    }
}

fn restart(rng: &mut StdRng) -> Action {
    Action::Terminate {
        whom: node(rng),
        down: millis(rng, 0, 500),
    }
}

fn gateway_kill(rng: &mut StdRng) -> Action {
    Action::Kill {
        whom: Whom::Gateway,
        down: millis(rng, 0, 500),
    }
}

fn gateway_stop(rng: &mut StdRng) -> Action {
    Action::Freeze {
        whom: Whom::Gateway,
        time: millis(rng, 1_000, 4_000),
    }
}

fn disturb(server: Server, disturbance: Disturbance, time: Duration) -> Action {
    Action::Disturb {
        server,
        disturbance,
        time,
    }
}

fn reset(_: &mut StdRng, server: Server) -> Action {
    disturb(server, Disturbance::Reset, Duration::ZERO)
}

fn refused(rng: &mut StdRng, server: Server) -> Action {
    disturb(server, Disturbance::Refused, millis(rng, 1_000, 4_000))
}

fn slow(rng: &mut StdRng, server: Server) -> Action {
    let latency = millis(rng, 10, 150);
    disturb(
        server,
        Disturbance::Slow(latency),
        millis(rng, 2_000, 5_000),
    )
}

fn silent(rng: &mut StdRng, server: Server) -> Action {
    disturb(server, Disturbance::Silent, millis(rng, 1_000, 5_000))
}
