//! `ackproof diff`: what of a later run is worse, from whatever is left of both.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bench::PerformanceDiff;
use bench::performance::{Performance, SCHEMA as PERFORMANCE};
use report::{Compared, Diff, NotComparable};

use crate::args::{DiffArgs, DiffFormat};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{print, print_raw};
use crate::run_dir::RunDir;

/// Why a file cannot be compared.
#[derive(Debug, thiserror::Error)]
enum DiffError {
    #[error("cannot read {}", path.display())]
    NotReadable { path: PathBuf, source: io::Error },
    #[error("{} cannot be compared", path.display())]
    NotComparable {
        path: PathBuf,
        source: NotComparable,
    },
}

pub(crate) fn diff(args: &DiffArgs) -> Result<Exit, Failure> {
    if let (Some(before), Some(after)) = (performance(&args.before), performance(&args.after)) {
        return of_benchmarks(&before, &after, args.format);
    }
    let side = |path: &Path| {
        read(path).map_err(|error| {
            Failure::usage(&error)
                .hint("name a run directory, its `report.html` or its `verdict.json`")
        })
    };
    let diff = Diff::new(&side(&args.before)?, &side(&args.after)?);
    match args.format {
        DiffFormat::Human => print(&diff.text())?,
        DiffFormat::Markdown => print_raw(&diff.markdown())?,
        DiffFormat::Json => {
            print_raw(&diff.json().map_err(|error| Failure::environment(&error))?)?;
        }
    }
    Ok(exit(diff.has_regression()))
}

fn exit(has_regression: bool) -> Exit {
    if has_regression {
        Exit::Violated
    } else {
        Exit::Held
    }
}

/// What benchmarks measured, where a file holds that.
fn performance(path: &Path) -> Option<Performance> {
    let text = fs::read_to_string(path).ok()?;
    let performance: Performance = serde_json::from_str(&text).ok()?;
    (performance.schema == PERFORMANCE).then_some(performance)
}

fn of_benchmarks(
    before: &Performance,
    after: &Performance,
    format: DiffFormat,
) -> Result<Exit, Failure> {
    let diff = PerformanceDiff::new(before, after);
    match format {
        DiffFormat::Human => print(&diff.text())?,
        DiffFormat::Markdown => print_raw(&diff.markdown())?,
        DiffFormat::Json => {
            print_raw(&diff.json().map_err(|error| Failure::environment(&error))?)?;
        }
    }
    Ok(exit(diff.has_regression()))
}

fn read(path: &Path) -> Result<Compared, DiffError> {
    let dir = path.is_dir().then(|| RunDir::open(path));
    let file = dir
        .as_ref()
        .map_or_else(|| path.to_owned(), RunDir::verdict);
    let text = fs::read_to_string(&file).map_err(|source| DiffError::NotReadable {
        path: file.clone(),
        source,
    })?;
    let compared =
        Compared::read(&text).map_err(|source| DiffError::NotComparable { path: file, source })?;
    // A plan of another version leaves the verdict to compare.
    let plan = dir.and_then(|dir| dir.plan().ok());
    Ok(match plan {
        Some(plan) => compared.with_plan(&plan),
        None => compared,
    })
}
