//! `stampede.example.toml`, made from the table of keys.

use super::{
    keys::{ALL, Fallback, Key},
    kind::Kind,
};

const HEAD: &str = "\
# Everything that can be configured for `stampede gateway`, `node`, `migrate`, `recover`, `audit` and `replay`.
#
# Each value is looked for in four places, and a later one overrides an earlier one: what is built in, this file
# (`--config FILE`, or the environment variable STAMPEDE_CONFIG), the environment variable named with the key, and flags:
# `--set KEY=VALUE` for any key, and some keys have a flag of their own. Lists in variables and flags are separated by
# commas, and an empty variable counts as none. What is called secret is never shown, and can be kept in a file of its
# own, which a variable ending in _FILE names.
#
# Properties of librdkafka are joined, and not replaced, by those given later. A variable has them as `name=value`,
# separated by commas; the file that a _FILE variable names, one a line; a flag, one at a time:
# `--set kafka.producer.linger.ms=5`.
#
# Uncomment what you change: lines that begin with `#` and no space behind it.
";

/// The example file.
pub(super) fn render() -> String {
    let mut text = HEAD.to_owned();
    let mut section = "";
    for key in ALL {
        text.push('\n');
        if key.section() != section {
            section = key.section();
            if !matches!(key.kind, Kind::Properties) {
                text.push_str(&format!("[{section}]\n"));
            }
        }
        for line in key.about {
            text.push_str(&format!("# {line}\n"));
        }
        text.push_str(&format!("# {}.\n", notes(key)));
        if matches!(key.kind, Kind::Properties) {
            text.push_str(&format!("[{section}]\n"));
        }
        text.push_str(&setting(key));
    }
    text
}

/// What is allowed, the default, and the variables.
fn notes(key: &Key) -> String {
    let default = match key.fallback {
        Fallback::Value(default) => match key.kind {
            Kind::Integer { .. } | Kind::Boolean => format!("Default: {default}"),
            _ => format!("Default: {default:?}"),
        },
        Fallback::Told { default, .. } => format!("Default: {default}"),
        Fallback::Required { by, .. } => format!("Required {by}"),
    };
    let mut variables = key.variable();
    if let Some(variable) = key.file_variable() {
        variables = format!("{variables} or {variable}");
    }
    let secret = if key.secret { " Secret." } else { "" };
    format!(
        "{}.{secret}\n# {default}.\n# Environment: {variables}",
        upper(&key.allowed())
    )
}

fn upper(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
        .unwrap_or_default()
}

fn setting(key: &Key) -> String {
    let name = key.path.rsplit('.').next().unwrap_or(key.path);
    match (key.fallback, &key.kind) {
        (Fallback::Told { example, .. }, Kind::Properties) => format!("#{example}\n"),
        (Fallback::Value(default), Kind::Integer { .. } | Kind::Boolean) => {
            format!("#{name} = {default}\n")
        }
        (Fallback::Value(default), _) => format!("#{name} = {default:?}\n"),
        (Fallback::Told { example, .. } | Fallback::Required { example, .. }, _) => {
            format!("#{name} = {example}\n")
        }
    }
}
