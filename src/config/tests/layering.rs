//! A later layer overrides an earlier one.

use super::*;

const FILE: &str = r#"
shards = 0x20
[node]
domains = ["orders"]
[postgres]
url = "postgres://from-the-file"
connections = 1_0
[postgres.urls]
orders = "postgres://orders-alone"
[kafka]
brokers = "k1:9092, k2:9092"
[kafka.producer]
linger.ms = 5
"compression.type" = "lz4"
enable.idempotence = true
"#;

#[test]
fn a_flag_overrides_a_variable_which_overrides_the_file_which_overrides_the_default() {
    let connections = |setup: &Setup, set: &[&str]| {
        let config = setup.load(Role::Node, set).unwrap();
        config.postgres.connections
    };
    let default = Setup::new()
        .servers()
        .variable("STAMPEDE_NODE_DOMAINS", "auth");
    assert_eq!(connections(&default, &[]), 16);
    let file = Setup::new().file(FILE);
    assert_eq!(connections(&file, &[]), 10);
    let variable = file.variable("STAMPEDE_POSTGRES_CONNECTIONS", "11");
    assert_eq!(connections(&variable, &[]), 11);
    assert_eq!(connections(&variable, &["postgres.connections=12"]), 12);
    assert_eq!(
        connections(
            &variable,
            &["postgres.connections=12", "postgres.connections=13"]
        ),
        13
    );
}

#[test]
fn the_file_may_be_named_by_a_variable_and_a_flag_overrides_it() {
    let setup = Setup::new().file(FILE);
    let named = setup.write("named.toml", &FILE.replace("1_0", "17"));
    let setup = setup.variable("STAMPEDE_CONFIG", named);
    let by_flag = setup.load(Role::Node, &[]).unwrap();
    assert_eq!(by_flag.postgres.connections, 10);
    let by_variable = setup
        .load_args(Role::Node, &ClusterArgs::default())
        .unwrap();
    assert_eq!(by_variable.postgres.connections, 17);
    assert_eq!(
        (by_variable.shards, by_variable.shards_expected),
        (32, Some(32))
    );
}

#[test]
fn a_domain_may_have_a_database_of_its_own() {
    let config = Setup::new().file(FILE).load(Role::Node, &[]).unwrap();
    let url_of = |domain| config.postgres.url_of(domain).expose();
    assert_eq!(url_of(domain::Domain::Orders), "postgres://orders-alone");
    assert_eq!(url_of(domain::Domain::Products), "postgres://from-the-file");
}

#[test]
fn properties_of_all_layers_are_joined() {
    let setup = Setup::new()
        .file(FILE)
        .variable("STAMPEDE_KAFKA_PRODUCER", "linger.ms=6,acks=all");
    let config = setup
        .load(
            Role::Node,
            &[
                "kafka.producer.sasl.password=a,b=c",
                "kafka.producer.acks=1",
            ],
        )
        .unwrap();
    let kafka = config.kafka.unwrap();
    assert_eq!(
        kafka.producer.iter().collect::<Vec<_>>(),
        [
            ("acks", "1"),
            ("compression.type", "lz4"),
            ("enable.idempotence", "true"),
            ("linger.ms", "6"),
            ("sasl.password", "a,b=c"),
        ]
    );
    assert_eq!(kafka.consumer.iter().count(), 0);
}

#[test]
fn a_secret_may_lie_in_a_file_of_its_own() {
    let setup = Setup::new().file(FILE);
    let url = setup.write("url", "postgres://from-a-secret-file\n");
    let properties = setup.write("properties", "sasl.username=u\nsasl.password=x,y\n");
    let setup = setup
        .variable("STAMPEDE_POSTGRES_URL_FILE", url)
        .variable("STAMPEDE_KAFKA_PROPERTIES_FILE", properties);
    let config = setup.load(Role::Node, &[]).unwrap();
    assert_eq!(
        config.postgres.url.expose(),
        "postgres://from-a-secret-file"
    );
    let kafka = config.kafka.unwrap();
    assert_eq!(
        kafka.properties.iter().collect::<Vec<_>>(),
        [("sasl.password", "x,y"), ("sasl.username", "u")]
    );
}

#[test]
fn an_empty_variable_counts_as_none() {
    let setup = Setup::new()
        .file(FILE)
        .variable("STAMPEDE_POSTGRES_URL", "")
        .variable("STAMPEDE_POSTGRES_URL_FILE", "")
        .variable("STAMPEDE_POSTGRES_CONNECTIONS", "");
    let config = setup.load(Role::Node, &[]).unwrap();
    assert_eq!(config.postgres.url.expose(), "postgres://from-the-file");
    assert_eq!(config.postgres.connections, 10);
}

#[test]
fn variables_of_others_are_left_alone() {
    let mut setup = Setup::new().servers();
    for name in [
        "STAMPEDE_LOG",
        "STAMPEDE_HTTP",
        "STAMPEDE_DATA_DIR",
        "STAMPEDE_ADMIN_PASSWORD",
        "STAMPEDE_ADMIN_PASSWORD_FILE",
        "STAMPEDE_TEST_KAFKA",
        "STAMPEDE_SERVICES_DIR",
        "STAMPEDE_GATEWAY_SERVICE_HOST",
        "STAMPEDE_GATEWAY_SERVICE_PORT_HTTP",
        "STAMPEDE_GATEWAY_PORT_8000_TCP_ADDR",
        "STAMPEDE_GATEWAY_PORT",
        "PATH",
        "POSTGRES_URLS",
    ] {
        setup = setup.variable(name, "tcp://10.0.0.1:8000");
    }
    setup.load(Role::Gateway, &[]).unwrap();
}
