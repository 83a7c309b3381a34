//! Command lines in the documentation are ones that the parser takes.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use clap::error::ErrorKind;

use super::Cli;

/// README and the like, and everything below `docs`.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ];
    let mut pages: Vec<PathBuf> = named.iter().map(|name| root.join(name)).collect();
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// A command line, and whether it is one to be typed as it stands. In running
/// text a command may be named without what it needs.
struct Example {
    line: String,
    whole: bool,
}

/// What stands in blocks of `console` and `sh`, and in backquotes.
fn examples(page: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut prose = String::new();
    let mut block: Option<&str> = None;
    for line in page.lines() {
        match (block, line.strip_prefix("```")) {
            (None, Some(info)) => block = Some(info),
            (Some(_), Some(_)) => block = None,
            (Some(info), None) => {
                let typed = match info {
                    "console" => line.strip_prefix("$ "),
                    "sh" => Some(line),
                    _ => None,
                };
                found.extend(
                    typed
                        .and_then(ours)
                        .map(|line| Example { line, whole: true }),
                );
            }
            // A code span may go on in the next line, and not in the next row.
            (None, None) if line.starts_with('|') || line.trim().is_empty() => {
                prose.push_str(line);
                prose.push('\n');
            }
            (None, None) => {
                prose.push_str(line);
                prose.push(' ');
            }
        }
    }
    for line in prose.lines() {
        let spans = line.split('`').skip(1).step_by(2).filter_map(ours);
        found.extend(spans.map(|line| Example { line, whole: false }));
    }
    found
}

/// The arguments, where it is ackproof that is called.
fn ours(typed: &str) -> Option<String> {
    let typed = typed.strip_prefix("target/release/").unwrap_or(typed);
    let arguments = typed.strip_prefix("ackproof ")?;
    let ends = [" | ", " |", " > ", " && ", " # ", "; "];
    let end = ends.iter().filter_map(|it| arguments.find(it)).min();
    Some(arguments[..end.unwrap_or(arguments.len())].to_owned())
}

/// The words of a command line, with something for each placeholder that the
/// parser looks into.
fn words(line: &str) -> Vec<String> {
    let mut words = vec!["ackproof".to_owned()];
    for word in line.split_whitespace() {
        let word = word.trim_end_matches(['…', '\\']).trim_matches(['\'', '"']);
        match word {
            "" => {}
            "N" => words.push("1".into()),
            "HOST:PORT" => words.push("kafka-1:9092".into()),
            "IP:PORT" => words.push("127.0.0.1:9092".into()),
            "SHELL" => words.push("bash".into()),
            word => words.push(word.into()),
        }
    }
    words
}

#[test]
fn every_command_line_in_the_documentation_is_taken() {
    let mut taken = 0;
    let mut refused = Vec::new();
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        for example in examples(&text) {
            let Err(error) = Cli::try_parse_from(words(&example.line)) else {
                taken += 1;
                continue;
            };
            let lacks = [
                ErrorKind::MissingRequiredArgument,
                ErrorKind::MissingSubcommand,
                ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
            ];
            let shows = [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion];
            let is_named = !example.whole && lacks.contains(&error.kind());
            if !is_named && !shows.contains(&error.kind()) {
                refused.push(format!(
                    "{}: ackproof {}\n{error}",
                    path.display(),
                    example.line
                ));
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    assert!(taken > 40, "{taken} command lines");
}

/// Faults on the page about the proxy are ones that its HTTP interface takes.
#[test]
fn every_fault_of_the_proxy_in_the_documentation_is_taken() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/guides/proxy.md")).unwrap();
    let blocks = page.split("```json\n").skip(1);
    let blocks = blocks.filter_map(|it| Some(it.split_once("```")?.0.trim().to_owned()));
    let effects = page.split('`').filter(|it| it.starts_with("{\"kind\""));
    let effects = effects.map(|it| {
        let effect = it.replace("{…}", "{\"api\": \"Produce\"}");
        format!("{{\"effect\": {effect}}}")
    });
    let faults = blocks.chain(effects).filter(|it| it.contains("\"effect\""));
    let mut taken = 0;
    for fault in faults {
        let read: Result<proxy::ProxyFault, _> = serde_json::from_str(&fault);
        assert!(read.is_ok(), "{fault}: {read:?}");
        taken += 1;
    }
    assert!(taken >= 12, "{taken} faults");
}
