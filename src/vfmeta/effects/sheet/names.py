"""What columns are called: one table of names for every role a column can have, read without case, blanks or punctuation.

A name is cut into words. What is left of it after the word of a group ("treat", "control", "1") and words that say nothing
must be one of the names of a statistic, in any order: "mean_treat", "Treatment mean", "SD control", "n.e", "Events 1".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: statistics of an arm (or of a study of one group): role -> its names
STATISTICS: dict[str, tuple[str, ...]] = {
    "mean": ("mean", "m", "average", "avg", "mean score", "mean value"),
    "sd": ("sd", "s d", "std", "stdev", "std dev", "stddev", "standard deviation", "s"),
    "se": ("se", "sem", "s e m", "std err", "stderr", "std error", "standard error", "standard error mean"),
    "ci_low": ("low", "mean low"),
    "ci_high": ("high", "mean high"),
    "ci": ("ci",),
    "median": ("median", "med"),
    "q1_": ("q1", "25", "p25", "25th", "lower quartile", "first quartile", "quartile 1", "iqr low", "25th percentile", "lq"),
    "q3_": ("q3", "75", "p75", "75th", "upper quartile", "third quartile", "quartile 3", "iqr high", "75th percentile", "uq"),
    "iqr": ("iqr", "interquartile range", "inter quartile range"),
    "min": ("min", "minimum", "smallest", "range low"),
    "max": ("max", "maximum", "largest", "range high"),
    "range": ("range", "min max"),
    "n": ("n", "total", "size", "sample size", "sample", "patients", "participants", "subjects", "number", "n total", "total n",
          "n patients", "n analysed", "n analyzed", "number patients", "number participants", "totals", "analysed", "people"),
    "events": ("events", "event", "cases", "responders", "deaths", "dead", "died", "n events", "number events", "incidents",
               "number incidents", "pos", "successes", "with event", "event count", "count events"),
    "nonevents": ("nonevents", "non events", "nonevent", "no event", "no events", "without event", "neg", "failures",
                  "survivors", "nonresponders", "non responders"),
    "percent": ("percent", "pct", "events percent", "event percent", "percent events", "rate percent"),
    "time": ("time", "person time", "person years", "patient years", "personyears", "patientyears", "py", "person months",
             "exposure", "time at risk", "follow up time", "person days"),
    "mean_pre": ("mean pre", "pre mean", "pre", "baseline mean", "baseline", "mean before", "m pre"),
    "sd_pre": ("sd pre", "baseline sd", "sd before"),
    "mean_post": ("mean post", "post", "final mean", "endpoint mean", "mean after", "follow up mean", "m post"),
    "sd_post": ("sd post", "final sd", "endpoint sd", "sd after", "follow up sd"),
    "mean_change": ("mean change", "change", "change score", "mean diff from baseline", "delta"),
    "sd_change": ("sd change", "change sd"),
    "se_change": ("se change", "change se"),
    "mean_sd": ("mean sd",),
    "median_iqr": ("median iqr",),
    "median_range": ("median range",),
    "events_n": ("events total", "events n", "n events total", "events patients"),
}  # fmt: skip
#: what speaks of a row as a whole: role -> its names
WHOLE: dict[str, tuple[str, ...]] = {
    "study": ("study", "trial", "study label", "study labels", "study name", "study id", "trial name", "trial id", "label",
              "studlab", "slab", "author year", "studies", "trials", "paper", "reference", "author", "authors", "first author"),
    "outcome": ("outcome", "endpoint", "outcome name", "outcomes", "end point"),
    "measure": ("measure", "effect measure", "statistic", "effect type", "es type", "type effect", "effect size type"),
    "trial_design": ("design", "study design", "trial design"),
    "instrument": ("instrument", "scale", "unit", "units", "questionnaire", "tool", "outcome scale"),
    "score": ("score type", "value type", "change or final"),
    "arm": ("arm", "treatment", "intervention", "group", "arm name", "treatment arm", "study arm", "trt", "treatment name"),
    "y": ("y", "yi", "effect", "effect size", "es", "estimate", "te", "effect estimate", "giv mean", "effect sizes", "theta",
          "point estimate", "treatment effect"),
    "v": ("v", "vi", "var", "variance", "sampling variance", "variances", "var effect", "effect size variance"),
    "se": ("se", "sei", "standard error", "std error", "std err", "stderr", "giv se", "se effect", "se te",
           "effect size standard error", "se es", "se y", "standard errors"),
    "se_log": ("se log", "se ln", "log se", "ln se"),
    "ci_low": ("low", "effect low", "estimate low"),
    "ci_high": ("high", "effect high", "estimate high"),
    "ci": ("ci",),
    "estimate_ci": ("effect ci", "estimate ci"),
    "p": ("p", "p value", "pvalue", "p val", "pval", "log rank p", "logrank p", "logrank p value", "log rank p value"),
    "t": ("t", "t value", "t statistic", "tvalue", "t stat", "t test"),
    "d": ("d", "cohen d", "cohens d", "cohen s d"),
    "r": ("r", "correlation", "cor", "corr", "pearson r", "correlation coefficient", "correlations", "pearson correlation"),
    "oe": ("o minus e", "observed minus expected", "observed expected"),
    "oe_v": ("var oe", "variance oe", "v oe", "logrank variance", "log rank variance", "hypergeometric variance"),
    "direction": ("direction", "sign", "better arm", "favours", "favors"),
    "icc": ("icc", "intracluster correlation", "intraclass correlation", "intracluster correlation coefficient"),
    "cluster_size": ("cluster size", "mean cluster size", "average cluster size", "avg cluster size"),
    "design_effect": ("design effect", "deff"),
    "higher_is_worse": ("higher is worse", "higher worse", "high is bad"),
    "scale_min": ("scale min", "scale minimum", "scale low"),
    "scale_max": ("scale max", "scale maximum", "scale high"),
    "mid": ("mid", "mcid", "minimal important difference", "minimally important difference"),
}  # fmt: skip
#: effect measures as headings name them: the estimate itself stands in such a column
MEASURES: dict[str, tuple[str, ...]] = {
    "OR": ("or", "odds ratio", "odds ratios", "oddsratio"),
    "RR": ("rr", "risk ratio", "relative risk", "risk ratios", "riskratio"),
    "HR": ("hr", "hazard ratio", "hazards ratio", "hazard ratios", "hazardratio"),
    "IRR": ("irr", "rate ratio", "incidence rate ratio", "rate ratios"),
    "RD": ("rd", "risk difference", "absolute risk difference", "ard"),
    "PETO": ("peto or", "peto odds ratio"),
    "MD": ("md", "mean difference", "wmd", "weighted mean difference", "difference means", "mean diff", "mean differences"),
    "SMD": ("smd", "standardised mean difference", "standardized mean difference", "std mean difference", "hedges g", "g",
            "hedges s g", "hedge g", "std mean diff"),
    "ROM": ("rom", "ratio means", "response ratio"),
    "ZCOR": ("fisher z", "fishers z", "fisher s z", "zr", "zcor", "z r", "fisher zr"),
}  # fmt: skip
#: what two fields call two different things
UNSURE = {"lnrr": ("RR", "ROM"), "lrr": ("RR", "ROM")}
GROUPS: dict[int, tuple[str, ...]] = {
    1: ("e", "exp", "expt", "experimental", "experiment", "treat", "treatment", "treated", "trt", "tx", "tr", "t", "i", "int",
        "interv", "intervention", "active", "drug", "1", "one", "verum"),
    2: ("c", "con", "cont", "contr", "control", "controls", "ctrl", "ctl", "placebo", "plac", "pbo", "pla", "sham",
        "comparator", "comp", "comparison", "usual", "ref", "2", "two", "none", "nothing", "untreated", "wait", "waiting",
        "waitlist", "wl", "wlc", "tau"),
}  # fmt: skip
#: words of a group that are no name of it
NAMELESS = {"e", "exp", "expt", "1", "one", "i", "int", "interv", "t", "tr", "tx", "trt", "treat", "c", "con", "cont", "contr",
            "ctrl", "ctl", "comp", "2", "two", "plac", "pbo", "pla", "ref", "treated", "controls", "experiment"}  # fmt: skip
FILLERS = {"of", "the", "in", "for", "group", "grp", "at", "to", "and", "care", "list"}
_LOW = {"low", "lower", "lo", "lcl", "lci", "ll", "lb", "lcb", "cil", "l95", "cilb", "lowerci", "cilower", "cilow", "llci"}
_HIGH = {"high", "upper", "hi", "ucl", "uci", "ul", "ub", "ucb", "ciu", "u95", "ciub", "upperci", "ciupper", "cihigh",
         "ulci"}  # fmt: skip
_AROUND = {"ci", "limit", "bound", "confidence", "interval", "percent", "limits"}
_LOGS = {"log", "ln", "logged"}
#: names that are whole words of a package; those that only a companion makes clear stand in `_BESIDE`
EXACT: dict[str, str] = {
    "yi": "y", "vi": "v", "sei": "se", "ai": "events1", "bi": "nonevents1", "n1i": "n1", "n2i": "n2", "x1i": "events1",
    "x2i": "events2", "t1i": "time1", "t2i": "time2", "m1i": "mean1", "m2i": "mean2", "sd1i": "sd1", "sd2i": "sd2", "ri": "r",
    "ni": "n", "xi": "events", "sdi": "sd", "pi": "p", "te": "y", "sete": "se", "tpos": "events1", "tneg": "nonevents1",
    "cpos": "events2", "cneg": "nonevents2", "oe": "oe",
}  # fmt: skip
#: name -> (companion, role beside it, role without it; "" none)
_BESIDE: dict[str, tuple[str, str, str]] = {
    "ci": ("ai", "events2", ""), "di": ("ai", "nonevents2", "d"), "mi": ("xi", "nonevents", "mean"), "ti": ("xi", "time", "t"),
    "ee": ("ec", "events1", ""), "ne": ("nc", "n1", ""), "ec": ("ee", "events2", ""), "nc": ("ne", "n2", ""),
    "variance": ("oe", "oe_v", "v"), "var": ("oe", "oe_v", "v"), "v": ("oe", "oe_v", "v"),
}  # fmt: skip


def compact(name: str) -> str:
    """A name without case, blanks and punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def words_of(name: str) -> list[str]:
    """A name in its words: "meanTreat", "mean_treat" and "Mean (treat)" are the same two."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold().replace("%", " percent ").replace("±", " ")
    text = re.sub(r"\b(se)?(log|ln)(hr|or|rr|irr)?\b", r"\1 \2 \3", text)
    return re.findall(r"[a-z]?q[13](?![0-9a-z])|p?(?:25|75)(?:th)?(?![0-9])|[lu]95|[^\W\d_]+|\d+", text)


def _keyed(table: dict[str, tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    return {tuple(sorted(name.split())): role for role, names in table.items() for name in names}


_STATISTICS, _WHOLE, _MEASURES = _keyed(STATISTICS), _keyed(WHOLE), _keyed(MEASURES)
_GROUP_OF = {word: group for group, words in GROUPS.items() for word in words}


def exact(name: str, all_names: Iterable[str]) -> str:
    """The role of a name that a package writes in one word; empty for any other."""
    short = compact(name)
    if short in _BESIDE:
        companion, beside, alone = _BESIDE[short]
        return beside if companion in {compact(x) for x in all_names} else alone
    return EXACT.get(short, "")


def statistic_of(words: Iterable[str]) -> str:
    """The statistic of an arm that these words name, in any order; empty where they name none."""
    key = tuple(sorted(words))
    found = _STATISTICS.get(key, "")
    if not found and "percent" in key:  # "% responders" is a percentage of whatever events are called
        rest = tuple(x for x in key if x != "percent")
        return "percent" if _STATISTICS.get(rest) == "events" else ""
    return found


class Parts:
    """A name taken apart: ``rest`` its words without those of a group, of an interval's side, and those that say nothing.

    ``group`` is 1, 2 or 0, ``side`` the word that named it, ``limit`` "low", "high" or "", ``level`` the per cent of an
    interval, ``log`` whether a logarithm is named.
    """

    def __init__(self, name: str) -> None:
        every = words_of(name)
        words = [w for w in every if w not in FILLERS] or every
        if "ci" in words:
            words = [{"start": "low", "end": "high"}.get(w, w) for w in words]
        self.level = next((float(w) for w in words if w in ("90", "95", "99")), None)
        self.limit = "low" if _LOW & set(words) else "high" if _HIGH & set(words) else ""
        interval = bool(self.limit) or "ci" in words or {"confidence", "interval"} <= set(words)
        if interval:
            ends, quartile = _LOW | _HIGH, bool({"quartile", "iqr"} & set(words))
            words = [w for w in words if w not in ("90", "95", "99")]
            if self.limit and not quartile:
                words = [self.limit if w in ends else w for w in words if w not in _AROUND]
            elif self.limit:
                words = [{"low": "lower", "high": "upper"}[self.limit] if w in ends and "quartile" in words
                         else self.limit if w in ends else w for w in words]  # fmt: skip
            else:
                words = ["ci" if w == "interval" else w for w in words if w not in ("confidence", "percent")]
        self.log = bool(_LOGS & set(words)) and "rank" not in words
        self.words = words
        found = [w for w in words if w in _GROUP_OF]
        long = [w for w in found if len(w) > 1 and w not in ("one", "two")]
        groups = {_GROUP_OF[w] for w in (long or found)}
        alone = len(words) == len(found) == 1
        self.group = groups.pop() if len(groups) == 1 and not alone else 0
        self.side = (long or found)[0] if self.group else ""
        gone = {w for w in (long or found) if _GROUP_OF[w] == self.group} if self.group else set()
        self.rest = tuple(sorted(w for w in words if w not in gone))

    @property
    def statistic(self) -> str:
        """The statistic of an arm that the rest names."""
        return statistic_of(self.rest)

    @property
    def whole(self) -> str:
        """What of a whole row all words name."""
        return _WHOLE.get(tuple(sorted(self.words)), "")

    @property
    def estimate(self) -> tuple[str, str]:
        """Role and measure of a column headed by an effect measure ("OR", "log HR", "OR lower"); empty where it is none."""
        words = [w for w in self.words if w not in _LOGS]
        ends = [w for w in words if w in ("low", "high", "ci", "se", "error", "standard")]
        measure = _MEASURES.get(tuple(sorted(w for w in words if w not in ends)), "")
        if not measure:
            return "", ""
        if ends in (["se"], ["standard", "error"]):
            return ("se_log" if self.log else "se"), measure
        if self.limit:
            return f"ci_{self.limit}", measure
        if ends == ["ci"]:
            return "estimate_ci", measure
        return ("y" if self.log or measure == "ZCOR" else "estimate"), measure

    def labelled(self) -> tuple[str, str]:
        """Statistic and the word beside it that may name a group ("mean vertebroplasty"); empty where there is none."""
        for i, word in enumerate(self.words):
            found = statistic_of(self.words[:i] + self.words[i + 1 :])
            if found and not word.isdigit() and (word not in _LOGS):
                return found, word
        return "", ""
