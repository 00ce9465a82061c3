//! The entries. Their order is that of the example file.

use domain::{Domain, ids::SHARDS_MAX};

use super::{
    super::{Role, kind::Kind},
    Asking,
    Fallback::{Required, Told, Value},
    Key, checks,
};

/// Who may host shards, and so needs what hosts need.
fn hosts_or_migrates(asking: &Asking) -> bool {
    asking.role == Role::Migrate || !asking.hosts.is_empty()
}

fn has_the_log(asking: &Asking) -> bool {
    asking.role == Role::Gateway || asking.hosts.contains(&Domain::Logs)
}

const POSTGRES: Kind = Kind::Text {
    allowed: "a URL: postgres://USER:PASSWORD@HOST:PORT/DATABASE",
    check: checks::postgres_url,
};
const THREADS: Kind = Kind::Integer { min: 1, max: 256 };

macro_rules! keys {
    ($($name:ident: $path:literal, $kind:expr, $fallback:expr, $secret:expr, $about:expr;)*) => {
        $(
            #[doc = concat!("`", $path, "`.")]
            pub(in super::super) static $name: Key = Key {
                path: $path,
                kind: $kind,
                fallback: $fallback,
                secret: $secret,
                about: &$about,
            };
        )*

        /// All of them.
        pub(in super::super) static ALL: &[&Key] = &[$(&$name),*];
    };
}

const OPEN: bool = false;
const SECRET: bool = true;

keys! {
    SHARDS: "shards", Kind::Integer { min: 1, max: SHARDS_MAX as u64 }, Value("16"), OPEN, [
        "Shards of every domain. The first `stampede migrate` lays them down for good; where the key is",
        "given afterwards, it is compared with what was laid down.",
    ];

    NODE_NAME: "node.name",
        Kind::Text { allowed: "1 to 100 letters, digits, '.', '_' or '-'", check: checks::node_name },
        Told {
            default: "the host's name with the port of node.listen, or with the process id if there is no such port",
            example: "\"orders-1\"",
        }, OPEN, [
        "The name of this process in the cluster. No two processes may have the same.",
    ];
    NODE_DOMAINS: "node.domains",
        Kind::List {
            allowed: "a list of auth, orders, products, notifications, logs",
            check: checks::hosted_domain,
        },
        Required {
            by: "by node; a gateway hosts none unless told to",
            needed: |asking| asking.role == Role::Node,
            example: "[\"orders\", \"products\"]",
        }, OPEN, [
        "The domains that this process hosts shards of.",
    ];
    NODE_LISTEN: "node.listen",
        Kind::Text { allowed: "an IP address and a port, like 127.0.0.1:50051", check: checks::socket_address },
        Value("127.0.0.1:50051"), OPEN, [
        "Where gRPC is served; port 0 picks a free one.",
    ];
    NODE_ADDRESS: "node.address",
        Kind::Text {
            allowed: "HOST:PORT that other processes can connect to, like orders-1:50051",
            check: checks::reachable,
        },
        Told {
            default: "the address it listens on; must be given where node.listen is 0.0.0.0 or [::]",
            example: "\"orders-1:50051\"",
        }, OPEN, [
        "Where the other processes of the cluster reach the gRPC of this one.",
    ];
    NODE_SHARD_THREADS: "node.shard_threads", THREADS,
        Told { default: "half the cores, at least 1", example: "2" }, OPEN, [
        "Threads that shards run on.",
    ];
    NODE_PASSWORD_THREADS: "node.password_threads", THREADS,
        Told { default: "the cores", example: "4" }, OPEN, [
        "Passwords that are hashed at a time, a thread and some 20 MB each.",
    ];
    NODE_CLAIM_AFTER_MS: "node.claim_after_ms", Kind::Integer { min: 2_000, max: 600_000 }, Value("5000"), OPEN, [
        "Milliseconds after which a process that has not been seen counts as dead, so that its shards are",
        "claimed. A live one is seen once a second.",
    ];
    NODE_HANDOVER_WAIT_MS: "node.handover_wait_ms", Kind::Integer { min: 100, max: 60_000 }, Value("5000"), OPEN, [
        "Milliseconds that a live owner is given to hand over a shard before it is claimed by force.",
    ];

    GATEWAY_HTTP: "gateway.http",
        Kind::Text { allowed: "an IP address and a port, like 127.0.0.1:8000", check: checks::socket_address },
        Value("127.0.0.1:8000"), OPEN, [
        "Where HTTP is served; port 0 picks a free one.",
    ];
    GATEWAY_WORKERS: "gateway.workers", THREADS, Told { default: "the cores", example: "4" }, OPEN, [
        "Threads that serve HTTP.",
    ];

    POSTGRES_URL: "postgres.url", POSTGRES,
        Required {
            by: "by every command",
            needed: |_| true,
            example: "\"postgres://stampede:PASSWORD@127.0.0.1:5432/stampede\"",
        }, SECRET, [
        "The database of the cluster's directory, and of every domain that has none of its own.",
    ];
    POSTGRES_CONNECTIONS: "postgres.connections", Kind::Integer { min: 1, max: 1_000 }, Value("16"), OPEN, [
        "Connections at most, of one process to one database.",
    ];
    POSTGRES_CONNECT_TIMEOUT_MS: "postgres.connect_timeout_ms", Kind::Integer { min: 100, max: 60_000 },
        Value("5000"), OPEN, [
        "Milliseconds that a connection may take to be made, or to become free.",
    ];
    POSTGRES_STATEMENT_TIMEOUT_MS: "postgres.statement_timeout_ms", Kind::Integer { min: 100, max: 600_000 },
        Value("30000"), OPEN, [
        "Milliseconds that a statement may take before the server breaks it off.",
    ];
    POSTGRES_URLS_AUTH: "postgres.urls.auth", POSTGRES,
        Told { default: "postgres.url", example: "\"postgres://stampede:PASSWORD@127.0.0.1:5432/auth\"" }, SECRET, [
        "The database of users and sessions.",
    ];
    POSTGRES_URLS_ORDERS: "postgres.urls.orders", POSTGRES,
        Told { default: "postgres.url", example: "\"postgres://stampede:PASSWORD@127.0.0.1:5432/orders\"" }, SECRET, [
        "The database of orders.",
    ];
    POSTGRES_URLS_PRODUCTS: "postgres.urls.products", POSTGRES,
        Told { default: "postgres.url", example: "\"postgres://stampede:PASSWORD@127.0.0.1:5432/products\"" },
        SECRET, [
        "The database of products and their stock.",
    ];
    POSTGRES_URLS_NOTIFICATIONS: "postgres.urls.notifications", POSTGRES,
        Told { default: "postgres.url", example: "\"postgres://stampede:PASSWORD@127.0.0.1:5432/notifications\"" },
        SECRET, [
        "The database of notifications.",
    ];

    KAFKA_BROKERS: "kafka.brokers",
        Kind::List { allowed: "a list of brokers, HOST:PORT each", check: checks::reachable },
        Required {
            by: "by whoever hosts a domain, and by migrate",
            needed: hosts_or_migrates,
            example: "[\"127.0.0.1:9092\"]",
        }, OPEN, [
        "Brokers to begin with; the others are learned from them.",
    ];
    KAFKA_TOPIC_PREFIX: "kafka.topic_prefix",
        Kind::Text { allowed: "at most 200 letters, digits, '.', '_' or '-'", check: checks::topic_prefix },
        Value(""), OPEN, [
        "What the names of topics and consumer groups begin with, so that clusters can share brokers.",
    ];
    KAFKA_REPLICATION_FACTOR: "kafka.replication_factor", Kind::Integer { min: 1, max: 16 }, Value("1"), OPEN, [
        "Copies of each topic that `stampede migrate` makes.",
    ];
    KAFKA_PROPERTIES: "kafka.properties", Kind::Properties,
        Told { default: "none", example: "\"socket.timeout.ms\" = 30000" }, SECRET, [
        "Properties of librdkafka for every client, in its own names and units. It is built without TLS and SCRAM.",
        "They override the built-in ones.",
    ];
    KAFKA_PRODUCER: "kafka.producer", Kind::Properties,
        Told { default: "none", example: "\"message.timeout.ms\" = 1000" }, SECRET, [
        "Properties of librdkafka for the producer; they override kafka.properties.",
    ];
    KAFKA_CONSUMER: "kafka.consumer", Kind::Properties,
        Told { default: "none", example: "\"session.timeout.ms\" = 10000" }, SECRET, [
        "Properties of librdkafka for consumers; they override kafka.properties.",
    ];

    MONGODB_URL: "mongodb.url",
        Kind::Text { allowed: "a URL: mongodb://USER:PASSWORD@HOST:PORT", check: checks::mongodb_url },
        Required {
            by: "by gateway, and by whoever hosts logs",
            needed: has_the_log,
            example: "\"mongodb://127.0.0.1:27017\"",
        }, SECRET, [
        "The server of the activity log.",
    ];
    MONGODB_DATABASE: "mongodb.database",
        Kind::Text { allowed: "1 to 63 letters, digits, '_' or '-'", check: checks::database },
        Value("stampede"), OPEN, [
        "The activity log's database.",
    ];
    MONGODB_RETENTION_DAYS: "mongodb.retention_days", Kind::Integer { min: 1, max: 36_500 },
        Told { default: "kept for ever", example: "90" }, OPEN, [
        "Days after which an entry of the activity log is removed.",
    ];

    AUTH_SIGNING_KEY_FILE: "auth.signing_key_file",
        Kind::Text { allowed: "a readable file with an Ed25519 key as PKCS#8 in PEM", check: checks::not_empty },
        Told {
            default: "the key that `stampede migrate` put into the database",
            example: "\"/etc/stampede/signing-key.pem\"",
        }, OPEN, [
        "The file with the key that signs access tokens: Ed25519, PKCS#8, PEM. The same for all processes.",
    ];

    METRICS_LISTEN: "metrics.listen",
        Kind::Text { allowed: "an IP address and a port, like 127.0.0.1:9090", check: checks::socket_address },
        Told { default: "a node serves no metrics", example: "\"127.0.0.1:9090\"" }, OPEN, [
        "Where a node serves GET /metrics over HTTP; port 0 picks a free one. A gateway has them at gateway.http.",
    ];
    METRICS_PUBLIC: "metrics.public", Kind::Boolean, Value("true"), OPEN, [
        "Whether anyone may read /metrics. If not, it wants an administrator's access token.",
    ];

    FAULTS_ALLOWED: "faults.allowed", Kind::Boolean, Value("false"), OPEN, [
        "Whether administrators may inject faults by POST /v1/system/faults, and `stampede chaos` with them. Not for a real",
        "shop. The gateway and every node have to allow it.",
    ];

    STARTUP_WAIT_SECS: "startup.wait_secs", Kind::Integer { min: 0, max: 3_600 }, Value("60"), OPEN, [
        "Seconds that a starting process waits for a server that is not up yet.",
    ];
}
