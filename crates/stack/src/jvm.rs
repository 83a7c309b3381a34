//! How a Java program of the stack is started: class path, memory, logging,
//! start-up archive.
//!
//! Knows the JVM's options; not what the programs do.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use secret::Secrets;

use crate::artefacts::Artefacts;
use crate::encoding::{encoded, java_properties};
use crate::java::Java;
use crate::process::{ChildSpec, Input};

/// Whether a process is to start fast or to run fast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compiler {
    /// The quick compiler only: less processor time at the start, for runs of
    /// seconds.
    #[default]
    FastStart,
    /// All compilers, for throughput.
    Full,
}

/// The variables by which a user's environment would change the JVM's options
/// behind our back (java(1), `JDK_JAVA_OPTIONS`).
const MEDDLING: [&str; 3] = ["JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS"];

/// A file that is a process's own standard input: proc(5).
const STDIN: &str = "/dev/stdin";

/// A Java program to start.
#[derive(Clone, Debug)]
pub(crate) struct JvmSpec {
    pub(crate) java: PathBuf,
    pub(crate) class_path: OsString,
    pub(crate) main_class: &'static str,
    pub(crate) heap_mb: u32,
    pub(crate) compiler: Compiler,
    /// Options that use, or make, a start-up archive.
    pub(crate) archive_options: Vec<OsString>,
    pub(crate) log4j_config: PathBuf,
    /// nice(1): 0 as we are, 19 last.
    pub(crate) nice: u8,
    pub(crate) args: Vec<OsString>,
    pub(crate) log: PathBuf,
    /// What must not get into the log.
    pub(crate) secrets: Secrets,
    /// What it reads from standard input.
    pub(crate) input: Option<Input>,
}

impl JvmSpec {
    pub(crate) fn new(
        java: &Java,
        artefacts: &Artefacts,
        main_class: &'static str,
        log4j_config: &Path,
        log: &Path,
    ) -> Self {
        Self {
            java: java.binary.clone(),
            class_path: artefacts.class_path(),
            main_class,
            heap_mb: 256,
            compiler: Compiler::FastStart,
            archive_options: Vec::new(),
            log4j_config: log4j_config.to_owned(),
            nice: 0,
            args: Vec::new(),
            log: log.to_owned(),
            secrets: Secrets::default(),
            input: None,
        }
    }

    /// Gives the program its settings: a file of this name, and where secrets
    /// are among them, the file shows none and the program reads a pipe.
    pub(crate) fn set_properties(
        &mut self,
        path: &Path,
        settings: &BTreeMap<String, String>,
    ) -> io::Result<()> {
        let shown = settings.iter().map(|(key, value)| {
            let shown = secret::shown(key, value);
            (key.clone(), self.secrets.scrub(&shown).into_owned())
        });
        let shown: BTreeMap<String, String> = shown.collect();
        fs::write(path, java_properties(&shown))?;
        self.args = if shown == *settings {
            vec![path.into()]
        } else {
            self.input = Some(Input::new(java_properties(settings)));
            vec![STDIN.into()]
        };
        Ok(())
    }

    pub(crate) fn child(&self) -> ChildSpec {
        let log4j = format!("-Dlog4j2.configurationFile={}", uri(&self.log4j_config));
        let mut spec = ChildSpec::new(&self.java, &self.log)
            .arg(format!("-Xmx{}m", self.heap_mb))
            .arg("-XX:+UseSerialGC")
            .args(match self.compiler {
                Compiler::FastStart => &["-XX:TieredStopAtLevel=1"][..],
                Compiler::Full => &[],
            })
            .args(&self.archive_options)
            .args([
                "-Djava.awt.headless=true",
                "-Djava.net.preferIPv4Stack=true",
            ])
            .arg(log4j)
            .arg("-cp")
            .arg(&self.class_path)
            .arg(self.main_class)
            .args(&self.args);
        spec.secrets.clone_from(&self.secrets);
        spec.input.clone_from(&self.input);
        spec.nice = self.nice;
        // Paths are UTF-8, whatever the user's terminal speaks.
        spec.env = vec![("LC_ALL".into(), "C.UTF-8".into())];
        spec.env_remove = MEDDLING.into_iter().map(OsString::from).collect();
        spec
    }
}

/// The address of a file (RFC 8089): log4j takes a comma for the end of a path.
fn uri(path: &Path) -> String {
    let parts = path.iter().filter(|part| *part != "/");
    let parts = parts.map(|part| format!("/{}", encoded(part.as_bytes())));
    format!("file://{}", parts.collect::<String>())
}

/// What every process logs: all that is worth a line, to standard output,
/// which is its log file. A process that dies before log4j is up thus writes
/// to the same file.
pub(crate) const LOG4J2: &str = "\
# Written by ackproof.
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}] %p %m (%c)%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
";
