"""The report of `benchmarks.levels`: ``levels.md`` by verb, with a picture each, every number of it from ``levels.csv``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from benchmarks.levels import COVERAGE, LEVEL, MISSES, NOTICES

# Okabe and Ito: told apart with every common colour vision, and by their marks without any
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
MARKS = ("o", "s", "^", "D", "v", "P", "X")
ASKED = {LEVEL: "rejects what is true, in % (5 asked)", COVERAGE: "intervals hold the truth, in % (95 asked)",
         NOTICES: "rejects what is false, in %"}  # fmt: skip
#: verbs whose tests and intervals other reports show
ELSEWHERE = {
    "random_effects_many": "is `random_effects` for many sets at once: [its section](#random_effects).",
    "egger_many": "is `egger` for many sets at once: [its section](#egger).",
    "trim_and_fill_many": "is `trim_and_fill` for many sets at once: [its section](#trim_and_fill).",
    "selection_model_many": "is `selection_model` for many sets at once: [its section](#selection_model).",
    "small_study_test": "is the test that `which` names: [egger](#egger) and those beside it.",
    "leave_one_out": "fits the model again without each study: the intervals are those of the model, such as "
    "[random_effects](#random_effects).",
    "cumulative": "fits the model to the studies so far: the intervals are those of the model, such as "
    "[random_effects](#random_effects).",
    "multiverse": "fits many models: the intervals are those of each, such as [random_effects](#random_effects).",
    "network": "[network_levels.md](network_levels.md).",
    "network_many": "[network_levels.md](network_levels.md).",
    "network_from_trials": "[network_levels.md](network_levels.md).",
    "glmm": "[glmm_levels.md](glmm_levels.md).",
    "multivariate": "[multivariate_levels.md](multivariate_levels.md).",
    "next_trial": "foretells by the distribution of the prediction interval and the error of the trial: "
    "[coverage.md](coverage.md).",
    "setting_shares": "are parts of the distribution of the prediction interval, without an interval of their own: "
    "[coverage.md](coverage.md).",
    "sequential": "its boundaries and intervals are held to their level by `tests/test_sequential.py`.",
    "bayes.random_effects": "exact posteriors: [calibration.md](calibration.md).",
    "bayes.random_effects_many": "exact posteriors: [calibration.md](calibration.md).",
    "bayes.meta_regression": "exact posteriors: [calibration.md](calibration.md).",
    "bayes.reports": "[partial_reports.md](partial_reports.md).",
}
#: verbs that give tests or intervals and have been simulated in no report yet
OPEN = {
    "robust_average": "an average over 36 models, right as often as its priors are; a set takes 1.6 seconds.",
}


_HEAD = (
    "`make simulate` drew sets in each setting from the model that is fitted, or from one that breaks what it takes "
    "for granted, and asked each public verb. *rejects* is how often a test at 5% rejects a hypothesis that is true, "
    "*covers* how often a 95% interval holds the truth, with its mean width in parentheses. In **bold** what claims "
    "more than it keeps by over three points (beyond twice the Monte Carlo error), in *italics* what is cautious by "
    "as much. The numbers are read from [levels.csv](levels.csv). *Alike* and *spread* variances are those of "
    "[coverage.md](coverage.md), which has more of the intervals of a mean; [recommended.md](recommended.md) compares "
    "nine of them."
)


#: what procedures are called in a picture of too many to tell apart
SHOWN = ("what is printed by default", "the textbook's, under its name")


def shown(name: str) -> str:
    """Whether a procedure is what a verb prints by default."""
    other = ("Cochran's Q", "Tarone", 'test="Wald"', "Cochran-Mantel-Haenszel")
    return SHOWN[any(x in name for x in other)]


def off(row: pd.Series) -> bool:
    """Whether a share misses what was asked by more than three points, beyond its Monte Carlo error."""
    return row["what"] != NOTICES and abs(row["share"] - row["nominal"]) > MISSES + 2 * row["error"]


def wrong(row: pd.Series) -> bool:
    """Whether it misses on the side that claims too much."""
    return off(row) and (row["share"] < row["nominal"]) == (row["what"] == COVERAGE)


def picture(rows: pd.DataFrame, path: Path) -> None:
    """A row of dots a setting: one a procedure, tests left and intervals right, the band three points about what was asked."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    kinds = [w for w in (LEVEL, NOTICES, COVERAGE) if (rows["what"] == w).any()]
    settings = list(dict.fromkeys(rows["setting"]))
    height = 1.6 + 0.19 * len(settings)
    fig, axes = plt.subplots(1, len(kinds), figsize=(4.4 + 4.2 * len(kinds), height), sharey=True, squeeze=False)
    for ax, what in zip(axes[0], kinds, strict=True):
        part = rows[rows["what"] == what]
        asked = part["nominal"].iloc[0]
        if asked == asked:
            ax.axvspan(100 * (asked - MISSES), 100 * (asked + MISSES), color="0.92", zorder=0)
            ax.axvline(100 * asked, color="0.5", lw=0.8)
        names = list(dict.fromkeys(part["procedure"]))
        groups = [[n] for n in names] if len(names) <= len(MARKS) else [[n for n in names if shown(n) == x] for x in SHOWN]
        for i, group in enumerate(groups):
            own = part[part["procedure"].isin(group)]
            at = [settings.index(s) for s in own["setting"]]
            label = group[0] if len(group) == 1 else SHOWN[i]
            ax.plot(100 * own["share"], at, ls="none", ms=4.5, marker=MARKS[i], color=PALETTE[i], alpha=0.85, label=label)
        ax.set_xlabel(ASKED[what], fontsize=8)
        ax.set_yticks(range(len(settings)), settings, fontsize=7)
        ax.tick_params(axis="x", labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="0.93", lw=0.6)
        ax.legend(frameon=False, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.55 / height))
    axes[0, 0].invert_yaxis()
    fig.savefig(path, dpi=100, bbox_inches="tight", metadata={"Software": None})
    plt.close(fig)


def _cell(rows: pd.DataFrame, columns: list[tuple[str, str]]) -> list[str]:
    found = []
    for name, what in columns:
        own = rows[(rows["procedure"] == name) & (rows["what"] == what)]
        if own.empty or own["share"].isna().all():
            found.append("")
            continue
        row = own.iloc[0]
        wide = f" ({row['width']:.2g})" if row["width"] == row["width"] else ""
        text = f"{100 * row['share']:.1f}"
        found.append((f"**{text}**" if wrong(row) else f"*{text}*" if off(row) else text) + wide)
    return found


def anchor(verb: str) -> str:
    """Of the section of a verb, as GitHub makes it of a heading."""
    return verb.lower().replace(".", "")


def section(verb: str, rows: pd.DataFrame) -> list[str]:
    """One verb: its picture, and a table with a row a setting and a column a procedure."""
    columns = list(dict.fromkeys(zip(rows["procedure"], rows["what"], strict=True)))
    worst = 100 * rows["error"].max()
    sets = f"{rows['draws'].min():,} to {rows['draws'].max():,}".replace("1 to 1", "1")
    bad = [r for _, r in rows.iterrows() if wrong(r)]
    named = list(dict.fromkeys(r["procedure"] for r in bad))
    said = (
        "Nothing claims more than it keeps by over three points." if not bad
        else f"In {len(bad)} of {len(rows)} cells more is claimed than kept by over three points: {'; '.join(named)}."
    )  # fmt: skip
    alt = f"Dots for each setting of {verb}: how often each procedure rejects or covers; the numbers stand in the table below"
    lines = [
        f"## {verb}", "",
        f"{said} Answers: {sets} in each cell, Monte Carlo standard error at most {worst:.1f} points.", "",
        f"![{alt}](levels/{verb}.png)", "",
        "<details><summary>The numbers</summary>", "",
        "| setting | " + " | ".join(f"{name}, {what} %" for name, what in columns) + " |",
        "|---|" + "---|" * len(columns),
    ]  # fmt: skip
    table = [
        f"| {setting} | " + " | ".join(_cell(rows[rows["setting"] == setting], columns)) + " |"
        for setting in dict.fromkeys(rows["setting"])
    ]
    return [*lines, *table, "", "</details>", ""]


def text(table: pd.DataFrame) -> str:
    verbs = sorted(set(table["verb"]))
    lines = [
        "# How often tests reject what is true, and intervals hold it", "",
        _HEAD, "",
        "## Contents", "",
    ]  # fmt: skip
    for verb in verbs:
        own = table[table["verb"] == verb]
        bad = sum(wrong(r) for _, r in own.iterrows())
        count = f"{bad} of {len(own)} cells claim too much" if bad else f"none of {len(own)} cells claims too much"
        lines.append(f"- [{verb}](#{anchor(verb)}): {count}")
    lines += ["- [In other reports](#in-other-reports)", "- [Not simulated yet](#not-simulated-yet)", ""]
    for verb in verbs:
        lines += section(verb, table[table["verb"] == verb])
    lines += ["## In other reports", "", *(f"- `{verb}`: {said}" for verb, said in ELSEWHERE.items()), ""]
    lines += ["## Not simulated yet", "", *(f"- `{verb}`: {said}" for verb, said in OPEN.items()), ""]
    return "\n".join(lines)


def write(table: pd.DataFrame, folder: Path) -> None:
    """``levels.md`` and a picture a verb in ``levels/``."""
    (folder / "levels").mkdir(exist_ok=True)
    for verb, rows in table.groupby("verb"):
        picture(rows, folder / "levels" / f"{verb}.png")
    (folder / "levels.md").write_text(text(table), encoding="utf-8")
