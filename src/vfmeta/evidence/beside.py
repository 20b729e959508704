"""A process of its own that makes what pure functions return, one call after another, while the caller goes on.

It is this interpreter, asked through a pipe. The pools of the standard library run the caller's script anew in such a process,
which would have to be guarded for it; joblib's end it as soon as its memory grows, as it does where PyMC is loaded.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from typing import Any

_SERVE = f"from {__name__} import serve; serve()"


class Beside:
    """A process that is begun at once and lives until `close`.

    Parameters
    ----------
    prepare : callable
        A function of a module, called there first.
    """

    def __init__(self, prepare: Callable[[], None]) -> None:
        found = os.pathsep.join(sys.path)  # what can be imported here can be imported there
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": found},
        )
        self._turns = ThreadPoolExecutor(max_workers=1)
        self.submit(prepare)

    def submit(self, function: Callable[..., Any], *given: Any) -> Future[Any]:
        """What ``function(*given)`` returns or raises there, or `BrokenExecutor` once the process has died."""
        return self._turns.submit(self._asked, function, given)

    def close(self) -> None:
        """End the process, whatever it is at."""
        self._turns.shutdown(wait=False, cancel_futures=True)
        self._process.kill()
        self._process.communicate()
        self._turns.shutdown()

    def _asked(self, function: Callable[..., Any], given: tuple[Any, ...]) -> Any:
        call = pickle.dumps((function, given))
        calls, answers = self._process.stdin, self._process.stdout
        assert calls is not None
        assert answers is not None
        try:
            calls.write(call)
            calls.flush()
            value, error = pickle.load(answers)
        except (OSError, EOFError, ValueError, pickle.UnpicklingError) as broken:
            raise BrokenExecutor("the process beside has died") from broken
        if error is not None:
            raise error
        return value


def serve() -> None:
    """Answer calls until there are no more: what `Beside` runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller is interrupted, and ends this process
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    while True:
        try:
            function, given = pickle.load(calls)
        except EOFError:
            return
        try:
            answer: tuple[Any, Exception | None] = (function(*given), None)
        except Exception as error:
            answer = (None, error)
        answers.write(pickle.dumps(answer))
        answers.flush()
