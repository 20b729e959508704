"""The what-if panel of the pages: its script agrees with the Python engine, with scipy, and with the page it stands on."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import vfmeta as vf
from vfmeta.evidence import whatif

pytest_plugins = ("evidence_builds",)

ENGINE = Path(whatif.__file__).parent / "templates" / "whatif_engine.js"
NODE, CHROMIUM = shutil.which("node"), shutil.which("chromium") or shutil.which("chromium-browser")
needs_engine = pytest.mark.skipif(NODE is None and CHROMIUM is None, reason="neither Node nor Chromium is on this machine")


def run(tmp_path: Path, expression: str, script: str | None = None) -> Any:
    """The value of a JavaScript expression, after the engine (or the whole script) has run."""
    code = ENGINE.read_text(encoding="utf-8") if script is None else script
    if NODE is not None:
        (tmp_path / "run.js").write_text(f"{code}\nconsole.log(JSON.stringify({expression}));", encoding="utf-8")
        done = subprocess.run([NODE, str(tmp_path / "run.js")], capture_output=True, text=True, check=True, timeout=300)
        return json.loads(done.stdout)
    page = f"<!doctype html><pre id=o></pre><script>{code}\ndocument.all.o.textContent = JSON.stringify({expression});</script>"
    return json.loads(dumped(tmp_path, page).split('<pre id="o">')[1].split("</pre>")[0])


def dumped(tmp_path: Path, page: str, fragment: str = "") -> str:
    """A page as Chromium holds it after its scripts have run."""
    assert CHROMIUM is not None
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", f"--user-data-dir={tmp_path}/profile"]
    call = [CHROMIUM, *flags, "--dump-dom", (tmp_path / "page.html").as_uri() + fragment]
    return subprocess.run(call, capture_output=True, text=True, check=True, timeout=300).stdout


@needs_engine
def test_quantiles_are_those_of_scipy(tmp_path: Path) -> None:
    tails = [1e-20, 1e-9, 1e-4, 0.005, 0.025, 0.2, 0.4999, 0.5, 0.7, 0.975, 0.9999]
    dfs = [1, 1.5, 2, 3, 7, 12, 30, 120, 1e4, 99999, 100001, 1e9]
    z = run(tmp_path, f"{tails}.map(vfmetaEngine.normalQuantile)")
    np.testing.assert_allclose(z, stats.norm.ppf(tails), rtol=1e-12, atol=1e-14)
    p = run(tmp_path, f"{z}.map(vfmetaEngine.normalCdf)")
    np.testing.assert_allclose(p, tails, rtol=1e-11)
    inner = tails[2:]
    t = run(tmp_path, f"{dfs}.map((d) => {inner}.map((p) => vfmetaEngine.tQuantile(p, d)))")
    np.testing.assert_allclose(t, [stats.t.ppf(inner, d) for d in dfs], rtol=1e-9, atol=1e-12)
    below = run(tmp_path, f"{dfs[:-3]}.map((d) => [-3, -0.5, 0, 2, 40].map((t) => vfmetaEngine.tCdf(t, d)))")
    np.testing.assert_allclose(below, [stats.t.cdf([-3, -0.5, 0, 2, 40], d) for d in dfs[:-3]], rtol=1e-9, atol=1e-15)


def _sets() -> list[tuple[np.ndarray, np.ndarray]]:
    """Effects with variances: alike, apart, unequal, on large and small scales, two studies."""
    rng = np.random.default_rng(11)
    sets = [(np.array([0.1, 0.1, 0.1]), np.array([0.01, 0.04, 0.09])), (np.array([1.0, -1.0]), np.array([0.1, 0.2]))]
    for k, tau, unit in [(2, 0.5, 1), (3, 0, 1), (4, 1, 1e-3), (5, 0.3, 1e3), (8, 2, 1), (13, 0.5, 1), (40, 0.2, 1)]:
        v = unit**2 * rng.gamma(2, 0.1, k)
        sets.append((rng.normal(0.3 * unit, np.sqrt(v + (tau * unit) ** 2)), v))
    return sets


@needs_engine
@pytest.mark.parametrize("method", ["REML", "DL", "PM"])
def test_pools_are_those_of_the_python_engine(tmp_path: Path, method: str) -> None:
    sets = _sets()
    calls = ",".join(
        f"vfmetaEngine.pool({json.dumps([list(map(float, x)) for x in s])[1:-1]}, '{method}', 'HKSJ', 0.95)" for s in sets
    )
    for (y, v), found in zip(sets, run(tmp_path, f"[{calls}]"), strict=True):
        with pytest.warns(vf.VfmetaWarning) if np.ptp(y) == 0 else _quiet():
            fit = vf.random_effects(y=y, v=v, method=method, test="HKSJ")
        unit = float(np.sqrt(v.mean()))
        assert found["tau2"] == pytest.approx(fit.tau2, rel=1e-6, abs=1e-9 * unit**2)
        assert found["estimate"] == pytest.approx(fit.estimate, rel=1e-6, abs=1e-9 * unit)
        assert found["interval"] == pytest.approx(fit.interval, rel=1e-6, abs=1e-8 * unit)
        assert found["weights"] == pytest.approx(list(fit.weights), rel=1e-6)
        if fit.adhoc_interval is not None:
            assert found["adhoc"] == pytest.approx(fit.adhoc_interval, rel=1e-6, abs=1e-8 * unit)


@needs_engine
def test_posteriors_are_those_of_the_python_engine(tmp_path: Path) -> None:
    priors = vf.priors
    pairs = [
        (priors.HalfNormal(0.5), priors.Flat()),
        (priors.HalfNormal(1.0), priors.Normal(0.0, 10.0)),
        (priors.HalfCauchy(0.5), priors.Flat()),
        (priors.Exponential(0.7), priors.Normal(0.2, 1.0)),
        (priors.LogNormal(-1.28, 0.87), priors.Flat()),
        (priors.HalfT(4.0, 0.5), priors.Flat()),
    ]
    asked = [(y, v, tau, mu) for y, v in _sets() for tau, mu in pairs]
    calls = []
    for y, v, tau, mu in asked:
        flat = isinstance(mu, priors.Flat)
        inputs = [list(map(float, y)), list(map(float, v)), tau.to_dict(), None if flat else mu.to_dict(), 0.95]
        calls.append(
            f"(() => {{ const p = vfmetaEngine.posterior({json.dumps(inputs)[1:-1]}); return {{...p, zero: p.below(0)}}; }})()"
        )
    for (y, v, tau, mu), found in zip(asked, run(tmp_path, f"[{','.join(calls)}]"), strict=True):
        with _quiet():
            post = vf.bayes.random_effects(y=y, v=v, tau=tau, mu=mu)
            exact = vf.bayes.posterior(y, v, tau, mu)
        unit = float(post.mu.interval[1] - post.mu.interval[0])
        assert found["estimate"] == pytest.approx(post.estimate, rel=1e-6, abs=1e-6 * unit)
        assert found["interval"] == pytest.approx(post.interval, rel=1e-6, abs=1e-6 * unit)
        assert found["next"] == pytest.approx(post.prediction, rel=1e-6, abs=1e-6 * unit)
        assert found["zero"] == pytest.approx(float(exact.mu.cdf(0.0)), abs=1e-6)
        assert found["weights"] == pytest.approx(list(post.weights), rel=1e-5)


@needs_engine
def test_what_cannot_be_answered_is_not(tmp_path: Path) -> None:
    """Two trials, a flat mean and a uniform prior of tau have no posterior; one trial is its own interval."""
    assert run(tmp_path, "vfmetaEngine.posterior([0, 1], [1, 1], {family: 'Uniform'}, null, 0.95)") is None
    one = run(tmp_path, "vfmetaEngine.pool([0.5], [0.04], 'REML', 'HKSJ', 0.95)")
    assert one["tau2"] is None
    assert one["interval"] == pytest.approx(stats.norm.interval(0.95, 0.5, 0.2))


def _quiet() -> Any:
    import warnings

    return warnings.catch_warnings(action="ignore", category=vf.VfmetaWarning)


def test_panels_start_from_what_the_page_shows(real_build: Any) -> None:
    offered, records = 0, list(real_build.records.values())
    for record in records:
        found = whatif.view([record], record)
        if found is None:
            continue
        offered += 1
        (a,) = found["analyses"]
        assert a["labels"] == [s["label"] for s in record.data["studies"]]
        assert a["tau"] == record.posterior.tau_prior.to_dict()
        assert json.loads(json.dumps(a)) == a
    assert offered == sum(r.posterior is not None for r in records), "a pool without a panel"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is on this machine")
def test_a_link_opens_its_own_selection(tmp_path: Path) -> None:
    """The panel opened at an address: the trial left out, the other estimator, and the numbers of the Python engine."""
    y, v, names = (
        [-0.5, -0.2, 0.3, -0.8],
        [0.09, 0.04, 0.16, 0.09],
        ["Alpha 2001", "Beta & co 2002", "Gamma <3> 2003", "Delta 2004"],
    )
    table = vf.effect_table(
        y=y, v=v, study=names, question=vf.Question(measure="MD", points=(0, 10), mid=1.0, higher_is_worse=True)
    )
    fit, post = vf.random_effects(table), vf.bayes.random_effects(table)
    record = type(
        "Record",
        (),
        {"frequentist": fit, "posterior": post, "question": table.question, "id": "pain", "title": "Pain", "plan": "own"},
    )()
    data = json.dumps(whatif.view([record], record)).replace("<", "\\u003c")  # type: ignore[list-item]
    held = f'<div class="whatif"><script type="application/json">{data}</script></div>'
    page = f'<!doctype html><meta charset="utf-8">{held}<script>{whatif.script()}</script>'
    asked = "#whatif=own&analysis=pain&out=Beta+%26+co+2002&out=Nobody+1999&threshold=0.5&estimator=DL"
    shown = dumped(tmp_path, page, asked)
    kept = [0, 2, 3]
    with _quiet():
        part = vf.random_effects(y=np.array(y)[kept], v=np.array(v)[kept], method="DL", test=fit.test)
        exact = vf.bayes.posterior(np.array(y)[kept], np.array(v)[kept], post.tau_prior, post.mu_prior)
    from vfmeta.text import numbers as tx

    q = table.question
    assert "<strong>Your selection: 3 of 4 trials</strong>" in shown
    assert "Not among the trials any more: Nobody 1999." in shown
    assert tx.effect_text(q, part.estimate, part.interval) in shown
    low, middle, high = exact.mu.quantile(np.array([0.025, 0.5, 0.975]))
    assert tx.effect_text(q, middle, (low, high)) in shown
    chance = tx.probability_text(float(exact.mu.cdf(-0.5))).removeprefix("= ")
    assert f"beyond 0.50 (as shown)</th><td>{chance}</td>" in shown
    assert "Gamma &lt;3&gt; 2003" in shown
    plain = dumped(tmp_path, page, "#whatif=own&analysis=pain")
    assert "<strong>As planned: 4 trials</strong>" in plain
    assert tx.effect_text(q, post.estimate, post.interval) in plain
    assert tx.effect_text(q, fit.estimate, fit.interval) in plain
