//! Faults to inject, in builds made for tests.

use actors::system::Fault;

use crate::{
    input::{Field, FromBody, fields::Object},
    problem::FaultCode,
};

/// The most that anything is made to go wrong.
const TIMES_MAX: i64 = 1_000_000;

/// `{"kind": "panic", ...}` and the like. It is no part of the documented API.
pub(crate) struct NewFault(pub(crate) Fault);

impl FromBody for NewFault {
    fn read(body: Field<'_>) -> Option<Self> {
        let mut object = body.object()?;
        let kind = object.required("kind", |field| Some((field.text()?, field)));
        let fault = kind.and_then(|(kind, field)| match kind {
            "panic" => panic(&mut object),
            "commit_failure" => commit_failure(&mut object),
            "disk_full" => Some(Fault::DiskFull),
            "feed" => feed(&mut object),
            _ => field.refuse(
                FaultCode::InvalidFormat,
                "must be one of panic, commit_failure, disk_full, feed",
            ),
        });
        object.close();
        fault.map(Self)
    }
}

fn panic(object: &mut Object<'_>) -> Option<Fault> {
    let actor = object.required("actor", |field| field.text());
    let id = object.nullable("id", |field| field.integer(1..=i64::MAX));
    let matching = object.nullable("matching", |field| field.text());
    let times = object.nullable("times", times);
    Some(Fault::Panic {
        actor: actor?.to_owned(),
        id: id?.map(i64::unsigned_abs),
        matching: matching?.map(str::to_owned),
        times: times?,
    })
}

fn commit_failure(object: &mut Object<'_>) -> Option<Fault> {
    let times = object.required("times", times)?;
    Some(Fault::CommitFailure { times })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::input::body::parse;

    #[test]
    fn faults_are_read_as_the_tests_write_them() {
        for body in [
            r#"{"kind":"panic","actor":"order","id":null,"matching":null,"times":null}"#,
            r#"{"kind":"panic","actor":"product","id":7,"matching":"ReserveStock","times":3}"#,
            r#"{"kind":"commit_failure","times":1}"#,
            r#"{"kind":"disk_full"}"#,
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
            (r#"{"kind":"disk_full","times":1}"#, "/times"),
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
