//! The histories on disk: each can be read, and is in the table that says
//! what must be found in it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::PathBuf;

use import::jepsen::{JepsenNote, JepsenSettings};

use crate::notation::import;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/jepsen/histories")
}

fn files() -> BTreeSet<String> {
    let entries = fs::read_dir(folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "README.md").collect()
}

#[test]
fn the_table_has_every_file() {
    let table = fs::read_to_string(folder().join("README.md")).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let named: BTreeSet<String> = rows
        .filter_map(|row| row.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(named, files());
}

#[test]
fn every_file_can_be_read() {
    for name in files() {
        let input = BufReader::new(File::open(folder().join(&name)).unwrap());
        let mut events = 0;
        let summary = import(input, &name, JepsenSettings::default(), &mut |_| {
            events += 1;
        })
        .unwrap();
        assert_eq!(events > 0, name != "empty.edn", "{name}");
        let expected = match name.as_str() {
            "cut-off.edn" => vec![
                JepsenNote::Uncompleted { operations: 1 },
                JepsenNote::CutOff { line: 28 },
            ],
            "unseen-without-offset.edn" => vec![JepsenNote::Unlocated { sends: 1 }],
            _ => Vec::new(),
        };
        assert_eq!(summary.notes, expected, "{name}");
    }
}
