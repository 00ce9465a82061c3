//! Checks what is given, key by key, and notes what is wrong. What stands in for a wrong value never gets out: with one
//! thing noted there is no configuration.

use std::str::FromStr;

use super::{
    keys::{Asking, Fallback, Key},
    kind::Raw,
    layers::{Given, Layers},
    problem::{ConfigError, Origin},
    secret::{Properties, Secret},
};

/// Reads typed values out of what is given.
#[derive(Debug)]
pub(super) struct Reader {
    layers: Layers,
}

impl Reader {
    /// A reader of this.
    pub(super) const fn new(layers: Layers) -> Self {
        Self { layers }
    }

    /// The configuration that was read, unless something was wrong.
    pub(super) fn finish<T>(self, config: T) -> Result<T, ConfigError> {
        if self.layers.problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError(self.layers.problems))
        }
    }

    /// A value that is a number or the like, if it is given.
    pub(super) fn given<T: FromStr>(&mut self, key: &Key) -> Option<T> {
        self.text(key)?.parse().ok()
    }

    /// A text, if it is given.
    pub(super) fn text(&mut self, key: &Key) -> Option<String> {
        match self.allowed(key)? {
            Raw::Text(text) => Some(text),
            Raw::List(_) | Raw::Properties(_) => None,
        }
    }

    /// A value that has a default.
    pub(super) fn or_default<T: FromStr>(&mut self, key: &Key) -> T {
        let Fallback::Value(default) = key.fallback else {
            unreachable!("only keys with a default are read so")
        };
        self.given(key).unwrap_or_else(|| {
            let Ok(value) = default.parse() else {
                unreachable!("every command reads every default, and a test loads them all")
            };
            value
        })
    }

    /// A secret, if it is given.
    pub(super) fn secret(&mut self, key: &Key) -> Option<Secret> {
        self.text(key).map(Secret::new)
    }

    /// A list; empty if it is not given.
    pub(super) fn list(&mut self, key: &Key) -> Vec<String> {
        match self.allowed(key) {
            Some(Raw::List(list)) => list,
            _ => Vec::new(),
        }
    }

    /// Properties; none if they are not given.
    pub(super) fn properties(&mut self, key: &Key) -> Properties {
        match self.allowed(key) {
            Some(Raw::Properties(properties)) => Properties::new(properties),
            _ => Properties::default(),
        }
    }

    /// Notes that a key is missing, if it is and whoever asks needs it.
    pub(super) fn require(&mut self, key: &Key, asking: &Asking) {
        let Fallback::Required { by, needed, .. } = key.fallback else {
            unreachable!("only keys that must be given are read so")
        };
        let missing = match self.layers.get(key) {
            None => true,
            Some(given) => given.raw == Raw::List(Vec::new()),
        };
        if missing && needed(asking) {
            let origin = self.layers.get(key).map(|given| given.origin.clone());
            let mut ways = format!("in the configuration file or as {}", key.variable());
            if let Some(variable) = key.file_variable() {
                ways.push_str(&format!(" or {variable}"));
            }
            let what = format!(
                "is missing; it is required {by}, must be {}, and is given {ways}",
                key.allowed()
            );
            self.layers.problem(key.path, origin, what);
        }
    }

    /// Where a key's value comes from.
    pub(super) fn origin(&self, key: &Key) -> Origin {
        self.layers
            .get(key)
            .map_or(Origin::Default, |given| given.origin.clone())
    }

    /// Notes that a given value is wrong; `why` is added to what is allowed.
    pub(super) fn wrong(&mut self, key: &Key, why: Option<&str>) {
        let Some(Given { raw, origin }) = self.layers.get(key).cloned() else {
            return;
        };
        let subject = if key.secret {
            key.path.to_owned()
        } else {
            format!("{} = {}", key.path, raw.shown())
        };
        let mut what = format!("must be {}", key.allowed());
        if let Some(why) = why {
            what.push_str(&format!("; {why}"));
        }
        self.layers.problem(&subject, Some(origin), what);
    }

    /// Notes that a key must be given for a reason that lies in other keys.
    pub(super) fn missing(&mut self, key: &Key, why: &str) {
        let what = format!("is missing: {why}; it must be {}", key.allowed());
        self.layers.problem(key.path, None, what);
    }

    /// What is given, if it is allowed; noted if it is not.
    fn allowed(&mut self, key: &Key) -> Option<Raw> {
        let raw = self.layers.get(key)?.raw.clone();
        if key.kind.admits(&raw) {
            return Some(raw);
        }
        self.wrong(key, None);
        None
    }
}
