"""What the core does without says which extra brings it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from vfmeta.core.extras import EXTRAS

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

WITHOUT = """
import sys
from importlib.machinery import PathFinder
whole = PathFinder.find_spec
def part(name, path=None, target=None):
    return None if name.split(".")[0] in GONE else whole(name, path, target)
PathFinder.find_spec = part
import importlib.util
import vfmeta as vf
"""


def _name(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9_.-]+", requirement)[0].lower().replace("-", "_")


def _without(*gone: str, code: str) -> str:
    text = f"GONE = {set(gone)!r}\n{WITHOUT}\n{code}"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", text], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_every_library_in_use_is_of_the_core_or_of_a_named_extra() -> None:
    core = {_name(r) for r in PROJECT["dependencies"]}
    extras = {extra: {_name(r) for r in found} for extra, found in PROJECT["optional-dependencies"].items()}
    own = set(sys.stdlib_module_names) | {"vfmeta"}
    through = {"pytensor": "pymc", "xarray": "arviz", "llvmlite": "numba", "dask": "joblib", "distributed": "joblib"}
    strangers = {}
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            else:
                continue
            for name in {n.split(".")[0] for n in names} - own:
                if through.get(name, name) not in core and name not in EXTRAS:
                    strangers[name] = path.name
    assert not strangers
    for library, extra in EXTRAS.items():
        assert through.get(library, library) in extras[extra], library


def test_the_core_pools_and_draws_without_the_extras() -> None:
    said = _without(*EXTRAS, code="""
fit = vf.random_effects(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3])
print(vf.bayes.random_effects(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], tau=vf.priors.HalfNormal(1.0)).k, fit.k)
print(type(fit.plot()).__name__)
""")  # fmt: skip
    assert said.split()[:2] == ["3", "3"]
    assert "Error" not in said


def test_a_missing_library_names_its_extra() -> None:
    said = _without("frictionless", code="""
try:
    vf.load_trials()
except ImportError as error:
    print(error)
""")  # fmt: skip
    assert 'pip install "vfmeta[report]"' in said


def test_imports_of_others_fail_as_they_always_did() -> None:
    said = _without("frictionless", code="""
print(importlib.util.find_spec("frictionless"))
try:
    import frictionless
except ImportError as error:
    print(type(error).__name__, error)
""")  # fmt: skip
    assert said.splitlines() == ["None", "ModuleNotFoundError No module named 'frictionless'"]
