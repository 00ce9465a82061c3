//! What a cluster consists of, and the command lines and the file that make it so.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::process::Process;

/// Few, so that a start is quick; as many as `up` has.
pub(crate) const SHARDS: u16 = 4;

const ALL_DOMAINS: &str = "auth,orders,products,notifications,logs";

/// What a cluster consists of.
#[derive(Clone, Debug)]
pub(crate) struct ClusterSetup {
    /// The nodes of the start.
    pub(crate) nodes: Vec<NodeSetup>,
    /// Gateways, each with an address of its own.
    pub(crate) gateways: usize,
    /// Keys of the configuration, with values as they stand in its file.
    pub(crate) settings: Vec<(String, String)>,
    /// On servers of its own, which it may stop. Then no other cluster runs beside it.
    pub(crate) own_servers: bool,
    /// Let the program make up the admin's password; then nobody is logged in as admin.
    pub(crate) generated_password: bool,
}

/// One node.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeSetup {
    /// Its name.
    pub(crate) name: String,
    /// Keys that only it has.
    pub(crate) settings: Vec<(String, String)>,
    /// Variables of its environment.
    pub(crate) environment: Vec<(String, String)>,
}

impl NodeSetup {
    /// A node with nothing special.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}

impl ClusterSetup {
    /// A gateway and nodes of these names.
    pub(crate) fn of(nodes: &[&str]) -> Self {
        Self {
            nodes: nodes.iter().map(|name| NodeSetup::named(name)).collect(),
            gateways: 1,
            settings: Vec::new(),
            own_servers: false,
            generated_password: false,
        }
    }

    /// With one more setting.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// With so many gateways.
    pub(crate) fn gateways(mut self, gateways: usize) -> Self {
        self.gateways = gateways;
        self
    }

    /// With servers of its own.
    pub(crate) fn own_servers(mut self) -> Self {
        self.own_servers = true;
        self
    }
}

impl NodeSetup {
    /// The process that it is, not started.
    pub(super) fn process(self, home: &Path, config: &Path) -> Process {
        let mut arguments: Vec<OsString> = vec!["node".into(), "--config".into(), config.into()];
        arguments.extend(["--node-name".into(), (&self.name).into()]);
        arguments.extend(["--domains", ALL_DOMAINS, "--listen", "127.0.0.1:0"].map(Into::into));
        for (key, value) in &self.settings {
            arguments.extend(["--set".into(), format!("{key}={value}").into()]);
        }
        let mut node = Process::new(home, &format!("node-{}", self.name), arguments);
        node.set_environment(self.environment);
        node
    }
}

/// A gateway, not started.
pub(super) fn gateway(home: &Path, config: &Path, name: &str) -> Process {
    let mut arguments: Vec<OsString> = vec!["gateway".into(), "--config".into(), config.into()];
    arguments.extend(["--node-name", name, "--http", "127.0.0.1:0"].map(Into::into));
    Process::new(home, name, arguments)
}

/// A configuration file with these keys and values.
pub(super) fn configuration_file<'a>(
    settings: impl IntoIterator<Item = (&'a str, String)>,
) -> String {
    let mut sections: BTreeMap<&str, String> = BTreeMap::new();
    for (key, value) in settings {
        let (section, key) = match key.find(".\"") {
            // A property of librdkafka, whose own name has dots.
            Some(dot) => (&key[..dot], &key[dot + 1..]),
            None => key.rsplit_once('.').unwrap_or(("", key)),
        };
        let lines = sections.entry(section).or_default();
        lines.push_str(&format!("{key} = {value}\n"));
    }
    let mut file = sections.remove("").unwrap_or_default();
    for (section, lines) in sections {
        file.push_str(&format!("[{section}]\n{lines}"));
    }
    file
}
