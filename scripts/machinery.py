#!/usr/bin/env python3
"""Faults in the machinery itself: what a scenario rests on is killed under it.

    scripts/machinery.py [--rounds N] [--seed S] [--keep DIR] [SCENARIO ...]

In each round a scenario runs, drawn from those named (all that ackproof lists), and
one of its processes (a broker, Connect, PostgreSQL, a client) is killed (SIGKILL) or
stopped (SIGSTOP) in a stage of it, some time after the stage began. All of that is
drawn from the seed and the number of the round.

Every run has to end within its limits, must not be HELD, and has to name the cause:
the process and what became of it. There are two ways to be spared: the process was
no longer needed (the stage was the last), or the scenario's own fault ended it too.

ACKPROOF names the binary (target/release/ackproof).
"""
import argparse, json, os, random, re, signal, subprocess, sys, tempfile, threading, time

# The stages of a scenario, and how long each goes on at least, about.
STAGES = {"starting": 2, "preparing": 1, "traffic": 4, "draining": 0.1, "reading": 0.05}
# Beyond the limit of any stage: the run hangs.
LIMIT_S = 600
# A process that stands still is given a while; the rest of a run has to end too.
AFTER_S = 150

KINDS = {
    "broker": lambda words: "kafka.Kafka" in words,
    "connect": lambda words: any("ConnectDistributed" in word for word in words),
    "postgresql": lambda words: words[0].endswith("/postgres") and "-D" in words,
    "client": lambda words: words[1:2] == ["drive-client"],
}


def descendants(pid):
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = open(f"/proc/{entry}/stat").read()
            except OSError:
                continue
            children.setdefault(int(stat.rsplit(")", 1)[1].split()[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def parts(pid):
    """The processes that a scenario rests on, by kind."""
    found = []
    for child in descendants(pid):
        try:
            words = open(f"/proc/{child}/cmdline").read().split("\0")[:-1]
        except OSError:
            continue
        for kind, fits in KINDS.items():
            if words and fits(words):
                found.append((kind, child))
    return sorted(found)


class Round:
    def __init__(self, ackproof, scenarios, seed, number, keep):
        self.random = random.Random(f"{seed}/{number}")
        self.scenario = self.random.choice(scenarios)
        self.stage = self.random.choice(list(STAGES))
        self.delay_s = self.random.uniform(0, STAGES[self.stage])
        self.signal = self.random.choice([signal.SIGKILL, signal.SIGSTOP])
        self.out = os.path.join(keep, f"round-{number}")
        self.ackproof, self.seed, self.number = ackproof, seed, number
        self.victim, self.said, self.struck_at = None, [], None
        self.reached = threading.Event()

    def listen(self, stream):
        for line in stream:
            self.said.append((time.monotonic(), line))
            if f": {self.stage}\n" in line:
                self.reached.set()
        self.reached.set()

    def run(self):
        began = time.monotonic()
        run = subprocess.Popen(
            [self.ackproof, "run", self.scenario, "--seed", str(self.number), "--out", self.out],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        listener = threading.Thread(target=self.listen, args=[run.stdout])
        listener.start()
        if self.reached.wait(LIMIT_S) and run.poll() is None:
            time.sleep(self.delay_s)
            self.strike(run.pid)
        try:
            code = run.wait(AFTER_S if self.victim else LIMIT_S)
        except subprocess.TimeoutExpired:
            code = None
            run.send_signal(signal.SIGINT)
            try:
                run.wait(60)
            except subprocess.TimeoutExpired:
                run.kill()
        listener.join(10)
        return self.judge(code, time.monotonic() - began)

    def strike(self, pid):
        found = parts(pid)
        kinds = sorted({kind for kind, _ in found})
        if not kinds:
            return
        kind = self.random.choice(kinds)
        victim = self.random.choice([it for it in found if it[0] == kind])
        try:
            os.kill(victim[1], self.signal)
        except ProcessLookupError:
            return
        self.victim, self.struck_at = victim, time.monotonic()

    def judge(self, code, took_s):
        said = "".join(line for _, line in self.said)
        before = [line for at, line in self.said if self.struck_at and at < self.struck_at]
        after = [line for at, line in self.said[len(before):]]
        what = f"round {self.number}: {self.scenario}, "
        if not self.victim:
            return True, what + f"nothing to strike in {self.stage} (exit {code}, {took_s:.0f} s)", said
        name = signal.Signals(self.signal).name
        what += (f"{name} to a {self.victim[0]} {self.delay_s:.2f} s into {self.stage}: "
                 f"exit {code}, {took_s:.0f} s")
        if code is None:
            return False, what + ": it did not end", said
        held = code == 0
        own_fault = any(" in force" in line or " healed" in line for line in after)
        # On a quick machine the reading may be over before the strike.
        last = any(": stopping\n" in line for line in before + after[:3])
        named = "no fault did that" in said or "while starting" in said or "SIGSTOP" in said
        if not held and named:
            return True, what + ", and it says so", said
        if own_fault or last or self.stage == "reading" and self.victim[0] == "client":
            return True, what + ", its own fault or its end came first", said
        return False, what + (": HELD" if held else ": the cause is not named"), said


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--first", type=int, default=1)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--keep")
    options.add_argument("scenario", nargs="*")
    options = options.parse_args()
    ackproof = os.environ.get("ACKPROOF", "target/release/ackproof")
    scenarios = options.scenario
    if not scenarios:
        listed = subprocess.run([ackproof, "list"], capture_output=True, text=True, check=True)
        # Those on alerts need an exporter of the user's.
        scenarios = re.findall(r"^  (?!alert-)([a-z0-9][a-z0-9-]+)  ", listed.stdout, re.M)
    keep = options.keep or tempfile.mkdtemp(prefix="machinery-")
    failed = 0
    for number in range(options.first, options.first + options.rounds):
        held, what, said = Round(ackproof, scenarios, options.seed, number, keep).run()
        print(("ok    " if held else "FAILED ") + what, flush=True)
        if not held:
            failed += 1
            print("".join(f"    {line}\n" for line in said.splitlines()), flush=True)
    print(f"{options.rounds - failed} of {options.rounds} rounds as wanted; run directories: {keep}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
