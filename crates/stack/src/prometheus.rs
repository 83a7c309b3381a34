//! A Prometheus server on this machine that scrapes one exporter and evaluates one file of
//! alert rules: Prometheus's own engine, built from its Go module.
//!
//! Knows how it is built, configured and started; not what is scraped. What it says is in
//! [`api`].

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde_json::json;

use crate::cache::{Cache, CacheError};
use crate::ports::{NoPort, ReservedPort};
use crate::process::{ChildSpec, Exit, ProcessError};
use crate::service::{Probe, Service, ServiceError};
use crate::temp_dir::{TempDir, lock_file};

pub mod api;

/// The release of Prometheus's Go module.
pub const VERSION: &str = "v0.313.5";
const PACKAGE: &str = "github.com/prometheus/prometheus/cmd/prometheus";
/// How long it may take to be built, once.
const BUILD_BOUND: Duration = Duration::from_mins(40);
/// It gives way to everything else while it is built.
const BUILD_NICE: u8 = 10;
/// How often the exporter is scraped, and how long it may take to answer.
pub const SCRAPE_INTERVAL: Duration = Duration::from_secs(2);
/// How often rules are evaluated that do not say it themselves.
pub const EVALUATION_INTERVAL: Duration = Duration::from_secs(1);

/// Why there is no Prometheus.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// It is not installed, and cannot be built.
    #[error("no `prometheus` is in PATH, and Go, which could build it, is not either")]
    NoGo,
    /// Go did not build it.
    #[error("`go {command}` failed for Prometheus {VERSION}: {complaint} (log: {log})", log = log.display())]
    Build {
        /// What Go was asked to do.
        command: &'static str,
        /// Go's own words.
        complaint: String,
        /// All that it said.
        log: PathBuf,
    },
    /// A process could not be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file could not be written.
    #[error("cannot write {path}", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There is no place for it.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// There is no port for it.
    #[error(transparent)]
    Port(#[from] NoPort),
    /// It does not start: most likely because of the rules.
    #[error("Prometheus does not start with these rules")]
    Start(#[source] ServiceError),
}

/// The address of an exporter's metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsUrl {
    /// `http` or `https`.
    pub scheme: String,
    /// The host, and the port where there is one.
    pub authority: String,
    /// The path, from its `/` on.
    pub path: String,
}

/// The text is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it takes http://HOST:PORT with a path [default: /metrics], without a user")]
pub struct NotMetricsUrl;

impl FromStr for MetricsUrl {
    type Err = NotMetricsUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once("://").ok_or(NotMetricsUrl)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, "metrics"));
        let path = if path.is_empty() { "metrics" } else { path };
        let is_known = ["http", "https"].contains(&scheme);
        // A query would be a part of the path to Prometheus.
        if !is_known || authority.is_empty() || text.contains(['@', '?', '#', ' ']) {
            return Err(NotMetricsUrl);
        }
        Ok(Self {
            scheme: scheme.to_owned(),
            authority: authority.to_owned(),
            path: format!("/{path}"),
        })
    }
}

impl fmt::Display for MetricsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

/// A Prometheus that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct Prometheus {
    service: Service,
    _port: ReservedPort,
    url: String,
    _dir: TempDir,
}

/// Finds a Prometheus: in the directories of `path` (a value of `PATH`), in the cache, or
/// where it is built now, of which `building` is told.
///
/// # Errors
/// [`PrometheusError::NoGo`], [`PrometheusError::Build`].
pub fn provide(
    cache: &Cache,
    path: Option<&OsStr>,
    building: impl FnOnce(),
) -> Result<PathBuf, PrometheusError> {
    let installed = |name: &str| {
        let dirs = path.map(env::split_paths).into_iter().flatten();
        let mut files = dirs.map(|dir| dir.join(name));
        files.find(|file| file.is_file())
    };
    if let Some(prometheus) = installed("prometheus") {
        return Ok(prometheus);
    }
    let name = format!("prometheus-{VERSION}");
    let part = cache.part(&name);
    let file = part.join("prometheus");
    if file.is_file() {
        return Ok(file);
    }
    let go = installed("go").ok_or(PrometheusError::NoGo)?;
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| PrometheusError::Io { path, source }
    };
    let lock = cache.lock(&name)?;
    let turn = lock_file(&lock).map_err(io(&lock))?;
    turn.lock().map_err(io(&lock))?;
    if file.is_file() {
        return Ok(file);
    }
    building();
    let scratch = cache.scratch();
    let module = TempDir::create(&scratch).map_err(io(&scratch))?;
    let log = cache.log("prometheus-build.log");
    let asked = format!("{PACKAGE}@{VERSION}");
    let built = module.path().join("prometheus");
    // Its own module has a replacement, with which `go install` takes no module.
    for (command, args) in [
        ("mod", vec![OsStr::new("init"), OsStr::new("ackproof")]),
        ("get", vec![OsStr::new(&asked)]),
        (
            "build",
            vec![OsStr::new("-o"), built.as_os_str(), OsStr::new(PACKAGE)],
        ),
    ] {
        let mut spec = ChildSpec::new(&go, &log).arg(command).args(args);
        spec.cwd = Some(module.path().to_owned());
        spec.nice = BUILD_NICE;
        let exit = spec.spawn()?.wait_blocking(BUILD_BOUND);
        if !exit.is_some_and(Exit::is_success) {
            let said = fs::read_to_string(&log).unwrap_or_default();
            let last = said.lines().rev().find(|line| !line.trim().is_empty());
            return Err(PrometheusError::Build {
                command,
                complaint: secret::redacted(last.unwrap_or("it did not end in time")).into_owned(),
                log,
            });
        }
    }
    fs::create_dir_all(&part).map_err(io(&part))?;
    // Within one file system: complete, or not there.
    fs::rename(&built, &file).map_err(io(&file))?;
    Ok(file)
}

impl Prometheus {
    /// Starts one on loopback that scrapes `exporter` and evaluates `rules`.
    ///
    /// # Errors
    /// [`PrometheusError::Start`], also where it refuses the rules.
    pub async fn start(
        program: &Path,
        cache: &Cache,
        exporter: &MetricsUrl,
        rules: &Path,
    ) -> Result<Self, PrometheusError> {
        let scratch = cache.scratch();
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| PrometheusError::Io { path, source }
        };
        let dir = TempDir::create(&scratch).map_err(io(&scratch))?;
        let config = dir.path().join("prometheus.yml");
        let rules = rules.canonicalize().map_err(io(rules))?;
        fs::write(&config, configuration(exporter, &rules)).map_err(io(&config))?;
        let port = ReservedPort::take()?;
        let address = port.addr().to_string();
        let url = format!("http://{address}");
        let flag = |name: &str, value: &Path| {
            let mut flag = std::ffi::OsString::from(format!("--{name}="));
            flag.push(value);
            flag
        };
        let log = dir.path().join("prometheus.log");
        let mut spec = ChildSpec::new(program, log)
            .arg(flag("config.file", &config))
            .arg(flag("storage.tsdb.path", &dir.path().join("data")))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn");
        spec.cwd = Some(dir.path().to_owned());
        let ready = format!("{url}/-/ready");
        let service = Service::new("Prometheus".to_owned(), spec, Probe::Http { url: ready });
        service.start().await.map_err(PrometheusError::Start)?;
        Ok(Self {
            service,
            _port: port,
            url,
            _dir: dir,
        })
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.service.kill_now();
    }
}

/// Its configuration: JSON is YAML.
fn configuration(exporter: &MetricsUrl, rules: &Path) -> String {
    let seconds = |of: Duration| format!("{}s", of.as_secs());
    json!({
        "global": {
            "scrape_interval": seconds(SCRAPE_INTERVAL),
            "scrape_timeout": seconds(SCRAPE_INTERVAL),
            "evaluation_interval": seconds(EVALUATION_INTERVAL),
        },
        "rule_files": [rules],
        "scrape_configs": [{
            "job_name": "exporter",
            "scheme": exporter.scheme,
            "metrics_path": exporter.path,
            "static_configs": [{"targets": [exporter.authority]}],
        }],
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_metrics_has_a_path() {
        for (text, read) in [
            ("http://a:8080", Some("http://a:8080/metrics")),
            ("https://a/", Some("https://a/metrics")),
            ("http://a:1/b/c", Some("http://a:1/b/c")),
            ("a:8080", None),
            ("ftp://a", None),
            ("http://u:p@a", None),
            ("http:///metrics", None),
        ] {
            let found = text.parse::<MetricsUrl>().ok().map(|it| it.to_string());
            assert_eq!(found.as_deref(), read, "{text}");
        }
    }

    #[test]
    fn one_exporter_is_scraped_and_one_file_of_rules_evaluated() {
        let exporter: MetricsUrl = "http://localhost:9308".parse().unwrap();
        let config = configuration(&exporter, Path::new("/tmp/a \"b\".yml"));
        let config: serde_json::Value = serde_json::from_str(&config).unwrap();
        assert_eq!(config["rule_files"][0], "/tmp/a \"b\".yml");
        let scraped = &config["scrape_configs"][0];
        assert_eq!(scraped["static_configs"][0]["targets"][0], "localhost:9308");
        assert_eq!(scraped["metrics_path"], "/metrics");
    }
}
