//! Two mistakes and more for every key of every scenario that comes with the
//! binary: each key misspelt, each value of another type, each reference to
//! nothing. All are refused, by the key's name and in the format's words.

use engine::check;
use model::ids::RunId;
use model::plan::ScenarioPlan;
use model::scenario::{EMBEDDED, locate, parse};
use toml::{Table, Value};

use crate::fixture::Bench;

/// Names that only a reader of the source could understand.
const FOREIGN: [&str; 26] = [
    "u8",
    "u16",
    "u32",
    "u64",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "usize",
    "f64",
    "bool",
    "map",
    "sequence",
    "struct",
    "enum",
    "variant",
    "field",
    "serde",
    "deserialize",
    "Option",
    "Some",
    "None",
    "unwrap",
    "invalid type",
    "os error",
];

/// Whatever a key is called that names something else in the file.
const REFERENCES: [&str; 9] = [
    "topic",
    "from",
    "to",
    "group",
    "table",
    "claim",
    "kind",
    "transactional_id",
    "api",
];

struct Mistake {
    /// In which scenario, and what it is.
    what: String,
    text: String,
    /// What the message has to name: any of these.
    names: Vec<String>,
}

/// One step from a table to a value.
#[derive(Clone)]
enum Step {
    Key(String),
    Index(usize),
}

fn all() -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (scenario, text) in EMBEDDED {
        let document: Table = text.parse().unwrap();
        let mut paths = Vec::new();
        collect(&Value::Table(document.clone()), &[], &mut paths);
        for path in paths {
            let Some(Step::Key(key)) = path.last() else {
                continue;
            };
            // Debezium takes any name, and says nothing.
            let within = |name: &str| {
                path.iter()
                    .any(|it| matches!(it, Step::Key(key) if key == name))
            };
            let is_debeziums = within("capture") && within("config") && key != "config";
            // PostgreSQL takes no other name, and says so when it starts.
            let is_postgresqls = within("database_config") && key != "database_config";
            let place = |what: &str| format!("{scenario}: {what} {}", words(&path));
            let mut push = |what: String, document: Table, names: Vec<String>| {
                let text = toml::to_string(&document).unwrap();
                mistakes.push(Mistake { what, text, names });
            };
            if !is_debeziums && !is_postgresqls {
                let wrong = misspelt(key);
                let mut changed = document.clone();
                rename(&mut changed, &path, &wrong);
                push(place("misspelt"), changed, vec![wrong]);
            }
            let value = get(&document, &path);
            for other in of_other_types(value) {
                let mut changed = document.clone();
                *get_mut(&mut changed, &path) = other;
                push(place("other type"), changed, vec![key.clone()]);
            }
            if REFERENCES.contains(&key.as_str()) && value.is_str() {
                let mut changed = document.clone();
                *get_mut(&mut changed, &path) = "no-such-thing".into();
                push(place("broken"), changed, vec!["no-such-thing".to_owned()]);
            }
            if ["injected", "healed", "member"].contains(&key.as_str()) {
                let mut changed = document.clone();
                *get_mut(&mut changed, &path) = 60.into();
                push(
                    place("broken"),
                    changed,
                    vec!["60".to_owned(), key.clone(), "members".to_owned()],
                );
            }
        }
    }
    mistakes
}

fn words(path: &[Step]) -> String {
    let words: Vec<String> = path
        .iter()
        .map(|step| match step {
            Step::Key(key) => key.clone(),
            Step::Index(at) => at.to_string(),
        })
        .collect();
    words.join("/")
}

fn collect(value: &Value, at: &[Step], paths: &mut Vec<Vec<Step>>) {
    let mut go = |step: Step, value: &Value| {
        let mut path = at.to_vec();
        path.push(step);
        paths.push(path.clone());
        collect(value, &path, paths);
    };
    match value {
        Value::Table(table) => table
            .iter()
            .for_each(|(key, value)| go(Step::Key(key.clone()), value)),
        Value::Array(all) => all
            .iter()
            .enumerate()
            .for_each(|(at, value)| go(Step::Index(at), value)),
        _ => {}
    }
}

fn get<'t>(document: &'t Table, path: &[Step]) -> &'t Value {
    let Some((Step::Key(first), rest)) = path.split_first() else {
        panic!("no path")
    };
    rest.iter()
        .fold(&document[first], |value, step| match step {
            Step::Key(key) => &value[key.as_str()],
            Step::Index(at) => &value[*at],
        })
}

fn get_mut<'t>(document: &'t mut Table, path: &[Step]) -> &'t mut Value {
    let Some((Step::Key(first), rest)) = path.split_first() else {
        panic!("no path")
    };
    rest.iter()
        .fold(document.get_mut(first).unwrap(), |value, step| match step {
            Step::Key(key) => value.get_mut(key.as_str()).unwrap(),
            Step::Index(at) => value.get_mut(*at).unwrap(),
        })
}

fn rename(document: &mut Table, path: &[Step], to: &str) {
    let (last, before) = path.split_last().unwrap();
    let Step::Key(key) = last else {
        panic!("no key")
    };
    let table = if before.is_empty() {
        document
    } else {
        get_mut(document, before).as_table_mut().unwrap()
    };
    let value = table.remove(key).unwrap();
    table.insert(to.to_owned(), value);
}

/// A letter too many in the middle.
fn misspelt(key: &str) -> String {
    let (before, after) = key.split_at(key.len() / 2);
    format!("{before}q{after}")
}

fn of_other_types(value: &Value) -> Vec<Value> {
    let table = || Value::Table(Table::from_iter([("a".to_owned(), Value::from("b"))]));
    let date = || Value::Datetime("1979-05-27".parse().unwrap());
    match value {
        Value::String(_) => vec![7.into(), true.into(), date(), vec![1].into(), table()],
        Value::Integer(_) => vec![
            "many".into(),
            "3s".into(),
            0.5.into(),
            (-7).into(),
            i64::MAX.into(),
        ],
        Value::Boolean(_) => vec!["yes".into(), 1.into()],
        Value::Table(_) => vec!["text".into(), 7.into()],
        Value::Array(_) => vec!["text".into(), table()],
        Value::Float(_) => vec!["many".into()],
        Value::Datetime(_) => vec![],
    }
}

/// The refusal, as `explain` shows it.
fn refusal(text: &str) -> Option<String> {
    let scenario = match parse("mine.toml", text) {
        Ok(scenario) => scenario,
        Err(error) => return Some(error.to_string()),
    };
    let plan = ScenarioPlan::new(scenario, 0, RunId::new(0), 1);
    let problem = check(&plan).err()?;
    Some(locate("mine.toml", text, &problem).to_string())
}

fn foreign(message: &str) -> Option<&'static str> {
    // The user's own line stands below.
    let message = message.lines().next().unwrap_or_default();
    FOREIGN.into_iter().find(|word| {
        message.match_indices(word).any(|(at, _)| {
            let is_end = |it: Option<char>| !it.is_some_and(|it| it.is_alphanumeric() || it == '_');
            is_end(message[..at].chars().next_back())
                && is_end(message[at + word.len()..].chars().next())
        })
    })
}

#[test]
fn every_mistake_in_every_scenario_is_refused_by_its_name() {
    let all = all();
    let mut wrong = Vec::new();
    for mistake in &all {
        let Mistake { what, text, names } = mistake;
        match refusal(text) {
            None => wrong.push(format!("{what}: taken")),
            Some(message) => {
                let first = message.lines().next().unwrap_or_default();
                if !names.iter().any(|name| first.contains(name.as_str())) {
                    wrong.push(format!("{what}: {first} does not name {names:?}"));
                }
                if let Some(word) = foreign(&message) {
                    wrong.push(format!("{what}: {first} says {word}"));
                }
            }
        }
    }
    println!("{} mistakes", all.len());
    assert!(all.len() > 2000, "only {} mistakes", all.len());
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        all.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_program_refuses_them_and_starts_nothing() {
    let bench = Bench::new();
    for mistake in all().iter().step_by(101) {
        let Mistake { what, text, .. } = mistake;
        // The name is the embedded scenario's, which is a mistake of its own.
        let text = text.replacen("name = \"", "name = \"my-", 1);
        bench.write("mine.toml", &text);
        let explained = bench.transcript(&["explain", "mine.toml"]);
        assert!(
            explained.starts_with("exit code 2\n--- stderr\nerror: mine.toml:"),
            "{what}: {explained}"
        );
        assert_eq!(foreign(&explained), None, "{explained}");
        let run = bench.transcript(&["run", "broker-restart", "mine.toml", "--out", "r"]);
        assert_eq!(run, explained, "{what}");
        let dry = bench.transcript(&[
            "run",
            "--dry-run",
            "broker-restart",
            "mine.toml",
            "--out",
            "r",
        ]);
        assert_eq!(dry, explained, "{what}");
        assert!(!bench.path().join("r").exists() && !bench.path().join("runs").exists());
    }
}
