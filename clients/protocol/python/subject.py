"""The subject protocol for Python: lines in, lines out.

A subject derives from `Subject` and calls its client; see
docs/reference/subject-protocol.md. Knows nothing of any client.
"""

import difflib
import json
import os
import queue
import signal
import sys
import threading
import time
from base64 import b64decode, b64encode

SECRET = ("password", "secret", "jaas", "token", "credential", "key.pem", "key_pem")


class Refused(Exception):
    """The configuration is not possible."""

    def __init__(self, key, reason):
        super().__init__(reason)
        self.key = key


class Subject:
    """One method for each request; what it raises is told as the client's error.

    `start` returns the fields of `ready`, `poll` the records. A `send` that raises
    says that the record is certainly not written.
    """

    def __init__(self):
        self._requests = queue.SimpleQueue()
        self._events = queue.SimpleQueue()
        self._open = set()  # records without an outcome

    def error(self, exception):
        """The fields of an error: the client's own words, and what follows from it."""
        return {"name": type(exception).__name__, "message": str(exception), "class": "other"}

    def tell(self, event, **fields):
        """Queues an event, from any thread. Fields without a value are left out."""
        self._events.put({"event": event, **without_nones(fields)})
        if event in ("acknowledged", "failed", "unknown"):
            self._open.discard(fields["id"])

    def next(self):
        """The next request."""
        return self._requests.get()

    def serve(self, until):
        """Serves requests, until one of this name: it is returned, not served."""
        while (request := self.next())["op"] != until:
            self.handle(request)
        return request

    def handle(self, request):
        op = request["op"]
        method = getattr(self, op.replace("-", "_"), None) if op in OPS else None
        try:
            if method is None:
                raise NotImplementedError(f"this subject has no `{op}`")
            if op == "send":
                self._open.add(request["id"])
                method(request)
            elif op == "poll":
                self.tell("polled", records=method(request))
            else:
                method(request)
                while self._open and op in ("flush", "commit-transaction"):
                    time.sleep(0.001)  # a callback may still run in the client's own thread
                self.tell("done", op=op)
        except Exception as error:  # whatever the client throws is to be told
            error = self.error(error)
            if op == "send":
                self.tell("failed", id=request["id"], error=error)
            elif op == "poll" and error["class"] in ("fatal", "fenced"):
                self.tell("polled", records=[], error=error)
            elif op == "poll":
                self.tell("error", cause=error.pop("cause", None), error=error)
                self.tell("polled", records=[])
            else:
                self.tell("done", op=op, error=error)

    def run(self):
        # ackproof ends a subject by `close`, or kills it: Ctrl-C in the terminal is not for it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        threading.Thread(target=self._read, daemon=True).start()
        writer = threading.Thread(target=self._write, daemon=True)
        writer.start()

        def end(code):
            self._events.put(None)
            writer.join()
            os._exit(code)  # no handler of the client's may keep the process

        try:
            self.tell("ready", protocol=1, **self.start(self.next()))
        except Refused as refused:
            self.tell("refused", key=refused.key, reason=str(refused))
            end(2)
        self.handle(self.serve(until="close"))
        end(0)

    def _read(self):
        closing = False
        for line in sys.stdin.buffer:
            request = json.loads(line)
            closing = closing or request["op"] == "close"
            self._requests.put(request)
        if not closing:
            os._exit(1)  # ackproof is gone
        self._requests.put({"op": "continue"})  # nothing else can come

    def _write(self):
        # All events that are waiting are one write: a flush for each would be the limit.
        while True:
            events = [self._events.get()]
            while not self._events.empty():
                events.append(self._events.get())
            lines = [json.dumps(event, separators=(",", ":")) for event in events if event]
            sys.stdout.write("".join(line + "\n" for line in lines))
            sys.stdout.flush()
            if events[-1] is None:
                return


OPS = """send flush poll commit seek init-transactions begin-transaction send-offsets
commit-transaction abort-transaction close""".split()


def decode(text):
    return None if text is None else b64decode(text)


def encode(data):
    return None if data is None else b64encode(data).decode()


def without_nones(fields):
    return {key: value for key, value in fields.items() if value is not None}


def nearest(key, names):
    """Words on what the client has in place of a key that it lacks."""
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    return f"; the nearest is `{close[0]}`" if close else ""


def without_secrets(config):
    return {
        key: str(value) for key, value in config.items() if not any(it in key for it in SECRET)
    }
