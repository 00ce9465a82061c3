//! What an auth shard does: registers users and keeps their sessions.

use domain::{Event, ShardRef, Timestamp, Topology, UserId, ids::next_in_shard, users::User};
use engine::Policy;
use futures::future::BoxFuture;
use storage::StorageError;

use crate::runtime::{
    Env, Host,
    host::{LinkKind, Part, Stored},
    messages::Row,
    policy,
};

/// An auth shard. It reads nobody's records.
pub struct UserHost;

impl Host for UserHost {
    type Aggregate = User;

    const POLICY: Policy = policy::USER;

    fn sources(&self, _shard: ShardRef, _topology: &Topology) -> Vec<(ShardRef, LinkKind)> {
        Vec::new()
    }

    fn next_id(&self, last_id: u64, shard: ShardRef, topology: &Topology, _now: Timestamp) -> u64 {
        let last = (last_id > 0).then_some(last_id);
        next_in_shard(last, shard.shard, topology.auth)
    }

    fn parts(
        &self,
        _event: &Event,
        _about: u64,
        _shard: ShardRef,
        _topology: &Topology,
        _issue: &mut dyn FnMut() -> u64,
    ) -> Vec<Part<User>> {
        Vec::new()
    }

    fn load(
        &self,
        env: &Env,
        ids: Vec<u64>,
    ) -> BoxFuture<'static, Result<Vec<Stored<User>>, StorageError>> {
        let journal = env.journal.clone();
        Box::pin(async move {
            let ids: Vec<UserId> = ids.into_iter().filter_map(UserId::new).collect();
            let stored = journal.load_users(&ids).await?;
            Ok(stored
                .into_iter()
                .map(|(user, version)| (user.id.get(), user, version))
                .collect())
        })
    }

    fn row(&self, state: User, version: u64) -> Row {
        Row::User(state, version)
    }
}
