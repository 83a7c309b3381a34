#!/usr/bin/env python3
"""`ackproof subject check` over every client that ackproof knows, against one broker.

    scripts/test-clients.py [CLIENT ...]

A client whose toolchain or packages are not to be had is skipped, and the reason told.
ACKPROOF names the binary (target/release/ackproof).
"""
import os, subprocess, sys, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ["confluent-kafka", "franz-go", "kafka-python", "kafkajs", "sarama"]
NAMES = ["librdkafka", "librdkafka:1.8.2", "librdkafka:2.2.0", "java:3.0.0", "java:3.9.1", "java:4.3.1"]
ACKPROOF = os.environ.get("ACKPROOF", f"{ROOT}/target/release/ackproof")
RIGHT, WRONG = 0, 1  # exit codes of a check; all others say that there was none


def last_line(text):
    return (text.strip() or "it says nothing").splitlines()[-1]


def check(client, address):
    """Whether nothing is wrong, and what was said; None where the client is not to be had here."""
    command = [client]
    if client in FOLDERS:
        command = [f"{ROOT}/clients/{client}/run"]
        setup = subprocess.run([*command, "--setup"], capture_output=True, text=True)
        if setup.returncode:
            return None, last_line(setup.stderr)
    check = [ACKPROOF, "subject", "check", "--bootstrap", address, *command]
    checked = subprocess.run(check, capture_output=True, text=True)
    if checked.returncode not in (RIGHT, WRONG):
        return None, last_line(checked.stderr)
    return checked.returncode == RIGHT, checked.stdout


def main():
    stack = subprocess.Popen([ACKPROOF, "stack", "up"], stdout=subprocess.PIPE, text=True)
    counts = {True: 0, False: 0, None: 0}
    try:
        said = (it.split()[1] for it in stack.stdout if it.startswith("bootstrap.servers"))
        address = next(said, None)
        assert address, "no broker"
        for client in sys.argv[1:] or NAMES + FOLDERS:
            since = time.monotonic()
            is_right, said = check(client, address)
            counts[is_right] += 1
            if is_right is None:
                print(f"== {client}: skipped: {said}", flush=True)
            else:
                print(f"== {client}: {time.monotonic() - since:.0f} s\n{said}", flush=True)
    finally:
        stack.terminate()
        stack.wait()
    print(f"{counts[True]} right, {counts[False]} wrong, {counts[None]} skipped")
    sys.exit(counts[False] > 0)


main()
