//! `ackproof audit`: configurations in, what they guarantee and what weakens it out.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use audit::baseline::{Baseline, BaselineError};
use audit::component::Component;
use audit::policy::{Policy, PolicyError};
use audit::read::{InputError, InputFile, may_be, read};
use audit::rules::Severity;
use audit::{AuditReport, output};

use crate::args::{AuditArgs, AuditFormat, FailOn};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{note, print, print_raw};
use crate::secured;
use crate::version::version;

mod demonstrate;
mod live;
mod page;
mod worker;

/// Read where the user names no other.
const POLICY: &str = "ackproof-audit.toml";
/// A folder with more is not a folder of configurations.
const FILES_MAX: usize = 2000;
/// A configuration is not larger.
const BYTES_MAX: u64 = 8 << 20;

/// What cannot be audited.
#[derive(Debug, thiserror::Error)]
enum AuditError {
    #[error("cannot read {}", path.display())]
    NotReadable { path: PathBuf, source: io::Error },
    #[error("{} is larger than a configuration: {bytes} bytes", path.display())]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("{} holds more than {FILES_MAX} files", path.display())]
    TooMany { path: PathBuf },
    #[error("{} holds no configuration that is known", path.display())]
    Nothing { path: PathBuf },
    #[error(transparent)]
    Read(#[from] InputError),
    #[error("{}", path.display())]
    Policy { path: PathBuf, source: PolicyError },
    #[error("{}", path.display())]
    Baseline {
        path: PathBuf,
        source: BaselineError,
    },
    #[error("cannot write {}", path.display())]
    NotWritable { path: PathBuf, source: io::Error },
}

/// What was read.
#[derive(Default)]
struct Material {
    components: Vec<Component>,
    notes: Vec<String>,
    inputs: Vec<InputFile>,
}

/// There is no cluster to be reached.
#[derive(Debug, thiserror::Error)]
#[error("--resolve has no effect without --bootstrap")]
struct NothingToResolve;

pub(crate) async fn audit(args: &AuditArgs) -> Result<Exit, Failure> {
    let policy = policy(args).map_err(|error| Failure::usage(&error))?;
    let baseline = baseline(args).map_err(|error| {
        Failure::usage(&error).hint("--write-baseline makes one of the findings of now")
    })?;
    if !args.resolve.resolve.is_empty() && args.bootstrap.is_empty() {
        return Err(Failure::usage(&NothingToResolve));
    }
    let security = secured::reach(args.command_config.as_deref(), &args.resolve)?;
    let mut material = Material::default();
    for path in &args.inputs {
        take_in(path, args, &mut material).map_err(|error| Failure::usage(&error))?;
    }
    if !args.bootstrap.is_empty() {
        let found = live::cluster(&args.bootstrap, security, &args.groups).await;
        material.components.extend(found?);
    }
    if let Some(url) = &args.connect {
        let (ca, auth) = (args.connect_ca.as_deref(), args.connect_auth.as_deref());
        let found = worker::connectors(url, ca, auth).await?;
        material.components.extend(found);
    }
    let mut report = audit::audit(
        material.components,
        material.notes,
        &policy,
        &material.inputs,
        baseline.as_ref(),
    );
    let demonstrated = if args.demonstrate {
        demonstrate::demonstrate(&mut report, args).await
    } else {
        Ok(())
    };
    if args.write_baseline {
        write_baseline(args, &report, baseline)?;
    }
    // What was found counts also where a demonstration could not be run.
    write_out(args, &report)?;
    demonstrated?;
    Ok(exit(args.fail_on, &report))
}

fn exit(fail_on: FailOn, report: &AuditReport) -> Exit {
    let least = match fail_on {
        FailOn::Error => Severity::Error,
        FailOn::Warning => Severity::Warning,
        FailOn::Never => return Exit::Held,
    };
    if report.worst().is_some_and(|worst| worst >= least) {
        Exit::Violated
    } else {
        Exit::Held
    }
}

fn policy(args: &AuditArgs) -> Result<Policy, AuditError> {
    let path = args.policy.clone().unwrap_or_else(|| PathBuf::from(POLICY));
    let mut policy = if args.policy.is_some() || path.is_file() {
        let text = text_of(&path)?;
        Policy::parse(&text).map_err(|source| AuditError::Policy { path, source })?
    } else {
        Policy::default()
    };
    let promise = &mut policy.promise;
    promise.outage_s = args.outage_s.or(promise.outage_s);
    promise.recovery_s = args.recovery_s.or(promise.recovery_s);
    promise.pause_h = args.pause_h.or(promise.pause_h);
    Ok(policy)
}

fn baseline(args: &AuditArgs) -> Result<Option<Baseline>, AuditError> {
    let Some(path) = &args.baseline else {
        return Ok(None);
    };
    if args.write_baseline && !path.exists() {
        return Ok(None);
    }
    let text = text_of(path)?;
    let read = Baseline::parse(&text).map_err(|source| AuditError::Baseline {
        path: path.clone(),
        source,
    })?;
    Ok(Some(read))
}

fn text_of(path: &Path) -> Result<String, AuditError> {
    let not_readable = |source| AuditError::NotReadable {
        path: path.to_owned(),
        source,
    };
    let bytes = fs::metadata(path).map_err(not_readable)?.len();
    if bytes > BYTES_MAX {
        return Err(AuditError::TooLarge {
            path: path.to_owned(),
            bytes,
        });
    }
    let read = fs::read(path).map_err(not_readable)?;
    Ok(String::from_utf8_lossy(&read).into_owned())
}

/// A file, by the path that editors and code scanning know it by.
fn input(path: &Path) -> Result<InputFile, AuditError> {
    let named = path.strip_prefix(".").unwrap_or(path);
    Ok(InputFile {
        path: named.display().to_string(),
        text: text_of(path)?,
    })
}

/// Reads a file, or what is a configuration in a folder.
fn take_in(path: &Path, args: &AuditArgs, material: &mut Material) -> Result<(), AuditError> {
    if !path.is_dir() {
        let input = input(path)?;
        let found = read(&input, args.client_of(&input.path))?;
        material.components.extend(found.components);
        material.notes.extend(found.notes);
        material.inputs.push(input);
        return Ok(());
    }
    let before = material.components.len();
    for file in files(path)? {
        let input = input(&file)?;
        match read(&input, args.client_of(&input.path)) {
            Ok(found) => {
                material.components.extend(found.components);
                material.notes.extend(found.notes);
                material.inputs.push(input);
            }
            // A folder has other files too; one that is broken is named.
            Err(InputError::Unknown { .. }) => {}
            Err(error @ InputError::Syntax { .. }) => {
                material.notes.push(format!("left out: {error}"));
            }
        }
    }
    if material.components.len() == before {
        return Err(AuditError::Nothing {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Files that may be configurations below a folder, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>, AuditError> {
    const OTHERS: [&str; 4] = ["node_modules", "target", "build", "vendor"];
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|source| AuditError::NotReadable {
            path: folder.clone(),
            source,
        })?;
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type();
            if name.starts_with('.') || OTHERS.contains(&name.as_str()) || name == POLICY {
                continue;
            }
            match kind {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() && may_be(&name) => found.push(entry.path()),
                _ => {}
            }
            if found.len() > FILES_MAX {
                return Err(AuditError::TooMany { path: folder });
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Writes the baseline anew. One that was there only shrinks.
fn write_baseline(
    args: &AuditArgs,
    report: &AuditReport,
    before: Option<Baseline>,
) -> Result<(), Failure> {
    let Some(path) = &args.baseline else {
        return Ok(());
    };
    let mut now = Baseline::of(&report.findings);
    if let Some(before) = before {
        now.findings.retain(|it| before.findings.contains(it));
    }
    let text = now.text().map_err(|error| Failure::environment(&error))?;
    write_file(path, &text)?;
    note(&format!(
        "{}: {} in the baseline\n",
        path.display(),
        model::scenario::words::counted(now.findings.len() as u64, "finding")
    ));
    Ok(())
}

fn write_file(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|source| {
        Failure::environment(&AuditError::NotWritable {
            path: path.to_owned(),
            source,
        })
    })
}

/// Writes the report in every form that was asked for.
fn write_out(args: &AuditArgs, report: &AuditReport) -> Result<(), Failure> {
    let json = || output::json(report).map_err(|error| Failure::environment(&error));
    let sarif = || format!("{:#}\n", output::sarif(report, version()));
    if let Some(path) = &args.json {
        write_file(path, &json()?)?;
    }
    if let Some(path) = &args.sarif {
        write_file(path, &sarif())?;
    }
    if let Some(path) = &args.junit {
        let xml = output::junit(report).map_err(|error| Failure::environment(&error))?;
        write_file(path, &xml)?;
    }
    if let Some(path) = &args.markdown {
        write_file(path, &output::markdown(report))?;
    }
    match args.format {
        AuditFormat::Human => {
            print(&page::page(report, args.verbose))?;
            in_github_actions(report)?;
        }
        AuditFormat::Json => print_raw(&json()?)?,
        AuditFormat::Sarif => print_raw(&sarif())?,
        AuditFormat::Markdown => print_raw(&output::markdown(report))?,
        AuditFormat::Github => print_raw(&output::github(report))?,
    }
    Ok(())
}

/// In a job of GitHub Actions findings stand beside the files, and the report in the
/// job's summary.
fn in_github_actions(report: &AuditReport) -> Result<(), Failure> {
    if env::var_os("GITHUB_ACTIONS").is_none_or(|it| it != "true") {
        return Ok(());
    }
    print_raw(&output::github(report))?;
    let Some(path) = env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from) else {
        return Ok(());
    };
    let appended = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(output::markdown(report).as_bytes()));
    appended.map_err(|source| Failure::environment(&AuditError::NotWritable { path, source }))
}
