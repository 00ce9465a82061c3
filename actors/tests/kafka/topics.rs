//! Topics are made once, and looked at.

use actors::transport::kafka::{TopicsError, topics};
use domain::{Domain, Topology};

use super::support::{TOPOLOGY, config};

#[actix::test]
async fn topics_are_made_once_and_must_fit_the_shards() {
    let config = config();
    let missing = topics::check(&config, &TOPOLOGY).await;
    assert!(matches!(missing, Err(TopicsError::Missing { .. })));
    topics::ensure(&config, &TOPOLOGY).await.unwrap();
    topics::ensure(&config, &TOPOLOGY).await.unwrap();
    topics::check(&config, &TOPOLOGY).await.unwrap();

    let more = Topology {
        orders: 3,
        ..TOPOLOGY
    };
    let expected = TopicsError::Partitions {
        topic: topics::public(&config.topic_prefix, Domain::Orders),
        expected: 3,
        found: 2,
    };
    assert_eq!(topics::check(&config, &more).await, Err(expected.clone()));
    assert_eq!(topics::ensure(&config, &more).await, Err(expected));
}

#[actix::test]
async fn a_broker_that_is_not_there_is_said() {
    let mut config = config();
    config.brokers = "127.0.0.1:1".to_owned();
    let failed = topics::check(&config, &TOPOLOGY).await;
    assert!(matches!(failed, Err(TopicsError::Unavailable(_))));
}
