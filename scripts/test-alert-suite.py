#!/usr/bin/env python3
"""The suite `alerts` against real exporters: rules that fire, one that cannot, one that always does.

    scripts/test-alert-suite.py [kminion|kafka-exporter ...]

Starts a broker and each exporter, and has `ackproof run` evaluate three files of rules: those
of `ackproof alerts init` with small thresholds must be HELD, with ackproof's Prometheus and
with one that runs already; a rule with a misspelt metric and one that is always true must be VIOLATED. An exporter is the binary in PATH, or in KMINION and
KAFKA_EXPORTER, or built from its Go module; one that is not to be had is skipped, and the
reason told. ACKPROOF names the binary (target/release/ackproof).
"""
import contextlib, glob, json, os, shutil, socket, subprocess, sys, tempfile, time, urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR", f"{ROOT}/target"))
ACKPROOF = os.path.abspath(os.environ.get("ACKPROOF", f"{TARGET}/release/ackproof"))

EXPORTERS = {
    "kminion": {
        "binary": "kminion",
        "module": "github.com/cloudhut/kminion/v2@latest",
        "args": lambda broker, port: [],
        "env": lambda broker, port: {"KAFKA_BROKERS": broker, "EXPORTER_PORT": str(port), "EXPORTER_HOST": "127.0.0.1"},
        "lag": "kminion_kafka_consumer_group_topic_lag",
        "jobs": 6,
    },
    "kafka-exporter": {
        "binary": "kafka_exporter",
        "module": "github.com/danielqsj/kafka_exporter@latest",
        # It looks for new topics every 30 s unless told otherwise.
        "args": lambda broker, port: [
            f"--kafka.server={broker}", f"--web.listen-address=127.0.0.1:{port}", "--refresh.metadata=5s",
        ],
        "env": lambda broker, port: {},
        "lag": "kafka_consumergroup_lag",
        # The deletion of a scenario's topic keeps it from answering for 15 s.
        "jobs": 1,
    },
}
GOOD = ["--max-lag", "1000", "--for", "10s", "--stalled", "20s", "--vanished", "20s"]
RULE = """groups:
  - name: one
    rules:
      - alert: {alert}
        expr: {expr}
        for: 3s
"""
FIRES = ["alert-consumer-killed", "alert-consumer-stalled", "alert-group-gone"]
NONE = ["alert-idle-topic", "alert-burst-caught-up"]
OVERTAKEN = "alert-retention-overtakes"
# Brokers look for what retention may delete every 5 minutes by default.
BROKER = ["--broker-config", "log.retention.check.interval.ms=2000", "--broker-config", "log.initial.task.delay.ms=1000"]


def binary(exporter):
    """Its binary, or why there is none."""
    name = exporter["binary"]
    there = os.environ.get(name.upper()) or shutil.which(name)
    if there:
        return os.path.abspath(there), None
    go = shutil.which("go")
    if not go:
        return None, "it is not installed, and Go is not either"
    folder = f"{TARGET}/tools/bin"
    if not os.path.exists(f"{folder}/{name}"):
        print(f"building {name}, once", flush=True)
        done = subprocess.run([go, "install", exporter["module"]], env={**os.environ, "GOBIN": folder}, capture_output=True, text=True)
        if done.returncode != 0:
            return None, f"it is not in PATH, and its Go module is not to be had: {done.stderr.strip().splitlines()[-1]}"
    return f"{folder}/{name}", None


def free_port():
    with socket.socket() as at:
        at.bind(("127.0.0.1", 0))
        return at.getsockname()[1]


def answers(url):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            return urllib.request.urlopen(url, timeout=5).status == 200
        except OSError:
            time.sleep(0.2)
    return False


@contextlib.contextmanager
def prometheus(folder, exporter_port, rules):
    """The address of a Prometheus of the user's, who has it scrape the exporter."""
    cache = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
    there = [shutil.which("prometheus"), *glob.glob(f"{cache}/ackproof/parts/prometheus-*/prometheus")]
    program = next(it for it in there if it)
    port = free_port()
    config = {
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s"},
        "rule_files": [rules],
        "scrape_configs": [{"job_name": "exporter", "static_configs": [{"targets": [f"127.0.0.1:{exporter_port}"]}]}],
    }
    with open(f"{folder}/prometheus.json", "w") as file:
        json.dump(config, file)
    with open(f"{folder}/prometheus.log", "w") as log:
        child = subprocess.Popen(
            [program, f"--config.file={folder}/prometheus.json", f"--storage.tsdb.path={folder}/prometheus",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        assert answers(f"{url}/-/ready"), f"Prometheus does not answer: {folder}/prometheus.log"
        yield url
    finally:
        child.terminate()
        child.wait()


class Suite:
    def __init__(self, folder, broker, jobs):
        self.folder, self.broker, self.jobs = folder, broker, str(jobs)
        self.wrong = 0

    def run(self, name, source, scenarios, timeout, exit_code, rulings):
        """One run with alerts of a source; `rulings` are the verdicts by scenario and claim."""
        out = f"{self.folder}/{name}"
        since = time.monotonic()
        done = subprocess.run(
            [ACKPROOF, "run", *scenarios, "--bootstrap", self.broker, *source,
             "--alert-timeout", timeout, "--out", out, "--seed", "1", "--jobs", self.jobs],
            capture_output=True, text=True,
        )
        took = time.monotonic() - since
        print(f"  {name}: {took:.0f} s", flush=True)
        if done.returncode != exit_code:
            self.wrong += 1
            print(f"  exit code {done.returncode}, not {exit_code}\n{done.stdout}{done.stderr}")
        if not os.path.exists(f"{out}/verdict.json"):
            return
        with open(f"{out}/verdict.json") as file:
            verdict = json.load(file)
        seen = {(it["name"], of["claim"]): (of["verdict"], of["reason"]) for it in verdict["scenarios"] for of in it["guarantees"]}
        for key, expected in rulings.items():
            found, reason = seen.get(key, ("missing", ""))
            is_right = found in expected.split(" or ")
            self.wrong += not is_right
            print(f"    {key[0]} {key[1]} {found}{'' if is_right else ', not ' + expected}: {reason}", flush=True)


def test(name, program, broker, folder):
    exporter = EXPORTERS[name]
    port = free_port()
    with open(f"{folder}/{name}.log", "w") as log:
        child = subprocess.Popen(
            [program, *exporter["args"](broker, port)], env={**os.environ, **exporter["env"](broker, port)},
            stdout=log, stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}/metrics"
        assert answers(url), f"{name} does not answer: {folder}/{name}.log"
        suite = Suite(folder, broker, exporter["jobs"])
        by = lambda rules: ["--exporter", url, "--rules", rules]
        good = f"{folder}/{name}-good.yml"
        subprocess.run([ACKPROOF, "alerts", "init", "--exporter", name, *GOOD, good], check=True, stdout=subprocess.DEVNULL)
        held = {(it, claim): "HELD" for it in [*FIRES, OVERTAKEN] for claim in ("alert-fires", "no-false-alert")}
        held.update({(it, "no-false-alert"): "HELD" for it in NONE})
        suite.run(f"{name}-good", by(good), [*FIRES, OVERTAKEN, *NONE], "50s", 0, held)
        killed, burst = FIRES[0], NONE[1]
        with prometheus(folder, port, good) as theirs:
            rulings = {key: verdict for key, verdict in held.items() if key[0] == killed}
            suite.run(f"{name}-prometheus", ["--prometheus", theirs], [killed], "50s", 0, rulings)
        never, always = f"{folder}/{name}-never.yml", f"{folder}/{name}-always.yml"
        with open(never, "w") as file:
            file.write(RULE.format(alert="Misspelt", expr=exporter["lag"] + "s > 10"))
        suite.run(f"{name}-never", by(never), [killed], "20s", 1, {(killed, "alert-fires"): "VIOLATED", (killed, "no-false-alert"): "HELD"})
        with open(always, "w") as file:
            file.write(RULE.format(alert="Always", expr=exporter["lag"] + " >= 0"))
        # An exporter that does not answer for a while lets it fire again.
        violated = {(killed, "alert-fires"): "VIOLATED or INCONCLUSIVE", (killed, "no-false-alert"): "VIOLATED", (burst, "no-false-alert"): "VIOLATED"}
        suite.run(f"{name}-always", by(always), [killed, burst], "20s", 1, violated)
        return suite.wrong
    finally:
        child.terminate()
        child.wait()


def main():
    chosen = sys.argv[1:] or list(EXPORTERS)
    there = {}
    for name in chosen:
        program, why = binary(EXPORTERS[name])
        if program:
            there[name] = program
        else:
            print(f"{name}: SKIPPED: {why}")
    wrong = 0
    if there:
        folder = os.environ.get("OUT") or tempfile.mkdtemp(prefix="ackproof-alerts-")
        os.makedirs(folder, exist_ok=True)
        stack = subprocess.Popen([ACKPROOF, "stack", "up", *BROKER], stdout=subprocess.PIPE, text=True)
        try:
            said = (it.split()[1] for it in stack.stdout if it.startswith("bootstrap.servers"))
            broker = next(said, None)
            assert broker, "no broker"
            for name, program in there.items():
                print(f"{name}:", flush=True)
                wrong += test(name, program, broker, folder)
        finally:
            stack.terminate()
            stack.wait()
        print(f"runs: {folder}")
    return 1 if wrong else 0


sys.exit(main())
