"""Processes that try inputs: one that dies or hangs is counted, and the rest goes on."""

from __future__ import annotations

import multiprocessing as mp
import os
import time
import warnings
from typing import Any

from benchmarks.fuzz.answers import fits
from benchmarks.fuzz.run import BEGINS, HANGS, made, tried


def _work(seed: int, numbers: list[int], only: str, at: Any, out: Any) -> None:
    warnings.simplefilter("ignore")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    fits()  # compiles what is not compiled yet: that is no input
    out.send(None)
    for i in numbers:
        at.value = i
        out.send((i, tried(seed, i, only)))
    at.value = -1
    out.close()


class Worker:
    """A process with its share of the inputs; begun again behind the input that ended it."""

    def __init__(self, seed: int, numbers: list[int], only: str) -> None:
        self.seed, self.numbers, self.only = seed, numbers, only
        self.done = not numbers
        if not self.done:
            self._begin()

    def _begin(self) -> None:
        context = mp.get_context("spawn")
        self.at = context.Value("q", self.numbers[0])
        self.pipe, theirs = context.Pipe(duplex=False)
        self.process = context.Process(target=_work, args=(self.seed, self.numbers, self.only, self.at, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.since, self.limit = time.monotonic(), BEGINS

    def collect(self) -> list[tuple[int, Any]]:
        found = []
        try:
            while self.pipe.poll(0.02):
                said = self.pipe.recv()
                self.since, self.limit = time.monotonic(), HANGS
                found += [] if said is None else [said]
        except (EOFError, OSError):
            self.process.join()
            if self.at.value < 0:
                self.done = True
                return found
            return [*found, self._ended("crash", f"the process ended with {self.process.exitcode}")]
        if time.monotonic() - self.since > self.limit:
            self.process.kill()
            self.process.join()
            return [*found, self._ended("hang", f"no answer in {self.limit} s")]
        return found

    def _ended(self, outcome: str, why: str) -> tuple[int, Any]:
        last = self.at.value
        self.numbers = self.numbers[self.numbers.index(last) + 1 :]
        self.done = not self.numbers
        if not self.done:
            self._begin()
        return last, (outcome, why, "", made(self.seed, last, self.only)[0])
