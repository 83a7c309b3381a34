//! `ackproof check`: the verdict on a run, again, or on what another tool
//! recorded, from the recorded files only. Changes nothing in them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use checker::Examples;
use report::{html, verdict_json};

use crate::args::{CheckArgs, Format};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::import_summary;
use crate::imported::{self, ImportError, Recorded};
use crate::judgement::judge_run;
use crate::output::{print, print_raw};
use crate::recorded::recorded;
use crate::run_dir::{RunDir, RunDirError};
use crate::settings::{CheckSettings, Files, ForeignFiles};
use crate::stdin_copy::StdinCopy;
use crate::summary;
use crate::text::{columns_of, fit};

pub(crate) fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    let settings = CheckSettings::new(args)?;
    let proofs = settings.examples.unwrap_or(summary::PROOFS_SHOWN);
    let examples = settings
        .examples
        .map_or_else(Examples::default, Examples::at_most);
    match settings.files {
        Files::RunDir(dir) => check_run(
            &dir,
            settings.format,
            examples,
            proofs,
            args.html.as_deref(),
        ),
        Files::Foreign { files, expected } => {
            // The copy is kept until everything is read.
            let mut stdin_copy = StdinCopy::default();
            let first = match &files {
                ForeignFiles::Kafkatest(sources, _) => sources.first().map(|it| it.path.clone()),
                // A history without operations is one.
                ForeignFiles::Jepsen(_) => None,
            };
            let recorded = open(files, &mut stdin_copy)?;
            let judged =
                imported::judge(recorded, expected, examples).map_err(|error| failure(&error))?;
            let nothing =
                judged.counts.sent == 0 && judged.counts.stored == 0 && judged.groups.is_empty();
            if let Some(first) = first.filter(|_| nothing) {
                return Err(Failure::usage(&Nothing(first)));
            }
            match settings.format {
                Format::Json => {
                    let text = import_summary::json(&judged);
                    print_raw(&text.map_err(|error| Failure::environment(&error))?)?;
                }
                Format::Human => print(&import_summary::human(&judged, proofs))?,
            }
            Ok(Exit::from(judged.verdict))
        }
    }
}

/// A topic that is said to be cleaned, and that no file tells of.
#[derive(Debug, thiserror::Error)]
#[error("--cleanup names the topic {0}, of which no file tells")]
struct NoSuchTopic(String);

/// Files in which nothing happens that could be judged.
#[derive(Debug, thiserror::Error)]
#[error(
    "there are no events of producers or consumers in {}: nothing was recorded, or by another tool",
    .0.display()
)]
struct Nothing(PathBuf);

/// Opens the files of another tool, where each can be read more than once.
fn open(files: ForeignFiles, stdin_copy: &mut StdinCopy) -> Result<Recorded, Failure> {
    let mut file = |path: &Path| {
        stdin_copy
            .file(path)
            .map_err(|error| Failure::usage(&error))
    };
    match files {
        ForeignFiles::Kafkatest(mut sources, cleaning) => {
            for source in &mut sources {
                source.path = file(&source.path)?;
            }
            let recording = import::kafkatest::Recording::open(sources);
            let recording = recording.map_err(|error| failure(&error.into()))?;
            let recording = recording.cleaned(cleaning);
            if let Some(topic) = recording.unknown_topics().first() {
                return Err(Failure::usage(&NoSuchTopic((*topic).to_owned())));
            }
            Ok(Recorded::Kafkatest(Box::new(recording)))
        }
        ForeignFiles::Jepsen(name) => Ok(Recorded::Jepsen {
            path: file(&name)?,
            name,
            foresight: import::jepsen::Foresight::default(),
        }),
    }
}

/// What the user can do about files that cannot be read.
fn failure(error: &ImportError) -> Failure {
    let failure = Failure::usage(error);
    match error {
        ImportError::Kafkatest(import::kafkatest::KafkatestError::Groupless { path }) => failure
            .hint(format!(
                "name it consumer-GROUP-N.jsonl, or give --group GROUP={}",
                path.display()
            )),
        _ => failure,
    }
}

/// The page could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to {}", path.display())]
struct NotWritable {
    path: PathBuf,
    source: std::io::Error,
}

fn check_run(
    path: &Path,
    format: Format,
    examples: Examples,
    proofs: usize,
    page: Option<&Path>,
) -> Result<Exit, Failure> {
    let dir = RunDir::open(path);
    let plan = dir.plan().map_err(RunDirError::into_failure)?;
    let verdict = judge_run(&dir, &plan, examples).map_err(|error| {
        Failure::usage(&error).hint(
            "the file is not the one that was recorded: check a copy of the directory, if there is one",
        )
    })?;
    if let Some(page) = page {
        let recorded = recorded(&dir, &plan, &verdict);
        let text = html(&plan, &verdict, &dir.configurations(&plan), &recorded);
        std::fs::write(page, text).map_err(|source| {
            let path = page.to_owned();
            Failure::environment(&NotWritable { path, source })
        })?;
    }
    match format {
        Format::Json => {
            print_raw(&verdict_json(&verdict).map_err(|error| Failure::environment(&error))?)?;
        }
        Format::Human => {
            let mut text = summary::header(&plan) + &summary::skipped(&plan);
            let name_chars = summary::name_chars(&plan);
            for (planned, judged) in plan.scenarios.iter().zip(&verdict.scenarios) {
                text.push_str(&summary::scenario(planned, judged, name_chars, proofs));
            }
            let _ = writeln!(text, "  {}", summary::totals(&plan, &verdict));
            print(&fit(&text, columns_of(std::io::stdout())))?;
        }
    }
    Ok(Exit::from(verdict.verdict))
}
