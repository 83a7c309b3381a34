//! `--compose` against a real container engine, which the test starts and stops: three brokers
//! that advertise names which only containers know. Skipped, with the reason, where there is
//! no engine.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use stack::artefacts::Parts;
use testkit::Kafka;

use processes::{ackproof, send, until_in_force, wait_for_end};

mod processes;

const IMAGE: &str = "ackproof-test-kafka:1";
/// The same without a name that says Kafka.
const APP: &str = "ackproof-test-app:1";
/// How often a run is killed while a container is broken.
const KILLS: usize = 10;

/// A container engine of the test's own: it leaves the firewall and other engines alone.
struct Engine {
    daemon: Child,
    dir: tempfile::TempDir,
    compose: Vec<&'static str>,
}

impl Engine {
    fn start() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("a container engine is started by root only".to_owned());
        }
        let compose = [vec!["docker", "compose"], vec!["docker-compose"]];
        let compose = compose.into_iter().find(|words| {
            let output = Command::new(words[0])
                .args(&words[1..])
                .arg("version")
                .output();
            output.is_ok_and(|it| it.status.success())
        });
        let compose = compose.ok_or("there is neither `docker compose` nor `docker-compose`")?;
        // The path of a socket is short.
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let daemon = Command::new("dockerd")
            .args(["--data-root", &at("data"), "--exec-root", &at("exec")])
            .args(["--pidfile", &at("pid"), "-H"])
            .arg(format!("unix://{}", at("docker.sock")))
            .args(["--bridge=none", "--iptables=false", "--ip-masq=false"])
            .args(["--default-address-pool", "base=10.213.0.0/16,size=24"])
            .stdout(Stdio::null())
            .stderr(log)
            // What interrupts the test is not meant for it: it removes its containers first.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("dockerd: {error}"))?;
        let mut engine = Self {
            daemon,
            dir,
            compose,
        };
        let since = Instant::now();
        while !engine.docker(&["version"]).status.success() {
            let ended = engine.daemon.try_wait().unwrap().is_some();
            if ended || since.elapsed() > Duration::from_mins(1) {
                let log = fs::read_to_string(engine.dir.path().join("log")).unwrap();
                let last = log.lines().last().unwrap_or_default();
                return Err(format!("dockerd does not start: {last}"));
            }
            sleep(Duration::from_millis(200));
        }
        Ok(engine)
    }

    fn host(&self) -> String {
        format!("unix://{}/docker.sock", self.dir.path().display())
    }

    fn docker(&self, args: &[&str]) -> Output {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", self.host()).args(args);
        command.output().unwrap()
    }

    fn compose(&self, file: &Path, args: &[&str]) -> Output {
        let mut command = Command::new(self.compose[0]);
        command
            .args(&self.compose[1..])
            .env("DOCKER_HOST", self.host())
            .arg("-f")
            .arg(file)
            .args(args);
        command.output().unwrap()
    }

    /// What does not change of containers that nobody touches.
    fn lives(&self, names: &[&str]) -> String {
        let format = "{{.Name}} {{.State.Status}} {{.State.Pid}} {{.State.StartedAt}}";
        let args = [&["inspect", "-f", format], names].concat();
        let output = self.docker(&args);
        assert!(output.status.success(), "{}", words(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn states(&self) -> String {
        let format = "{{.Names}}: {{.State}}";
        let output = self.docker(&["ps", "-a", "--format", format]);
        let mut lines: Vec<String> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines.join("\n")
    }

    fn ackproof(&self) -> Command {
        let mut command = ackproof();
        command.env("DOCKER_HOST", self.host());
        command
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let all = self.docker(&["ps", "-aq"]);
        let all = String::from_utf8_lossy(&all.stdout).into_owned();
        let mut args = vec!["rm", "-f"];
        args.extend(all.lines());
        self.docker(&args);
        self.docker(&["network", "prune", "-f"]);
        send(Signal::TERM, &self.daemon);
        wait_for_end(&mut self.daemon);
    }
}

fn words(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn image(engine: &Engine) {
    let kafka = Kafka::find(Parts::Kafka);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/kafka-image.sh");
    let output = Command::new(script)
        .env("DOCKER_HOST", engine.host())
        .arg(IMAGE)
        .args(&kafka.artefacts.jars)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", words(&output));
}

/// Three brokers as users have them, and something else.
fn shop_file_text() -> String {
    let brokers = (1..=3).map(|id| {
        format!(
            "
  kafka-{id}:
    image: {IMAGE}
    environment:
      CLUSTER_ID: ackproofAAAAAAAAAAAAAA
      KAFKA_NODE_ID: {id}
      KAFKA_PROCESS_ROLES: broker,controller
      KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093,2@kafka-2:9093,3@kafka-3:9093
      KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
      KAFKA_LISTENERS: PLAINTEXT://:9092,CONTROLLER://:9093
      KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://kafka-{id}:9092
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: 3
      KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: 4
      KAFKA_DEFAULT_REPLICATION_FACTOR: 3
      KAFKA_MIN_INSYNC_REPLICAS: 2
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: 0
"
        )
    });
    format!(
        "version: '3'\nservices:{}{}",
        brokers.collect::<String>(),
        other()
    )
}

fn other() -> String {
    format!("\n  other:\n    image: {APP}\n    command: ['/bin/sleep', '100000']\n")
}

fn scenario(name: &str, fault: &str) -> String {
    format!(
        r#"
name = "{name}"
title = "A container is broken for long"

[[topic]]
name = "t"
partitions = 2
replication_factor = 1

[[producer]]
topic = "t"
records = 400
records_per_s = 100
record_bytes = 200
config = {{ acks = "all" }}

[[fault]]
after = {{ acknowledged = 50 }}
{fault}

[[guarantee]]
claim = "no-loss"
"#
    )
}

struct Shop {
    engine: Engine,
    dir: tempfile::TempDir,
}

impl Shop {
    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.at("shop/docker-compose.yml")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn run(&self, file: &Path, names: &[&str], out: &str) -> Command {
        let mut command = self.engine.ackproof();
        command.arg("run").args(names);
        command.arg("--compose").arg(file);
        command.args(["--seed", "1", "--out"]).arg(self.at(out));
        command
    }

    /// The topics of the cluster, by Kafka's word.
    fn topics(&self) -> String {
        let file = self.file();
        let at = [
            "exec",
            "-T",
            "kafka-1",
            "/opt/java/bin/java",
            "-cp",
            "/opt/kafka/*",
        ];
        let tool = [
            "org.apache.kafka.tools.TopicCommand",
            "--bootstrap-server",
            "kafka-2:9092",
        ];
        let list = self
            .engine
            .compose(&file, &[&at[..], &tool, &["--list"]].concat());
        assert!(list.status.success(), "{}", words(&list));
        String::from_utf8(list.stdout).unwrap()
    }
}

#[test]
fn brokers_in_containers_are_broken_and_left_as_they_were() {
    let engine = match Engine::start() {
        Ok(engine) => engine,
        Err(reason) => {
            eprintln!("skipped: {reason}");
            return;
        }
    };
    let shop = Shop {
        engine,
        dir: tempfile::tempdir().unwrap(),
    };
    let engine = &shop.engine;
    image(engine);
    let tagged = engine.docker(&["tag", IMAGE, APP]);
    assert!(tagged.status.success(), "{}", words(&tagged));
    let file = shop.write("shop/docker-compose.yml", &shop_file_text());
    let up = engine.compose(&file, &["up", "-d"]);
    assert!(up.status.success(), "{}", words(&up));
    let app = shop.write(
        "app/docker-compose.yml",
        &format!("version: '3'\nservices:{}", other()),
    );
    let up = engine.compose(&app, &["up", "-d"]);
    assert!(up.status.success(), "{}", words(&up));
    // Kafka's own tool waits until they are ready.
    let topics = shop.topics();
    refusals(&shop, &app);

    let others: Vec<String> = engine
        .states()
        .lines()
        .filter(|it| it.contains("other"))
        .map(|it| it.split(':').next().unwrap().to_owned())
        .collect();
    assert_eq!(others.len(), 2);
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let lives = engine.lives(&others);
    let states = engine.states();

    // The suite's own faults of brokers, and one of the network.
    let names = [
        "broker-kill",
        "broker-restart",
        "broker-pause",
        "network-partition",
    ];
    let run = shop.run(&file, &names, "delivery").output().unwrap();
    assert!(run.status.success(), "{}", words(&run));
    let verdict = fs::read(shop.at("delivery/verdict.json")).unwrap();
    let verdict: Value = serde_json::from_slice(&verdict).unwrap();
    for scenario in verdict["scenarios"].as_array().unwrap() {
        assert_eq!(scenario["verdict"], "HELD", "{scenario:#}");
        assert_eq!(scenario["faults"][0]["landed"], true, "{scenario:#}");
    }
    assert_eq!(engine.states(), states);

    // However it ends: on Ctrl-C by itself, and after a kill by `cleanup`.
    let killed = "kind = \"broker-restart\"\nsignal = \"kill\"\ndown_ms = 100000";
    let killed = shop.write("killed.toml", &scenario("killed", killed));
    let paused = "kind = \"broker-pause\"\nbroker = \"controller\"\nfor_ms = 100000";
    let paused = shop.write("paused.toml", &scenario("paused", paused));
    let broken = |scenario: &Path, out: &str| {
        let child = until_in_force(shop.run(&file, &[scenario.to_str().unwrap()], out));
        assert_ne!(engine.states(), states);
        child
    };
    let mut interrupted = broken(&killed, "interrupted");
    send(Signal::INT, &interrupted);
    assert_eq!(wait_for_end(&mut interrupted).code(), Some(130));
    assert_eq!(engine.states(), states);
    for (round, scenario) in [&killed, &paused]
        .into_iter()
        .cycle()
        .take(KILLS)
        .enumerate()
    {
        let out = format!("kill-{round}");
        let mut run = broken(scenario, &out);
        send(Signal::KILL, &run);
        wait_for_end(&mut run);
        let cleaned = engine.ackproof().arg("cleanup").arg(shop.at(&out)).output();
        let cleaned = cleaned.unwrap();
        assert!(cleaned.status.success(), "{}", words(&cleaned));
        assert!(
            words(&cleaned).contains("healed fault"),
            "{}",
            words(&cleaned)
        );
        assert_eq!(engine.states(), states, "round {round}");
    }
    assert_eq!(shop.topics(), topics);
    assert_eq!(
        engine.lives(&others),
        lives,
        "other containers are not touched"
    );
}

/// What cannot be is told once, before anything is touched.
fn refusals(shop: &Shop, app: &Path) {
    let run = |file: &Path, out: &str| shop.run(file, &["broker-kill"], out);
    let unknown = shop.write("unknown/docker-compose.yml", "services: {}\n");
    let absent = shop.at("absent.sock");
    // The socket's folder is root's, and what else is needed is everybody's.
    fs::set_permissions(shop.dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut nobody = run(&shop.file(), "g");
    nobody.uid(65_534).gid(65_534).env("HOME", shop.dir.path());
    for (mut command, said) in [
        (run(app, "a"), "is a Kafka broker"),
        (run(&unknown, "b"), "no container is of"),
        (run(&shop.at("none.yml"), "c"), "cannot read"),
        (
            {
                let mut command = run(&shop.file(), "d");
                command.env("DOCKER_HOST", format!("unix://{}", absent.display()));
                command
            },
            "no container engine at",
        ),
        (
            {
                let mut command = run(&shop.file(), "e");
                command.env("DOCKER_HOST", "tcp://127.0.0.1:1");
                command
            },
            "is no Unix socket",
        ),
        (nobody, "no rights on the container engine at"),
    ] {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(4), "{}", words(&output));
        assert!(words(&output).contains(said), "{}", words(&output));
    }
    let disks = shop.run(&shop.file(), &["disk-loss"], "f").output();
    let disks = words(&disks.unwrap());
    assert!(disks.contains("cannot run"), "{disks}");
}
