"""Runs the obvious Python and ackproof by turns on the same files, RUNS times
each, and says what each took: RUNS ACKPROOF FILE..."""

import os
import sys
import time
from pathlib import Path

RUNS, ACKPROOF, FILES = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
OBVIOUS = str(Path(__file__).with_name("obvious.py"))
RIVALS = {
    "the obvious Python": [sys.executable, OBVIOUS, *FILES],
    "ackproof": [ACKPROOF, "check", "--from", "kafkatest", *FILES],
}


def run(command):
    """Wall and processor seconds, and the most memory it held, in MiB."""
    began = time.monotonic()
    child = os.posix_spawnp(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, used = os.wait4(child, 0)
    wall = time.monotonic() - began
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{command[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


lines = sum(Path(name).read_bytes().count(b"\n") for name in FILES)
taken = {name: [] for name in RIVALS}
for _ in range(RUNS):
    for name, command in RIVALS.items():
        taken[name].append(run(command))
best = {}
for name, runs in taken.items():
    walls, processor, memory = zip(*runs)
    best[name] = min(walls), min(processor)
    each = " ".join(f"{wall:.2f}" for wall in walls)
    print(
        f"  {name}: {min(walls):.2f} s at best ({each}), "
        f"{min(processor):.2f} s of processor time, {max(memory):.0f} MiB"
    )
(python_s, python_cpu_s), (ours_s, ours_cpu_s) = best.values()
pairs = sorted(theirs[0] / ours[0] for theirs, ours in zip(*taken.values()))
print(f"  ackproof is {python_s / ours_s:.1f} times as fast, best against best")
print("  pair by pair: " + " ".join(f"{ratio:.1f}" for ratio in pairs))
print(f"  processor time: {python_cpu_s / ours_cpu_s:.1f} times less")
print(f"  {lines / ours_s / 1e6:.2f} million lines a second")
