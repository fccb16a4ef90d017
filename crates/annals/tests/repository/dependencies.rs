//! Every dependency has a licence that `deny.toml` allows and comes from the registry.

use std::process::Command;

use serde_json::Value;
use spdx::{Expression, Licensee, ParseMode};

use crate::ROOT;

#[test]
fn dependencies_are_freely_licensed_and_from_the_registry() {
    let deny: toml::Table = std::fs::read_to_string(format!("{ROOT}/deny.toml")).unwrap().parse().unwrap();
    let allowed: Vec<Licensee> = deny["licenses"]["allow"]
        .as_array()
        .unwrap()
        .iter()
        .map(|licence| Licensee::parse(licence.as_str().unwrap()).unwrap())
        .collect();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--all-features"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "the dependencies were not found");
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let Some(source) = package["source"].as_str() else { continue };
        assert!(source.starts_with("registry+"), "{name} comes from {source}");
        let licence = package["license"].as_str().unwrap_or_else(|| panic!("{name} names no licence"));
        let expression = Expression::parse_mode(licence, ParseMode::LAX).unwrap();
        let is_allowed =
            expression.evaluate(|needed| allowed.iter().any(|licensee| licensee.satisfies(needed)));
        assert!(is_allowed, "{name} is licensed {licence}, which deny.toml does not allow");
    }
}
