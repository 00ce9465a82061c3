//! Faults that are injected into the running program. Those of the store exist only with the feature `fault-injection`.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::Api;

/// Something to go wrong inside the program.
#[derive(Clone, Debug)]
pub(crate) struct Fault(Value);

impl Fault {
    /// Every command that an actor of this kind (`order`, `product`) handles panics.
    pub(crate) fn panic_in(actor: &str) -> Self {
        Self(json!({"kind": "panic", "actor": actor, "id": null, "matching": null, "times": null}))
    }

    /// Every command that an actor of this kind handles blocks its thread for so long.
    pub(crate) fn freeze_in(actor: &str, time: Duration) -> Self {
        Self(json!({"kind": "freeze", "actor": actor, "for_ms": time.as_millis()}))
    }

    /// Only that of this aggregate.
    pub(crate) fn of(mut self, id: u64) -> Self {
        self.0["id"] = json!(id);
        self
    }

    /// Only commands whose debug text contains this.
    pub(crate) fn matching(mut self, text: &str) -> Self {
        self.0["matching"] = json!(text);
        self
    }

    /// Only so many times.
    pub(crate) fn times(mut self, times: u32) -> Self {
        self.0["times"] = json!(times);
        self
    }

    /// The program panics at this place, so often, in every process of the shop.
    #[cfg(feature = "fault-injection")]
    pub(crate) fn panic_at(point: &str, times: u32) -> Self {
        Self(json!({"kind": "failpoint", "name": point, "action": "panic", "times": times}))
    }

    /// The program ends at this place, as if it was killed.
    #[cfg(feature = "fault-injection")]
    pub(crate) fn exit_at(point: &str) -> Self {
        Self(json!({"kind": "failpoint", "name": point, "action": "exit", "times": 1}))
    }

    /// The program is held up at this place, so often.
    #[cfg(feature = "fault-injection")]
    pub(crate) fn delay_at(point: &str, time: Duration, times: u32) -> Self {
        Self(
            json!({"kind": "failpoint", "name": point, "action": "delay", "for_ms": time.as_millis(), "times": times}),
        )
    }

    /// Only where this kind of actor is concerned.
    #[cfg(feature = "fault-injection")]
    pub(crate) fn actor(mut self, kind: &str) -> Self {
        self.0["actor"] = json!(kind);
        self
    }

    /// The next commits fail after having been rolled back.
    pub(crate) fn commit_failure(times: u32) -> Self {
        Self(json!({"kind": "commit_failure", "times": times}))
    }

    /// Every write meets a full disk.
    pub(crate) fn disk_full() -> Self {
        Self(json!({"kind": "disk_full"}))
    }

    /// So many commits take so much longer.
    pub(crate) fn slow_commits(time: Duration, times: u32) -> Self {
        Self(json!({"kind": "slow_commits", "for_ms": time.as_millis(), "times": times}))
    }

    /// The feed publishes everything twice.
    pub(crate) fn doubled_feed() -> Self {
        Self(json!({"kind": "feed", "drop": 0.0, "double": 1.0, "reorder": 0.0}))
    }

    /// The feed loses, doubles and reorders messages, each with this probability.
    pub(crate) fn unreliable_feed(probability: f64) -> Self {
        Self(
            json!({"kind": "feed", "drop": probability, "double": probability, "reorder": probability}),
        )
    }
}

impl Api {
    /// Makes something go wrong from now on.
    pub(crate) async fn inject(&self, fault: &Fault) {
        self.post("/v1/system/faults", &fault.0)
            .await
            .expect_status(204);
    }

    /// Ends everything that was made to go wrong.
    pub(crate) async fn clear_faults(&self) {
        self.send(self.request(Method::DELETE, "/v1/system/faults"))
            .await
            .expect_status(204);
    }

    /// The commands that were set aside because they kept failing.
    pub(crate) async fn parked(&self) -> Vec<Value> {
        self.system().await["parked"]
            .as_array()
            .expect("the system lists what is parked")
            .clone()
    }
}
