//! Values that no log, error or debug output may show.

use std::{collections::BTreeMap, fmt};

/// A text that is shown to nobody: printed, it is `(secret)`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// Keeps this text secret.
    pub(crate) const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one who needs it to connect or to sign.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Properties for librdkafka, by name. Some of them are passwords, so that only their names are ever printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Properties(BTreeMap<String, String>);

impl Properties {
    /// These properties.
    pub(super) const fn new(properties: BTreeMap<String, String>) -> Self {
        Self(properties)
    }

    /// Name and value of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_shows_neither_a_secret_nor_a_property() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(
            format!("{secret} {secret:?} {secret:#?}").find("hunter2"),
            None
        );
        assert_eq!(secret.expose(), "hunter2");
        let properties =
            Properties::new([("sasl.password".to_owned(), "hunter2".to_owned())].into());
        assert_eq!(format!("{properties:?}"), r#"{"sasl.password"}"#);
        assert_eq!(
            properties.iter().collect::<Vec<_>>(),
            [("sasl.password", "hunter2")]
        );
    }
}
