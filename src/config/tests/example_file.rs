//! The example file and the keys say the same.

use super::{super::example, *};

/// Set to anything, it makes the test of the example file write it.
const WRITE_EXAMPLE: &str = "STAMPEDE_TEST_WRITE_EXAMPLE";

fn uncommented(text: &str) -> String {
    text.lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest,
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn the_example_file_is_what_the_keys_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/stampede.example.toml");
    if std::env::var_os(WRITE_EXAMPLE).is_some() {
        fs::write(path, example::render()).unwrap();
    }
    let written = fs::read_to_string(path).unwrap();
    assert!(
        written == example::render(),
        "stampede.example.toml is not made from the keys as they are; run this test with {WRITE_EXAMPLE}=1"
    );
}

#[test]
fn the_example_file_changes_nothing_as_it_is_and_loads_when_it_is_uncommented() {
    let text = example::render();
    let untouched = Setup::new().servers().file(&text);
    assert_eq!(
        untouched.load(Role::Gateway, &[]).unwrap(),
        Setup::new().servers().load(Role::Gateway, &[]).unwrap()
    );

    let all = Setup::new().file(&uncommented(&text));
    let pem = actors::auth::new_signing_key().unwrap();
    let pem_file = all.write("key.pem", &pem);
    let set = format!("auth.signing_key_file={}", pem_file.display());
    for role in Role::ALL {
        all.load(role, &[&set]).unwrap();
    }
    let config = all.load(Role::Node, &[&set]).unwrap();
    assert_eq!(config.node.name, "orders-1");
    let kafka = config.kafka.unwrap();
    assert_eq!(
        kafka.producer.iter().collect::<Vec<_>>(),
        [("message.timeout.ms", "1000")]
    );
    assert_eq!(config.auth.signing_key_pem.unwrap().expose(), pem);
    for key in ALL {
        let name = key.path.rsplit('.').next().unwrap();
        let found = text
            .lines()
            .any(|line| line.starts_with(&format!("#{name} = ")));
        assert!(
            found || matches!(key.kind, Kind::Properties),
            "{}",
            key.path
        );
    }
}
