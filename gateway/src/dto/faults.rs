//! Faults to inject.

#[cfg(feature = "fault-injection")]
mod failpoints;

use actors::system::{ACTORS, Decisions, FREEZE_MAX, Fault, SLOW_COMMIT_MAX};
use utoipa::ToSchema;

use crate::{
    input::{Field, FromBody, fields::Object},
    problem::FaultCode,
};

/// The most that anything is made to go wrong.
const TIMES_MAX: i64 = 1_000_000;
/// The longest wait before a process ends, in milliseconds.
const EXIT_AFTER_MAX_MS: i64 = 60_000;
/// The longest name of a node, and the longest text to look for, in bytes.
const TEXT_LENGTH_MAX: usize = 200;

#[cfg(not(feature = "fault-injection"))]
const KINDS: &str = "must be one of panic, poison, freeze, feed, slow_commits, exit";
#[cfg(feature = "fault-injection")]
const KINDS: &str = "must be one of panic, poison, freeze, feed, slow_commits, exit, commit_failure, disk_full, failpoint";

/// A fault to inject, and into which node; every one if none is named.
#[derive(Debug)]
pub(crate) struct NewFault {
    pub(crate) fault: Fault,
    pub(crate) node: Option<String>,
}

/// A fault to inject. Which fields there are depends on `kind`; `node` may be with each: only that node, by its name.
// As it is written; it is read field by field.
#[derive(ToSchema)]
#[schema(as = NewFault, example = json!({"kind": "freeze", "actor": "product", "id": 4, "for_ms": 5000, "times": 1}))]
#[allow(dead_code, reason = "says what is written; nothing makes one")]
pub(crate) struct WrittenFault {
    /// `panic`: handlers of actors panic. `poison`: the first such command that comes panics whenever it is handled.
    /// `freeze`: handlers block their thread. `feed`: records between shards are lost, doubled and reordered.
    /// `slow_commits`: commits take longer. `exit`: the process that is asked, or `node`, ends without cleaning up.
    #[schema(example = "freeze")]
    kind: String,
    /// With `panic`, `poison`, `freeze`: the kind of actor, one of `order`, `product`, `user`, `notification`.
    actor: Option<String>,
    /// With these: only the aggregate with this id.
    #[schema(minimum = 1)]
    id: Option<u64>,
    /// With these: only commands whose debug text contains this.
    matching: Option<String>,
    /// With `panic` and `freeze`: how many of them; until faults are ended if it is missing. With `slow_commits`: how
    /// many commits, which must be said.
    #[schema(minimum = 1, maximum = 1000000)]
    times: Option<u32>,
    /// With `freeze`, at most 60,000, and with `slow_commits`, at most 10,000: milliseconds.
    #[schema(minimum = 1, maximum = 60000)]
    for_ms: Option<u32>,
    /// With `feed`: the probability that a record is lost.
    #[schema(minimum = 0, maximum = 1)]
    drop: Option<f64>,
    /// With `feed`: the probability that it is delivered twice.
    #[schema(minimum = 0, maximum = 1)]
    double: Option<f64>,
    /// With `feed`: the probability that it is delivered after later ones.
    #[schema(minimum = 0, maximum = 1)]
    reorder: Option<f64>,
    /// With `exit`: milliseconds until then.
    #[schema(minimum = 0, maximum = 60000)]
    after_ms: Option<u32>,
    /// Only this node.
    node: Option<String>,
}

impl FromBody for NewFault {
    fn read(body: Field<'_>) -> Option<Self> {
        let mut object = body.object()?;
        let kind = object.required("kind", |field| Some((field.text()?, field)));
        let fault = kind.and_then(|(kind, field)| match kind {
            "panic" => decisions(&mut object).map(|decisions| Fault::Panic { decisions }),
            "poison" => poison(&mut object),
            "freeze" => freeze(&mut object),
            "feed" => feed(&mut object),
            "slow_commits" => slow_commits(&mut object),
            "exit" => exit(&mut object),
            #[cfg(feature = "fault-injection")]
            "commit_failure" => {
                let times = object.required("times", times);
                times.map(|times| Fault::CommitFailure { times })
            }
            #[cfg(feature = "fault-injection")]
            "disk_full" => Some(Fault::DiskFull),
            #[cfg(feature = "fault-injection")]
            "failpoint" => failpoints::read(&mut object),
            _ => field.refuse(FaultCode::InvalidFormat, KINDS),
        });
        let node = object.nullable("node", text);
        object.close();
        Some(Self {
            fault: fault?,
            node: node?,
        })
    }
}

/// `actor`, `id`, `matching` and `times`.
fn decisions(object: &mut Object<'_>) -> Option<Decisions> {
    let struck = struck(object);
    let times = object.nullable("times", times);
    Some(Decisions {
        times: times?,
        ..struck?
    })
}

/// `actor`, `id` and `matching`.
fn struck(object: &mut Object<'_>) -> Option<Decisions> {
    let actor = object.required("actor", |field| {
        let actor = field.text()?;
        if ACTORS.contains(&actor) {
            Some(actor.to_owned())
        } else {
            let what = format!("must be one of {}", ACTORS.join(", "));
            field.refuse(FaultCode::InvalidFormat, what)
        }
    });
    let id = object.nullable("id", |field| field.integer(1..=i64::MAX));
    let matching = object.nullable("matching", text);
    Some(Decisions {
        actor: actor?,
        id: id?.map(i64::unsigned_abs),
        matching: matching?,
        times: None,
    })
}

fn poison(object: &mut Object<'_>) -> Option<Fault> {
    let decisions = Decisions {
        times: Some(1),
        ..struck(object)?
    };
    Some(Fault::Poison { decisions })
}

fn freeze(object: &mut Object<'_>) -> Option<Fault> {
    let decisions = decisions(object);
    let for_ms = object.required("for_ms", |field| {
        millis(field, 1..=whole_millis(FREEZE_MAX))
    });
    Some(Fault::Freeze {
        decisions: decisions?,
        for_ms: for_ms?,
    })
}

fn slow_commits(object: &mut Object<'_>) -> Option<Fault> {
    let for_ms = object.required("for_ms", |field| {
        millis(field, 1..=whole_millis(SLOW_COMMIT_MAX))
    });
    let times = object.required("times", times);
    Some(Fault::SlowCommits {
        for_ms: for_ms?,
        times: times?,
    })
}

fn exit(object: &mut Object<'_>) -> Option<Fault> {
    let after_ms = object.required("after_ms", |field| millis(field, 0..=EXIT_AFTER_MAX_MS));
    Some(Fault::Exit {
        after_ms: after_ms?,
    })
}

fn feed(object: &mut Object<'_>) -> Option<Fault> {
    let drop = object.required("drop", |field| field.probability());
    let double = object.required("double", |field| field.probability());
    let reorder = object.required("reorder", |field| field.probability());
    Some(Fault::Feed {
        drop: drop?,
        double: double?,
        reorder: reorder?,
    })
}

fn times(field: Field<'_>) -> Option<u32> {
    u32::try_from(field.integer(1..=TIMES_MAX)?).ok()
}

fn millis(field: Field<'_>, range: std::ops::RangeInclusive<i64>) -> Option<u32> {
    u32::try_from(field.integer(range)?).ok()
}

fn whole_millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn text(field: Field<'_>) -> Option<String> {
    let text = field.text()?;
    if text.len() <= TEXT_LENGTH_MAX {
        Some(text.to_owned())
    } else {
        let what = format!("must be at most {TEXT_LENGTH_MAX} bytes long");
        field.refuse(FaultCode::OutOfRange, what)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::input::body::parse;

    #[test]
    fn faults_are_read_as_they_are_written() {
        for body in [
            r#"{"kind":"panic","actor":"order","id":null,"matching":null,"times":null}"#,
            r#"{"kind":"panic","actor":"product","id":7,"matching":"ReserveStock","times":3}"#,
            r#"{"kind":"poison","actor":"product","matching":"ReserveStock","node":"a"}"#,
            r#"{"kind":"freeze","actor":"user","for_ms":60000,"times":1}"#,
            r#"{"kind":"slow_commits","for_ms":200,"times":10}"#,
            r#"{"kind":"exit","after_ms":0,"node":"b"}"#,
            r#"{"kind":"feed","drop":0.25,"double":0,"reorder":1}"#,
        ] {
            assert!(parse::<NewFault>(body.as_bytes()).is_ok(), "{body}");
        }
    }

    #[test]
    fn what_is_no_fault_is_refused() {
        for (body, place) in [
            (r#"{"kind":"earthquake"}"#, "/kind"),
            (r#"{"kind":"panic"}"#, "/actor"),
            (r#"{"kind":"panic","actor":"cashier"}"#, "/actor"),
            (r#"{"kind":"poison","actor":"order","times":3}"#, "/times"),
            (r#"{"kind":"freeze","actor":"order"}"#, "/for_ms"),
            (
                r#"{"kind":"freeze","actor":"order","for_ms":60001}"#,
                "/for_ms",
            ),
            (r#"{"kind":"slow_commits","for_ms":5}"#, "/times"),
            (r#"{"kind":"exit","after_ms":-1}"#, "/after_ms"),
            (r#"{"kind":"exit","after_ms":1,"node":7}"#, "/node"),
            (
                r#"{"kind":"feed","drop":1.5,"double":0,"reorder":0}"#,
                "/drop",
            ),
        ] {
            let problem = parse::<NewFault>(body.as_bytes()).err().unwrap();
            assert_eq!(problem.faults()[0].pointer, place, "{body}");
        }
    }
}
