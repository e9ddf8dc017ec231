//! What follows from the layers: each decision is a layer of its own, so that it is shown with its reason.

use std::path::{Path as FilePath, PathBuf};

use super::layers::{Layers, Overrides};
use super::shape;
use super::tree::{Node, Path, Value};
use crate::wire::Contract;

/// Windows that the contract states stand above `default.yaml` and below every profile. A contract that cannot be
/// loaded has none: whoever loads it says what is wrong.
pub(super) fn thresholds(tree: &mut Node, layers: &mut Layers, directory: &FilePath) {
    let Some(Value::String { text, .. }) = tree.at(&Path::dotted("contract")).map(|node| &node.value) else { return };
    let place = file_of(tree, layers, "contract", text).map(|file| file.display().to_string());
    let Ok(contract) = Contract::load(place.as_deref().unwrap_or(text)) else { return };
    let is_stated = |key: &str| {
        let node = tree.at(&Path::dotted(key));
        node.and_then(|node| layers.list.get(node.span.layer)).is_some_and(|layer| !layer.is_default())
    };
    let mut told = Overrides::new(format!("contract {}", contract.name()));
    for (name, seconds) in contract.thresholds() {
        let key = format!("thresholds.{name}");
        if !is_stated(&key) {
            told = told.set(&key, seconds);
        }
    }
    lay(&told, tree, layers, directory);
}

/// Without `allow` the environment decides.
pub(super) fn allow(tree: &mut Node, layers: &mut Layers, directory: &FilePath, unusable: &[Path]) {
    let is_open = |path: &Path| tree.at(path).is_none_or(|node| matches!(node.value, Value::Null));
    let allow = Path::dotted("allow");
    if !is_open(&allow) || unusable.iter().any(|path| path.starts_with(&allow)) {
        return;
    }
    let environment = tree.at(&Path::dotted("environment")).map(Node::to_json);
    let production = environment.as_ref().is_none_or(|environment| environment == "production");
    let effects = if production { vec!["read"] } else { vec!["read", "create", "revoke"] };
    let word = environment.as_ref().and_then(serde_json::Value::as_str).unwrap_or("unknown");
    lay(&Overrides::new(format!("environment {word}")).set("allow", effects), tree, layers, directory);
}

/// Whether a contract is named by its file.
pub(super) fn is_path(contract: &str) -> bool {
    contract.contains(['/', '\\']) || contract.ends_with(".yaml") || contract.ends_with(".yml")
}

/// The file that `text`, the value of `key`, names below the file that it is written in; `None` where it is a name.
pub(super) fn file_of(tree: &Node, layers: &Layers, key: &str, text: &str) -> Option<PathBuf> {
    let layer = layers.list.get(tree.at(&Path::dotted(key))?.span.layer)?;
    is_path(text).then(|| layer.base.join(text))
}

fn lay(derived: &Overrides, tree: &mut Node, layers: &mut Layers, directory: &FilePath) {
    let from = layers.list.len();
    layers.add_derived(derived, directory);
    for root in layers.list[from..].iter().filter_map(|layer| layer.root.as_ref()) {
        tree.overlay(root, &Path::default(), &shape::is_secret);
    }
}
