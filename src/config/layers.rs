//! What is given, layer upon layer: what is given later overrides what was given before.

use std::collections::BTreeMap;

use super::{
    keys::Key,
    kind::Raw,
    problem::{Origin, Problem},
};

/// Properties that are not set raw, because they are made from something else, and what from.
const PROPERTIES_MADE: [(&str, &str); 2] = [
    ("bootstrap.servers", "it is made from kafka.brokers"),
    (
        "group.id",
        "it is made from kafka.topic_prefix and the domain",
    ),
];

/// A value, and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// The value.
    pub(super) raw: Raw,
    /// Where it came from.
    pub(super) origin: Origin,
}

/// What is given so far, and what was wrong on the way.
#[derive(Debug, Default)]
pub(super) struct Layers {
    given: BTreeMap<&'static str, Given>,
    /// What was wrong on the way.
    pub(super) problems: Vec<Problem>,
}

impl Layers {
    /// Gives a value. Properties join those that were given before, any other value takes the place of the one before.
    pub(super) fn give(&mut self, key: &'static Key, raw: Raw, origin: Origin) {
        let Raw::Properties(mut properties) = raw else {
            self.given.insert(key.path, Given { raw, origin });
            return;
        };
        for (name, why) in PROPERTIES_MADE {
            if properties.remove(name).is_some() {
                self.problem(
                    &format!("{}.{name}", key.path),
                    Some(origin.clone()),
                    format!("cannot be set: {why}"),
                );
            }
        }
        match self.given.get_mut(key.path) {
            Some(Given {
                raw: Raw::Properties(before),
                origin: from,
            }) => {
                before.append(&mut properties);
                *from = origin;
            }
            _ => {
                let raw = Raw::Properties(properties);
                self.given.insert(key.path, Given { raw, origin });
            }
        }
    }

    /// Gives what a text says.
    pub(super) fn give_text(
        &mut self,
        key: &'static Key,
        text: &str,
        separator: char,
        origin: Origin,
    ) {
        match key.kind.parse(text, separator) {
            Some(raw) => self.give(key, raw, origin),
            // Not shown: only properties have texts that cannot be parsed, and those are secret.
            None => self.problem(key.path, Some(origin), format!("must be {}", key.allowed())),
        }
    }

    /// What is given for a key.
    pub(super) fn get(&self, key: &Key) -> Option<&Given> {
        self.given.get(key.path)
    }

    /// Notes what is wrong.
    pub(super) fn problem(&mut self, subject: &str, origin: Option<Origin>, what: String) {
        self.problems.push(Problem {
            subject: subject.to_owned(),
            origin,
            what,
        });
    }
}
