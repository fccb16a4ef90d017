//! The structure that ARCHITECTURE.md describes: crates depend one way, and within a crate no two modules depend on each
//! other unless one is within the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::ROOT;

/// Each crate, and the crates of this workspace that it may depend on. Its tests may also use the crates above it in this
/// list and `annals-testing`.
const LAYERS: &[(&str, &[&str])] = &[
    ("annals-model", &[]),
    ("annals-store", &["annals-model"]),
    ("annals-service", &["annals-model", "annals-store"]),
    ("annals-server", &["annals-model", "annals-service"]),
    ("annals", &["annals-model", "annals-server", "annals-service", "annals-store"]),
    ("annals-testing", &["annals-model", "annals-service", "annals-store"]),
];

#[test]
fn crates_depend_one_way() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--no-deps"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (mut seen, mut forbidden) = (BTreeSet::new(), Vec::new());
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
            assert_eq!(name, "bench", "this crate is missing in LAYERS");
            continue;
        };
        seen.insert(name);
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            let is_for_tests = dependency["kind"] == "dev";
            let is_below = |layer: &str| position(layer) < position(name);
            let is_allowed =
                allowed.contains(&on) || (is_for_tests && (on == "annals-testing" || is_below(on)));
            if on.starts_with("annals") && !is_allowed {
                forbidden.push(format!("{name} depends on {on}"));
            }
        }
    }
    assert!(forbidden.is_empty(), "LAYERS does not allow these dependencies: {forbidden:#?}");
    assert_eq!(seen.len(), LAYERS.len());
}

fn position(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|(name, _)| *name == layer)
}

#[test]
fn modules_have_no_dependency_cycles() {
    for name in ["model", "store", "service", "server", "annals"] {
        let source = PathBuf::from(ROOT).join("crates").join(name).join("src");
        let modules = modules(&source);
        assert!(modules.len() > 5, "the modules of {name} were not found");
        // By parent: which child refers to which other child.
        let mut edges: BTreeMap<Vec<String>, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for (module, path) in &modules {
            for named in named_in(&std::fs::read_to_string(path).unwrap(), module) {
                let shared = module.iter().zip(&named).take_while(|(a, b)| a == b).count();
                let (Some(from), Some(to)) = (module.get(shared), named.get(shared)) else { continue };
                let parent = module[..shared].to_vec();
                let is_module = modules.contains_key(&[&parent[..], std::slice::from_ref(to)].concat());
                if is_module {
                    edges.entry(parent).or_default().entry(from.clone()).or_default().insert(to.clone());
                }
            }
        }
        for (parent, edges) in edges {
            let cycle = cycle_in(&edges).map(|cycle| cycle.join(" → "));
            assert_eq!(cycle, None, "in {name}::{}: {edges:?}", parent.join("::"));
        }
    }
}

/// Returns the modules of a crate that have a file, by their paths.
fn modules(source: &Path) -> BTreeMap<Vec<String>, PathBuf> {
    let mut found = BTreeMap::new();
    let mut folders = vec![(source.to_owned(), Vec::new())];
    while let Some((folder, module)) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let inner = [&module[..], std::slice::from_ref(&name)].concat();
            if path.is_dir() {
                folders.push((path, inner));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let is_folder = matches!(name.as_str(), "mod" | "lib" | "main");
                found.insert(if is_folder { module.clone() } else { inner }, path);
            }
        }
    }
    found
}

/// Returns the paths within the crate that a module's code uses, without its unit tests.
fn named_in(text: &str, module: &[String]) -> Vec<Vec<String>> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code: String =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut named = Vec::new();
    for (at, _) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        let is_whole = !code[..at]
            .ends_with(|before: char| before.is_alphanumeric() || matches!(before, '_' | ':' | '$'));
        if !is_whole {
            continue;
        }
        let (mut base, mut rest) = (Vec::new(), &code[at..]);
        if let Some(after) = rest.strip_prefix("crate::") {
            rest = after;
        } else {
            base = module.to_vec();
            while let Some(after) = rest.strip_prefix("super::") {
                base.pop();
                rest = after;
            }
        }
        expand(&base, rest, &mut named);
    }
    named
}

/// Adds the paths of an expression such as `a::{b, c::d}` at the beginning of the code.
fn expand(base: &[String], code: &str, named: &mut Vec<Vec<String>>) {
    let end = code.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(code.len());
    let (name, rest) = code.split_at(end);
    let path = if name.is_empty() { base.to_vec() } else { [base, &[name.to_owned()]].concat() };
    let Some(rest) = rest.strip_prefix("::").or(name.is_empty().then_some(rest)) else {
        named.push(path);
        return;
    };
    let Some(list) = rest.strip_prefix('{') else {
        if name.is_empty() {
            named.push(path)
        } else {
            expand(&path, rest, named)
        }
        return;
    };
    let (mut depth, mut start) = (0_usize, 0);
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                let item = list[start..at].trim();
                if !item.is_empty() {
                    expand(&path, item, named);
                }
                start = at + 1;
                if character == '}' {
                    return;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
}

/// Returns the names along a cycle, or `None` if there is none.
fn cycle_in(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    for start in edges.keys() {
        if let Some(cycle) = walk(start, edges, &mut Vec::new(), &mut done) {
            return Some(cycle);
        }
    }
    None
}

fn walk(
    at: &str,
    edges: &BTreeMap<String, BTreeSet<String>>,
    way: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    if let Some(start) = way.iter().position(|name| name == at) {
        return Some([&way[start..], &[at.to_owned()]].concat());
    }
    if !done.insert(at.to_owned()) {
        return None;
    }
    way.push(at.to_owned());
    let found = edges.get(at).into_iter().flatten().find_map(|next| walk(next, edges, way, done));
    way.pop();
    found
}

#[test]
fn paths_and_cycles_are_found() {
    let module = ["a".to_owned(), "b".to_owned()];
    let named = named_in("use crate::x::{y, z::{W, V}};\nuse super::c::d;\nlet x = crate::q;", &module);
    let named: Vec<_> = named.iter().map(|path| path.join("::")).collect();
    assert_eq!(named, ["x::y", "x::z::W", "x::z::V", "q", "a::c::d"]);
    let edges = |pairs: &[(&str, &str)]| {
        let mut edges = BTreeMap::<String, BTreeSet<String>>::new();
        for (from, to) in pairs {
            edges.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        edges
    };
    assert_eq!(cycle_in(&edges(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert_eq!(cycle_in(&edges(&[("a", "b"), ("b", "c"), ("c", "b")])).unwrap().join(" "), "b c b");
}
