//! Failpoints: places of the program that can be made to fail. Known to builds for tests only, so not documented.

use actors::system::{Action, FREEZE_MAX, Fault, Point};

use super::{Object, millis, text, times, whole_millis};
use crate::problem::FaultCode;

/// Every point, by its name.
const POINTS: [(&str, Point); 7] = [
    ("after_commit_before_reply", Point::AfterCommitBeforeReply),
    (
        "after_produce_before_confirm",
        Point::AfterProduceBeforeConfirm,
    ),
    ("before_watermark", Point::BeforeWatermark),
    ("after_watermark", Point::AfterWatermark),
    ("during_reload", Point::DuringReload),
    ("in_handler", Point::InHandler),
    ("in_started", Point::InStarted),
];

/// `name`, `action`, `for_ms` with the action `delay`, `times`, and the kind of `actor` if only that is meant.
pub(super) fn read(object: &mut Object<'_>) -> Option<Fault> {
    let name = object.required("name", |field| {
        let name = field.text()?;
        let known = POINTS.iter().find(|(known, _)| *known == name);
        match known {
            Some((_, point)) => Some(*point),
            None => {
                let names = POINTS.map(|(name, _)| name).join(", ");
                field.refuse(FaultCode::InvalidFormat, format!("must be one of {names}"))
            }
        }
    });
    let actor = object.nullable("actor", text);
    let action = object.required("action", |field| Some((field.text()?, field)));
    let action = action.and_then(|(action, field)| match action {
        "panic" => Some(Action::Panic),
        "exit" => Some(Action::Exit),
        "delay" => {
            let longest = whole_millis(FREEZE_MAX);
            let for_ms = object.required("for_ms", |field| millis(field, 1..=longest));
            for_ms.map(|for_ms| Action::Delay { for_ms })
        }
        _ => {
            let what = "must be one of panic, exit, delay";
            field.refuse(FaultCode::InvalidFormat, what)
        }
    });
    let times = object.required("times", times);
    Some(Fault::Failpoint {
        name: name?,
        actor: actor?,
        action: action?,
        times: times?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::{dto::faults::NewFault, input::body::parse};

    #[test]
    fn failpoints_are_read_as_they_are_written() {
        for body in [
            r#"{"kind":"failpoint","name":"in_handler","actor":"shard","action":"panic","times":1}"#,
            r#"{"kind":"failpoint","name":"after_watermark","action":"exit","times":1,"node":"a"}"#,
            r#"{"kind":"failpoint","name":"during_reload","action":"delay","for_ms":500,"times":2}"#,
        ] {
            assert!(parse::<NewFault>(body.as_bytes()).is_ok(), "{body}");
        }
        for (body, place) in [
            (
                r#"{"kind":"failpoint","name":"in_bed","action":"panic","times":1}"#,
                "/name",
            ),
            (
                r#"{"kind":"failpoint","name":"in_handler","action":"sing","times":1}"#,
                "/action",
            ),
            (
                r#"{"kind":"failpoint","name":"in_handler","action":"delay","times":1}"#,
                "/for_ms",
            ),
        ] {
            let problem = parse::<NewFault>(body.as_bytes()).err().unwrap();
            assert_eq!(problem.faults()[0].pointer, place, "{body}");
        }
    }
}
