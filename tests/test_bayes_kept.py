"""Compiled PyMC models kept between processes: the same draws, without PyMC."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from vfmeta import bayes, priors
from vfmeta.bayes import kept, sampled

ASKED = "y=[-1.0, 0.2, 0.9], v=[0.1, 0.2, 0.15], tau=priors.Exponential(0.5), mu=priors.Normal(0.0, 2.0), draws=500, tune=500"


def draw() -> str:
    return repr(eval(f"bayes.sample({ASKED})", {"bayes": bayes, "priors": priors}).mu)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")
def test_a_kept_model_draws_what_the_made_one_drew_and_loads_no_pymc(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(body: bytes) -> Any:
        raise ValueError("as if nothing were kept")

    with monkeypatch.context() as patch:
        patch.setattr(kept, "_load", nothing)
        patch.setattr(sampled, "_compiled", {})
        made = draw()  # and keeps what it made
    code = (
        "import sys, warnings; warnings.simplefilter('ignore'); from vfmeta import bayes, priors; "
        "from vfmeta.bayes import kept; kept.use(); "
        f"print(bayes.sample({ASKED}).mu); print('pymc' in sys.modules or 'pytensor' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.splitlines() == [made, str(int(version("pymc").split(".")[0]) < 6)]  # of PyMC 5 nothing is kept


def test_a_process_that_did_not_ask_neither_uses_nor_keeps_a_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = tmp_path / "model.py"
    source.write_text("model", encoding="utf-8")
    asked: list[str] = []
    monkeypatch.setattr(kept, "_load", lambda body: asked.append("loaded"))
    monkeypatch.setattr(kept, "_folder", lambda source: tmp_path)
    (tmp_path / f"model.{kept._digest('a', [source])}.model").write_bytes(b"machine code")

    def build(pm: Any) -> Any:
        raise InterruptedError("it is made")

    monkeypatch.setattr(kept, "_used", False)
    with pytest.raises(InterruptedError, match="it is made"):
        kept.compiled("a", [source], build)
    assert not asked
    monkeypatch.setattr(kept, "_used", True)
    kept.compiled("a", [source], build)
    assert asked == ["loaded"]
    kept.forget(source)
    assert [file.name for file in tmp_path.iterdir()] == ["model.py"]


def test_half_a_file_is_not_used(tmp_path: Path) -> None:
    kept.write(tmp_path / "a.model", b"machine code")
    whole = (tmp_path / "a.model").read_bytes()
    assert whole.endswith(b"machine code")
    with pytest.raises(ValueError, match="half a file"):
        kept._load(whole[:-1])


def test_another_source_is_another_model(tmp_path: Path) -> None:
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text("model", encoding="utf-8")
    other.write_text("another model", encoding="utf-8")
    assert kept._digest("a", [one]) == kept._digest("a", [one]) != kept._digest("b", [one])
    assert kept._digest("a", [one]) != kept._digest("a", [other])
