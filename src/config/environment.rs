//! Environment variables: each key has one, and each secret a second one that names a file.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use super::{
    file::read_text,
    keys::{self, ALL, FILE_SUFFIX, Key, VARIABLE_PREFIX},
    layers::Layers,
    nearest::{distance, nearest},
    problem::Origin,
};

/// Variables of the program that are not keys, and beginnings of such.
const OTHERS: [&str; 5] = [
    "STAMPEDE_ADMIN_PASSWORD",
    "STAMPEDE_CONFIG",
    "STAMPEDE_DATA_DIR",
    "STAMPEDE_HTTP",
    "STAMPEDE_LOG",
];
/// What the variables of tests begin with.
const OTHER_PREFIXES: [&str; 2] = ["STAMPEDE_TEST_", "STAMPEDE_SERVICES_"];
/// A variable outside every section that differs from a known one in so few letters is a mistake.
const TYPING_ERRORS: usize = 2;

/// Reads the environment into a layer. An empty variable counts as none.
pub(super) fn read(variables: &BTreeMap<OsString, OsString>, layers: &mut Layers) {
    for &key in ALL {
        read_key(key, variables, layers);
    }
    let known: Vec<String> = ALL
        .iter()
        .flat_map(|key| [Some(key.variable()), key.file_variable()])
        .flatten()
        .collect();
    for (name, value) in variables {
        let Some(name) = name.to_str() else { continue };
        if !name.starts_with(VARIABLE_PREFIX)
            || known.iter().any(|known| known == name)
            || is_other(name)
            || is_service_link(name, value)
        {
            continue;
        }
        let alike = nearest(name, known.iter().map(String::as_str));
        let near = alike.filter(|alike| distance(name, alike) <= TYPING_ERRORS);
        if near.is_some() || in_section(name) {
            let what = match alike {
                Some(alike) => format!("there is no such key; the nearest is {alike}"),
                None => "there is no such key; stampede.example.toml has them all".to_owned(),
            };
            layers.problem(&format!("environment variable {name}"), None, what);
        }
    }
}

fn read_key(key: &'static Key, variables: &BTreeMap<OsString, OsString>, layers: &mut Layers) {
    let given = |name: &str| variables.get(OsStr::new(name)).filter(|v| !v.is_empty());
    let variable = key.variable();
    let value = given(&variable);
    let file_variable = key.file_variable();
    let file = file_variable.as_deref().and_then(given);
    if let (Some(_), Some(_), Some(other)) = (value, file, &file_variable) {
        let what = format!("{variable} and {other} are both set; only one can hold");
        layers.problem(key.path, None, what);
        return;
    }
    if let Some(value) = value {
        let origin = Origin::Environment(variable);
        match value.to_str() {
            Some(text) => layers.give_text(key, text, ',', origin),
            None => layers.problem(key.path, Some(origin), "is not UTF-8".to_owned()),
        }
    } else if let (Some(path), Some(variable)) = (file, file_variable) {
        let path = PathBuf::from(path);
        let read = read_text(&path);
        let origin = Origin::NamedFile { variable, path };
        match read {
            Ok(text) => {
                // Editors end the last line; no secret ends so.
                let text = text.trim_end_matches(['\r', '\n']);
                layers.give_text(key, text, '\n', origin);
            }
            Err(why) => {
                layers.problem(key.path, Some(origin), format!("cannot be read: {why}"));
            }
        }
    }
}

/// Whether a variable belongs to another part of the program.
fn is_other(name: &str) -> bool {
    let plain = name.strip_suffix(FILE_SUFFIX).unwrap_or(name);
    OTHERS.contains(&plain) || OTHER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a variable is one that Kubernetes sets for a service, `STAMPEDE_GATEWAY_SERVICE_HOST` for `stampede-gateway`.
fn is_service_link(name: &str, value: &OsStr) -> bool {
    let address = |scheme: &str| value.to_str().is_some_and(|text| text.starts_with(scheme));
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT") && (address("tcp://") || address("udp://"))
        || name
            .split_once("_PORT_")
            .is_some_and(|(_, port)| port.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether a variable's name begins like those of a section.
fn in_section(name: &str) -> bool {
    keys::sections().any(|section| {
        let section = section.replace('.', "_").to_ascii_uppercase();
        name.strip_prefix(VARIABLE_PREFIX)
            .and_then(|rest| rest.strip_prefix(&section))
            .is_some_and(|rest| rest.starts_with('_'))
    })
}
