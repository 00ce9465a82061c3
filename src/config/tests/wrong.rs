//! What is wrong is told with the key, the value, its origin and what is allowed; a secret never.

use super::*;

#[test]
fn everything_that_is_wrong_is_told_together() {
    let setup = Setup::new()
        .file("shards = 0\n\n[gateway]\nhttp = \"localhost\"\n")
        .variable("STAMPEDE_NODE_CLAIM_AFTER_MS", "soon");
    let file = setup.file.clone().unwrap();
    let file = file.display();
    assert_eq!(
        setup.problems(Role::Recover, &["node.listen=here", "node.domains=orders,payments"]),
        [
            "node.domains = [\"orders\", \"payments\"] (flag --set): must be a list of auth, orders, products, notifications, logs".to_owned(),
            "node.listen = \"here\" (flag --set): must be an IP address and a port, like 127.0.0.1:50051".to_owned(),
            "node.claim_after_ms = \"soon\" (environment variable STAMPEDE_NODE_CLAIM_AFTER_MS): must be an integer from 2000 to 600000".to_owned(),
            format!("shards = 0 (file:{file}, line 1): must be an integer from 1 to 1024"),
            format!("gateway.http = \"localhost\" (file:{file}, line 4): must be an IP address and a port, like 127.0.0.1:8000"),
            "postgres.url: is missing; it is required by every command, must be a URL: postgres://USER:PASSWORD@HOST:PORT/DATABASE, \
             and is given in the configuration file or as STAMPEDE_POSTGRES_URL or STAMPEDE_POSTGRES_URL_FILE".to_owned(),
        ]
    );
}

#[test]
fn an_unknown_name_is_told_with_the_nearest_known_one() {
    let setup = Setup::new()
        .servers()
        .file("[postgres]\nconections = 3\n[mongo]\nurl = \"x\"\n[node.name]\na = 1\n")
        .variable("STAMPEDE_POSTGRES_CONECTIONS", "3")
        .variable("STAMPEDE_POSTGRE_URL", "hunter9")
        .variable("STAMPEDE_NODE_NAME_FILE", "/x");
    let problems = setup.problems(Role::Gateway, &["kafka.topicprefix=hunter9", "node=1"]);
    let told = |subject: &str, what: &str| {
        let found = problems
            .iter()
            .any(|p| p.starts_with(subject) && p.contains(what));
        assert!(found, "{subject} {what}: {problems:#?}");
    };
    told(
        "postgres.conections (file:",
        "line 2): there is no such key; the nearest is postgres.connections",
    );
    told(
        "mongo (file:",
        "line 3): there is no such key; the nearest is",
    );
    told("node.name (file:", "must be 1 to 100 letters");
    told(
        "environment variable STAMPEDE_POSTGRES_CONECTIONS",
        "the nearest is STAMPEDE_POSTGRES_CONNECTIONS",
    );
    told(
        "environment variable STAMPEDE_POSTGRE_URL",
        "the nearest is STAMPEDE_POSTGRES_URL",
    );
    told(
        "environment variable STAMPEDE_NODE_NAME_FILE",
        "the nearest is STAMPEDE_NODE_NAME",
    );
    told(
        "kafka.topicprefix (flag --set)",
        "the nearest is kafka.topic_prefix",
    );
    told("node (flag --set)", "there is no such key");
    assert_eq!(problems.len(), 8);
    assert!(!problems.concat().contains("hunter9"));
}

#[test]
fn nobody_can_connect_to_every_address() {
    let setup = || {
        Setup::new()
            .servers()
            .variable("STAMPEDE_NODE_DOMAINS", "orders")
    };
    for listen in ["0.0.0.0:50051", "[::]:50051"] {
        let listens = format!("node.listen={listen}");
        let problems = setup().problems(Role::Node, &[&listens]);
        assert_eq!(problems.len(), 1);
        let start = format!(
            "node.address: is missing: nobody can connect to {listen}, which node.listen is (flag --set)"
        );
        assert!(problems[0].starts_with(&start), "{problems:?}");
        let config = setup().load(Role::Node, &[&listens, "node.address=orders-1:50051"]);
        assert_eq!(config.unwrap().node.address.unwrap(), "orders-1:50051");
    }
    let problems = setup().problems(Role::Node, &["node.address=0.0.0.0:50051"]);
    assert!(problems[0].starts_with("node.address = \"0.0.0.0:50051\" (flag --set)"));
    // A gateway that hosts nothing serves no gRPC.
    let gateway = Setup::new().servers();
    gateway
        .load(Role::Gateway, &["node.listen=0.0.0.0:1"])
        .unwrap();
}

#[test]
fn no_secret_is_ever_shown() {
    const WORD: &str = "hunter2";
    let broken = Setup::new()
        .file(&format!("[postgres]\nurl = \"mysql://u:{WORD}@h\"\n[mongodb]\nurl = [\"{WORD}\"]\n[kafka.producer]\n\"sasl password\" = \"{WORD}\"\n"))
        .variable("STAMPEDE_POSTGRES_URLS_AUTH", WORD)
        .variable("STAMPEDE_KAFKA_PROPERTIES", WORD)
        .variable("STAMPEDE_KAFKA_CONSUMER", format!("group.id={WORD},bootstrap.servers={WORD}"));
    let error = broken.load(Role::Migrate, &[WORD]).unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(!text.contains(WORD), "{text}");
    for told in [
        "postgres.url (file:",
        "mongodb.url (file:",
        "kafka.producer (file:",
        "postgres.urls.auth (environment",
        "kafka.properties (environment",
        "kafka.consumer.group.id (environment",
        "kafka.consumer.bootstrap.servers (environment",
        "flag --set: must be KEY=VALUE",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }

    let unreadable = Setup::new().file(&format!("[postgres]\nurl = \"postgres://u:{WORD}@h\n"));
    let error = unreadable.load(Role::Recover, &[]).unwrap_err().to_string();
    assert!(error.contains("line 2): is not TOML"), "{error}");
    assert!(!error.contains(WORD), "{error}");

    let args = Setup::new().cluster(&["postgres.url=hunter2"]);
    assert_eq!(
        format!("{args:?}"),
        r#"ClusterArgs { config: None, set: [Some("postgres.url")] }"#
    );
    let setup = Setup::new().servers();
    let config = setup
        .load(Role::Gateway, &["kafka.properties.sasl.password=hunter2"])
        .unwrap();
    let text = format!("{config:?}");
    assert!(
        text.contains("sasl.password") && !text.contains("hunter"),
        "{text}"
    );
}

#[test]
fn a_file_that_cannot_be_used_is_told() {
    let missing = ClusterArgs {
        config: Some("/there/is/no/such.toml".into()),
        set: Vec::new(),
    };
    let error = Setup::new()
        .servers()
        .load_args(Role::Recover, &missing)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("file:/there/is/no/such.toml: cannot be read")
    );

    let setup = Setup::new()
        .servers()
        .variable("STAMPEDE_MONGODB_URL_FILE", "/no/url");
    let problems = setup.problems(Role::Gateway, &[]);
    assert!(
        problems[0].contains("STAMPEDE_MONGODB_URL and STAMPEDE_MONGODB_URL_FILE are both set")
    );
    let setup = Setup::new().variable("STAMPEDE_POSTGRES_URL_FILE", "/no/url");
    let problems = setup.problems(Role::Recover, &[]);
    let start = "postgres.url (file:/no/url, named by environment variable STAMPEDE_POSTGRES_URL_FILE): cannot be read";
    assert!(problems[0].starts_with(start), "{problems:?}");
}

#[test]
fn a_signing_key_is_checked_by_those_who_sign_or_keep_it() {
    let setup = Setup::new().servers();
    let file = setup.write("key.pem", "no key");
    let set = format!("auth.signing_key_file={}", file.display());
    let problems = setup.problems(Role::Gateway, &[&set]);
    assert!(
        problems[0].starts_with("auth.signing_key_file = "),
        "{problems:?}"
    );
    assert!(problems[0].contains("PKCS#8"), "{problems:?}");
    let config = setup.load(Role::Audit, &[&set]).unwrap();
    assert_eq!(config.auth.signing_key_pem, None);
}
