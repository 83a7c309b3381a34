//! Every Markdown page of the repository: its links lead somewhere, and its
//! examples are what they say they are. Knows nothing of what a page is about.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use model::scenario::{EMBEDDED, parse};
use serde_json::Value;

use super::{document, grammar};

/// The folder of the repository.
fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

/// Every page, by its path from the root.
fn pages() -> BTreeMap<PathBuf, String> {
    /// What builds and runs leave, which is no part of the repository.
    const LEFT: [&str; 4] = ["target", "runs", "corpus", "artifacts"];
    let mut found = BTreeMap::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let path = entry.path();
            if name.starts_with('.') || LEFT.contains(&name.as_str()) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "md") {
                let text = fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(root()).unwrap().to_owned(), text);
            }
        }
    }
    found
}

/// A fenced block: what stands behind the fence, and the lines.
struct Block {
    info: String,
    text: String,
}

/// A page's blocks, and its lines outside of them.
fn parts(page: &str) -> (Vec<Block>, Vec<&str>) {
    let (mut blocks, mut prose) = (Vec::new(), Vec::new());
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, Some(info)) => {
                open = Some(Block {
                    info: info.to_owned(),
                    text: String::new(),
                });
            }
            (None, None) => prose.push(line),
        }
    }
    assert!(open.is_none(), "a block that does not end");
    (blocks, prose)
}

/// A line without what stands in backquotes.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// Where the links of a line lead: `[text](target)` and `[name]: target`.
fn targets(line: &str) -> Vec<String> {
    let line = without_code(line);
    let inline = line.split("](").skip(1);
    let inline = inline.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()));
    let named = line.strip_prefix('[').and_then(|it| it.split_once("]: "));
    inline
        .chain(named.map(|(_, target)| target.trim().to_owned()))
        .collect()
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for heading in parts(page).1.into_iter().filter(|it| it.starts_with('#')) {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text
            .chars()
            .filter(|it| it.is_alphanumeric() || [' ', '-', '_'].contains(it));
        let anchor: String = kept.map(|it| if it == ' ' { '-' } else { it }).collect();
        let mut numbered = anchor.clone();
        for number in 1.. {
            if known.insert(numbered) {
                break;
            }
            numbered = format!("{anchor}-{number}");
        }
    }
    known
}

#[test]
fn every_relative_link_leads_to_a_file_and_every_anchor_to_a_heading() {
    let pages = pages();
    assert!(pages.len() > 15, "{} pages", pages.len());
    let mut broken = Vec::new();
    for (path, text) in &pages {
        let prose = parts(text).1;
        for target in prose.into_iter().flat_map(targets) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let leads_to = if file.is_empty() {
                root().join(path)
            } else {
                root().join(path).parent().unwrap().join(file)
            };
            let is_there = leads_to.exists();
            let has_anchor = anchor.is_empty()
                || fs::read_to_string(&leads_to).is_ok_and(|it| anchors(&it).contains(anchor));
            if !is_there || !has_anchor {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

/// `docs/README.md` is the index: no page is left out.
#[test]
fn every_page_of_the_documentation_is_in_its_index() {
    let pages = pages();
    let index = &pages[Path::new("docs/README.md")];
    let listed: BTreeSet<String> = parts(index).1.into_iter().flat_map(targets).collect();
    for path in pages.keys() {
        let Ok(page) = path.strip_prefix("docs") else {
            continue;
        };
        let page = page.to_str().unwrap();
        let is_listed = page == "README.md" || listed.contains(page);
        assert!(is_listed, "{page} is not in docs/README.md");
    }
}

/// `docs/reference/catalogue.md` names every scenario that comes with ackproof,
/// in the section of its suite.
#[test]
fn every_embedded_scenario_is_in_the_catalogue() {
    let pages = pages();
    let page = &pages[Path::new("docs/reference/catalogue.md")];
    for (name, text) in EMBEDDED {
        let suite = parse(name, text).unwrap().suite;
        let mut sections = page.split("\n## ");
        let section =
            sections.find(|it| it.lines().next().unwrap().contains(&format!("`{suite}`")));
        let section = section.unwrap_or_else(|| panic!("no section for the suite {suite}"));
        assert!(section.contains(&format!("`{name}`")), "{name} is not told");
    }
}

/// A `make` target that a page names exists.
#[test]
fn every_make_target_in_the_documentation_exists() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let mut named = 0;
    for (path, text) in pages() {
        let typed = text.lines().filter_map(|line| line.strip_prefix("$ "));
        let spans = text
            .lines()
            .flat_map(|line| line.split('`').skip(1).step_by(2));
        let targets = typed.chain(spans).filter_map(|it| it.strip_prefix("make "));
        for target in targets {
            let target = target.split([' ', ';', '#']).next().unwrap();
            let is_there = makefile.contains(&format!("\n{target}:"));
            assert!(is_there, "{}: make {target}", path.display());
            named += 1;
        }
    }
    assert!(named > 10, "{named} targets");
}

/// A block of TOML is a scenario, whole or a part that fits into one. One of
/// something else says so: `toml excerpt`.
#[test]
fn every_toml_example_parses() {
    let mut examples = 0;
    for (path, text) in pages() {
        let blocks = parts(&text).0;
        for block in blocks.into_iter().filter(|it| it.info == "toml") {
            examples += 1;
            let table = grammar::table(&block.text);
            let read = if document::is_complete(&table) {
                parse("example.toml", &block.text)
            } else {
                grammar::read(&document::completed(table))
            };
            read.unwrap_or_else(|error| {
                panic!("{}: {error}\n\nin\n{}", path.display(), block.text)
            });
        }
    }
    assert!(examples > 30, "{examples} examples");
}

/// Blocks of JSON are one value, or one value a line.
#[test]
fn every_json_example_parses() {
    let mut examples = 0;
    for (path, text) in pages() {
        for block in parts(&text).0 {
            let language = block.info.split(' ').next().unwrap();
            let is_whole = || serde_json::from_str::<Value>(&block.text).is_ok();
            let is_lines = || {
                let mut lines = block.text.lines().filter(|line| !line.trim().is_empty());
                lines.all(|line| serde_json::from_str::<Value>(line).is_ok())
            };
            let fits = match language {
                "json" => is_whole() || is_lines(),
                "jsonl" => is_lines(),
                _ => continue,
            };
            assert!(fits, "{}:\n{}", path.display(), block.text);
            examples += 1;
        }
    }
    assert!(examples >= 5, "{examples} examples");
}
