//! Links between documents.

use std::collections::{BTreeSet, HashMap};
use std::path::{Component, Path};

use crate::{assert_none, path_of, read, tracked_files};

#[test]
fn every_link_between_documents_leads_somewhere() {
    let documents: Vec<_> = tracked_files().into_iter().filter(|file| file.ends_with(".md")).collect();
    let anchors: HashMap<_, _> = documents.iter().map(|file| (file.clone(), anchors(&read(file)))).collect();
    let (mut findings, mut links) = (Vec::new(), 0);
    for file in &documents {
        for target in targets(&read(file)) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            links += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let to = if path.is_empty() { file.clone() } else { resolve(file, path) };
            let has_anchor =
                anchor.is_empty() || anchors.get(&to).is_some_and(|anchors| anchors.contains(anchor));
            if !path_of(&to).exists() || !has_anchor {
                findings.push(format!("{file}: {target}"));
            }
        }
    }
    assert!(links > 30, "links are found");
    assert_none("links that lead nowhere", &findings);
}

/// The targets of the links in a text, code left out.
fn targets(text: &str) -> Vec<String> {
    prose(text)
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .collect()
}

/// The anchors of a document's headings, as Git hosting services make them.
fn anchors(text: &str) -> BTreeSet<String> {
    prose(text)
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
        })
        .collect()
}

/// A text without its blocks of code.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// A relative path in a document, from the repository's root.
fn resolve(document: &str, path: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => drop(parts.pop()),
            Component::Normal(name) => parts.push(name.to_str().unwrap()),
            _ => {}
        }
    }
    parts.join("/")
}

#[test]
fn links_and_anchors_are_read_as_git_hosting_services_do() {
    let text = "# The `scale` action, in short\n[a](b.md#c) and [d](../e)\n```\n[no](link)\n# none\n```\n";
    assert_eq!(targets(text), ["b.md#c", "../e"]);
    assert_eq!(anchors(text), BTreeSet::from(["the-scale-action-in-short".to_owned()]));
    assert_eq!(resolve("docs/a/x.md", "../y.md"), "docs/y.md");
}
