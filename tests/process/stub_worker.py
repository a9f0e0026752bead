"""A worker that speaks the supervisor's protocol and nothing else; its behaviour is its first argument.

Run as `python stub_worker.py BEHAVIOUR`. It writes its process id to `worker-N.pid` beside its socket when it starts.

- `steady`: serves until SIGTERM.
- `silent`: serves, and then says nothing any more, as a wedged event loop would.
- `deaf`: serves, and ignores SIGTERM.
- `stillborn`: exits with 3 before it serves.
- `dying`: serves, and exits with 4 at once.
- `slow`: never gets to serve.
- `waiting`: says for three seconds that it is alive, and then serves.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

BEHAVIOUR = sys.argv[1]


def _tell(event: str) -> None:
    sys.stdout.write(json.dumps({"event": event}) + "\n")
    sys.stdout.flush()


def _stop(_number: int, _frame: FrameType | None) -> None:
    _tell("draining")
    os._exit(0)


def _main() -> None:
    order = json.loads(sys.stdin.readline())
    Path(order["socket"]).with_suffix(".pid").write_text(str(os.getpid()), encoding="utf-8")
    if BEHAVIOUR == "stillborn":
        sys.exit(3)
    if BEHAVIOUR == "waiting":
        for _ in range(3):
            _tell("alive")
            threading.Event().wait(1)
    if BEHAVIOUR != "slow":
        signal.signal(signal.SIGTERM, signal.SIG_IGN if BEHAVIOUR == "deaf" else _stop)
        sys.stdout.write("a library prints what is no event\n")
        _tell("serving")
    if BEHAVIOUR == "dying":
        sys.exit(4)
    if BEHAVIOUR in {"steady", "deaf", "waiting"}:
        threading.Thread(target=_beat, daemon=True).start()
    sys.stdin.read()  # the lifeline


def _beat() -> None:
    pause = threading.Event()
    while not pause.wait(1):
        _tell("alive")


if __name__ == "__main__":
    _main()
