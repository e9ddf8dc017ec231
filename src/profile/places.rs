//! Where each value of a profile was written: what a report points at.

use std::collections::BTreeMap;

use super::hide::without_user_information;
use super::layers::Layers;
use super::shape;
use super::show::{HIDDEN, scalar};
use super::tree::{Node, Path, Value};

/// Values longer than this many characters are pointed at only.
const SHOWN: usize = 80;

/// Key (dotted) → where its value was written, and the value where it may be shown.
#[derive(Clone, Debug, Default)]
pub struct Places(BTreeMap<String, String>);

impl Places {
    pub(super) fn of(tree: &Node, layers: &Layers) -> Self {
        let mut places = Self::default();
        places.add(tree, &Path::default(), layers);
        places
    }

    /// `urls.auth at profiles/staging.yaml:5 (https://auth.example.com)`; `None` where the key has no value.
    pub fn tell(&self, key: &str) -> Option<String> {
        self.0.get(key).map(|place| format!("{key} at {place}"))
    }

    fn add(&mut self, node: &Node, path: &Path, layers: &Layers) {
        for entry in node.entries() {
            let path = path.join(&entry.key);
            let value = match &entry.node.value {
                Value::Null => continue,
                _ if shape::is_secret(&path) => Some(HIDDEN.to_owned()),
                Value::Map(_) => {
                    self.add(&entry.node, &path, layers);
                    None
                }
                // Items with members may hold secrets.
                Value::List(items) if items.iter().any(|item| matches!(item.value, Value::Map(_))) => None,
                value => Some(without_user_information(&scalar(value))),
            };
            let value = value.filter(|value| value.chars().count() <= SHOWN);
            let Some(line) = layers.line(entry.key_span) else { continue };
            self.0.insert(path.to_string(), value.map_or_else(|| line.clone(), |value| format!("{line} ({value})")));
        }
    }
}
