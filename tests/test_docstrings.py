"""Every example in a docstring runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import vfmeta

ROOT = Path(vfmeta.__file__).parent
MODULES = sorted(
    ".".join(("vfmeta", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
@pytest.mark.parametrize("name", MODULES)
def test_examples(name, packaged, monkeypatch):
    if name != "vfmeta.trials.loading":  # the others ask for the packaged tables and may have them read once for all
        read = vfmeta.load_trials
        monkeypatch.setattr(vfmeta, "load_trials", lambda *folder: read(*folder) if folder else packaged)
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0
    assert found.failed == 0
