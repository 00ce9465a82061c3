//! Everything that can be configured, one entry each. Names, environment variables, bounds, defaults, what must be given
//! and `stampede.example.toml` are made from these entries, so that none of them can say something else.

mod checks;
mod table;

use std::collections::BTreeSet;

use domain::Domain;

use super::{Role, kind::Kind};

pub(super) use self::table::*;

/// What environment variables begin with.
pub(super) const VARIABLE_PREFIX: &str = "STAMPEDE_";
/// What the variable ends with that names a file with a secret in it.
pub(super) const FILE_SUFFIX: &str = "_FILE";

/// One thing that can be configured.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name: the table in the file, a dot, the key in the table.
    pub(super) path: &'static str,
    /// What values it has.
    pub(super) kind: Kind,
    /// What holds if it is not given.
    pub(super) fallback: Fallback,
    /// Whether its value is shown to nobody. It may then lie in a file that `STAMPEDE_…_FILE` names.
    pub(super) secret: bool,
    /// What it means, in the words of the example file, a line each.
    #[cfg_attr(not(test), expect(dead_code, reason = "said by stampede.example.toml"))]
    pub(super) about: &'static [&'static str],
}

/// What holds if a key is not given.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fallback {
    /// This value, as a text.
    Value(&'static str),
    /// Something else, told in words.
    Told {
        /// What, in words that follow "default:".
        #[cfg_attr(not(test), expect(dead_code, reason = "said by stampede.example.toml"))]
        default: &'static str,
        /// A value as it may stand in the file.
        #[cfg_attr(not(test), expect(dead_code, reason = "said by stampede.example.toml"))]
        example: &'static str,
    },
    /// It must be given.
    Required {
        /// By whom, in words that follow "required".
        by: &'static str,
        /// By whom.
        needed: fn(&Asking) -> bool,
        /// A value as it may stand in the file.
        #[cfg_attr(not(test), expect(dead_code, reason = "said by stampede.example.toml"))]
        example: &'static str,
    },
}

/// Who asks for a configuration.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    /// The command.
    pub(super) role: Role,
    /// The domains whose shards it hosts.
    pub(super) hosts: BTreeSet<Domain>,
}

impl Key {
    /// Its environment variable.
    pub(super) fn variable(&self) -> String {
        format!(
            "{VARIABLE_PREFIX}{}",
            self.path.replace('.', "_").to_ascii_uppercase()
        )
    }

    /// The environment variable that names the file it lies in, if it is a secret.
    pub(super) fn file_variable(&self) -> Option<String> {
        self.secret
            .then(|| format!("{}{FILE_SUFFIX}", self.variable()))
    }

    /// The table it stands in, in the file; empty at the top.
    pub(super) fn section(&self) -> &'static str {
        match self.kind {
            Kind::Properties => self.path,
            _ => self
                .path
                .rsplit_once('.')
                .map_or("", |(section, _)| section),
        }
    }

    /// What is allowed, in words that follow "must be".
    pub(super) fn allowed(&self) -> String {
        self.kind.allowed()
    }

    /// The property that a longer name than its own means: `kafka.producer.linger.ms` is `linger.ms`.
    pub(super) fn property<'a>(&self, name: &'a str) -> Option<&'a str> {
        match self.kind {
            Kind::Properties => name.strip_prefix(self.path)?.strip_prefix('.'),
            _ => None,
        }
    }
}

/// The key with this name.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    ALL.iter().copied().find(|key| key.path == path)
}

/// Whether this is a table in the file.
pub(super) fn is_section(path: &str) -> bool {
    sections().any(|section| {
        section
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The tables of the file, without the top; those with several keys several times.
pub(super) fn sections() -> impl Iterator<Item = &'static str> {
    ALL.iter()
        .map(|key| key.section())
        .filter(|section| !section.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn no_two_keys_have_a_name_or_a_variable_in_common() {
        let mut variables = BTreeSet::new();
        for key in ALL {
            assert!(variables.insert(key.variable()), "{}", key.path);
            if let Some(variable) = key.file_variable() {
                assert!(variables.insert(variable), "{}", key.path);
            }
        }
        assert!(variables.contains("STAMPEDE_POSTGRES_URL"));
        assert!(variables.contains("STAMPEDE_POSTGRES_URL_FILE"));
        assert!(variables.contains("STAMPEDE_POSTGRES_URLS_ORDERS"));
        assert!(!variables.contains("STAMPEDE_NODE_NAME_FILE"));
    }

    #[test]
    fn every_default_is_allowed() {
        for key in ALL {
            if let Fallback::Value(default) = key.fallback {
                let raw = key.kind.parse(default, ',').unwrap();
                assert!(key.kind.admits(&raw), "{} = {default:?}", key.path);
            }
        }
    }

    #[test]
    fn properties_are_found_behind_their_table() {
        assert_eq!(KAFKA_PRODUCER.property("kafka.producer.a.b"), Some("a.b"));
        assert_eq!(KAFKA_PRODUCER.property("kafka.producers"), None);
        assert_eq!(NODE_NAME.property("node.name.a"), None);
        assert!(is_section("postgres") && is_section("kafka.producer"));
        assert!(!is_section("post") && !is_section("postgres.url"));
    }
}
