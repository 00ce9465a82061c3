//! The configuration file, in TOML.

use std::{fs, ops::Range, path::Path};

use toml::de::{DeTable, DeValue};

use super::{
    keys::{self, ALL, Key},
    kind::{Kind, Raw},
    layers::Layers,
    nearest::nearest,
    problem::Origin,
};

/// Largest file that is read, in bytes: one mebibyte.
const SIZE_MAX_BYTES: u64 = 1 << 20;

/// Reads the file at `path` into a layer.
pub(super) fn read(path: &Path, layers: &mut Layers) {
    let subject = format!("file:{}", path.display());
    match read_text(path) {
        Ok(text) => File { path, text: &text }.read(layers),
        Err(why) => layers.problem(&subject, None, format!("cannot be read: {why}")),
    }
}

/// A small text file.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > SIZE_MAX_BYTES {
        return Err(format!("it has more than {SIZE_MAX_BYTES} bytes"));
    }
    fs::read_to_string(path).map_err(|error| error.to_string())
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn read(&self, layers: &mut Layers) {
        match DeTable::parse(self.text) {
            Ok(table) => self.table("", table.get_ref(), layers),
            Err(error) => {
                // Its message alone: printed whole it shows the line, and there may be a password in it.
                let origin = self.at(error.span().unwrap_or_default());
                let what = format!("is not TOML: {}", error.message());
                layers.problem("the file", Some(origin), what);
            }
        }
    }

    /// Where a part of the text lies.
    fn at(&self, span: Range<usize>) -> Origin {
        let before = self.text.as_bytes().iter().take(span.start);
        Origin::File {
            path: self.path.to_owned(),
            line: 1 + before.filter(|&&byte| byte == b'\n').count(),
        }
    }

    /// Reads a table whose name is `prefix`.
    fn table(&self, prefix: &str, table: &DeTable<'_>, layers: &mut Layers) {
        for (name, value) in table {
            let path = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            let origin = self.at(name.span());
            match (keys::find(&path), value.get_ref()) {
                (Some(key), value) => self.value(key, value, origin, layers),
                (None, DeValue::Table(table)) if keys::is_section(&path) => {
                    self.table(&path, table, layers);
                }
                (None, _) if keys::is_section(&path) => {
                    layers.problem(&path, Some(origin), "must be a table".to_owned());
                }
                (None, _) => unknown(&path, origin, layers),
            }
        }
    }

    fn value(&self, key: &'static Key, value: &DeValue<'_>, origin: Origin, layers: &mut Layers) {
        if let (Kind::Properties, DeValue::Table(table)) = (&key.kind, value) {
            self.properties(key, "", table, layers);
            return;
        }
        let raw = match (&key.kind, value) {
            (Kind::Integer { .. }, DeValue::Integer(_)) | (Kind::Boolean, DeValue::Boolean(_)) => {
                scalar(value).map(Raw::Text)
            }
            (Kind::Text { .. }, DeValue::String(text)) => Some(Raw::Text(text.to_string())),
            (Kind::List { .. }, DeValue::String(text)) => key.kind.parse(text, ','),
            (Kind::List { .. }, DeValue::Array(array)) => array
                .iter()
                .map(|entry| entry.get_ref().as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .map(Raw::List),
            _ => None,
        };
        match raw {
            Some(raw) => layers.give(key, raw, origin),
            None => {
                let what = format!(
                    "must be {}, and is of type {}",
                    key.allowed(),
                    value.type_str()
                );
                layers.problem(key.path, Some(origin), what);
            }
        }
    }

    /// Reads properties. Their names have dots, so that one without quotation marks is a table in a table.
    fn properties(
        &self,
        key: &'static Key,
        prefix: &str,
        table: &DeTable<'_>,
        layers: &mut Layers,
    ) {
        for (name, value) in table {
            let property = format!("{prefix}{}", name.get_ref());
            let origin = self.at(name.span());
            if let DeValue::Table(table) = value.get_ref() {
                self.properties(key, &format!("{property}."), table, layers);
            } else if let Some(value) = scalar(value.get_ref()) {
                layers.give(key, Raw::Properties([(property, value)].into()), origin);
            } else {
                let subject = format!("{}.{property}", key.path);
                let what = "must be a string, a number, true or false".to_owned();
                layers.problem(&subject, Some(origin), what);
            }
        }
    }
}

/// A single value as a text.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .map(|number| number.to_string()),
        DeValue::Float(float) => Some(float.as_str().to_owned()),
        DeValue::Boolean(boolean) => Some(boolean.to_string()),
        _ => None,
    }
}

/// Notes a name that does not exist.
pub(super) fn unknown(path: &str, origin: Origin, layers: &mut Layers) {
    let names = ALL.iter().map(|key| key.path).chain(keys::sections());
    let what = match nearest(path, names) {
        Some(known) => format!("there is no such key; the nearest is {known}"),
        None => "there is no such key; stampede.example.toml has them all".to_owned(),
    };
    layers.problem(path, Some(origin), what);
}
