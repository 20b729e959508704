"""Examples of the NICE DSU Technical Support Documents 2 and 4, and what was published of their posteriors; no test of its own.

Data: Dias, Welton, Sutton & Ades 2011 (TSD 2) and Hasselblad 1998 (smoking). Figures: the vignettes of multinma 0.8 (Phillippo;
priors N(0, 100^2) of effects and baselines, half-normal(5) of tau; diabetes N(0, 10^2)) and, where it says so, the stored
summaries of gemtc's own tests (van Valkenhoef; 80,000 draws).
"""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

import vfmeta as vf


def wide(arms: list[tuple[Any, ...]], names: str) -> pd.DataFrame:
    return pd.DataFrame(arms, columns=names.split())


_BLOCKER = """3 39 3 38, 14 116 7 114, 11 93 5 69, 127 1520 102 1533, 27 365 28 355, 6 52 4 59, 152 939 98 945, 48 471 60 632,
37 282 25 278, 188 1921 138 1916, 52 583 64 873, 47 266 45 263, 16 293 9 291, 45 883 57 858, 31 147 25 154, 38 213 33 207,
12 122 28 251, 6 154 8 151, 3 134 6 174, 40 218 32 209, 43 364 27 391, 39 674 22 680"""
BLOCKER = wide(
    [
        (str(i + 1), arm, int(row[2 * j]), int(row[2 * j + 1]))
        for i, row in enumerate(x.split() for x in _BLOCKER.split(","))
        for j, arm in enumerate(("control", "beta blocker"))
    ],
    "study treatment events n",
)
# A no contact, B self-help, C individual, D group counselling
_SMOKING = """A9/140 C23/140 D10/138, B11/78 C12/85 D29/170, A75/731 C363/714, A2/106 C9/205, A58/549 C237/1561, A0/33 C9/48,
B20/49 C16/43, A3/100 C31/98, A1/31 C26/95, A6/39 C17/77, A79/702 B77/694, A18/671 B21/535, A64/642 C107/761, C12/76 D20/74,
C9/55 D3/26, B7/66 D32/127, A5/62 C8/90, A20/234 C34/237, A0/20 D9/20, A8/116 B19/149, A95/1107 C143/1031, A15/187 C36/504,
A78/584 C73/675, A69/1177 C54/888"""
SMOKING = wide(
    [
        (str(i + 1), arm[0], *map(int, arm[1:].split("/")))
        for i, trial in enumerate(_SMOKING.split(","))
        for arm in trial.split()
    ],
    "study treatment events n",
)
# the two arms of reduced fat of the second trial are taken together, as gemtc's summary of 20 points has them
_FAT = """113 1917 111 1925, 1 43.6 8 79.3, 24 393.5 20 373.9, 248 4715 269 4823, 31 715 28 751, 65 885 48 895, 3 87.8 1 91,
28 1011 39 939, 177 1544 174 1588, 2 125 1 123"""
FAT = wide(
    [
        (str(i + 1), arm, int(row[2 * j]), float(row[2 * j + 1]))
        for i, row in enumerate(x.split() for x in _FAT.split(","))
        for j, arm in enumerate(("control", "reduced fat"))
    ],
    "study treatment events time",
)
# 1 diuretic, 2 placebo, 3 beta blocker, 4 calcium channel blocker, 5 ACE inhibitor, 6 angiotensin receptor blocker
_DIABETES = """5.8 1:43/1081 2:34/2213 3:37/1102, 4.7 1:29/416 2:20/424, 3 1:140/1631 2:118/1578, 3.8 1:75/3272 3:86/3297,
4 1:302/6766 4:154/3954 5:119/4096, 3 1:176/2511 4:136/2508, 4.1 1:200/2826 5:138/2800, 1 1:8/196 6:1/196,
3.3 2:154/4870 4:177/4841, 3 2:489/2646 5:449/2623, 4.5 2:155/2883 5:102/2837, 4.8 2:399/3472 5:335/3432, 3.1 2:202/2721
6:163/2715, 3.7 2:115/2175 6:93/2167, 3.8 3:70/405 4:32/202 5:45/410, 4 3:97/1960 4:95/1965 5:93/1970, 5.5 3:799/7040
4:567/7072, 4.5 3:251/5059 4:216/5095, 4 3:665/8078 4:569/8098, 6.1 3:380/5230 5:337/5183, 4.8 3:320/3979 6:242/4020,
4.2 4:845/5074 6:690/5087"""
_DRUGS = dict(zip("123456", ("Diuretic", "Placebo", "Beta Blocker", "CCB", "ACE Inhibitor", "ARB"), strict=True))
DIABETES = wide(
    [
        (str(i + 1), _DRUGS[arm[0]], *map(int, arm[2:].split("/")), float(trial.split()[0]))
        for i, trial in enumerate(_DIABETES.split(","))
        for arm in trial.split()[1:]
    ],
    "study treatment events n time",
)
_PARKINSON = """1:-1.22/0.504 3:-1.53/0.439, 1:-0.7/0.282 2:-2.4/0.258, 1:-0.3/0.505 2:-2.6/0.510 4:-1.2/0.478,
3:-0.24/0.265 4:-0.59/0.354, 3:-0.73/0.335 4:-0.18/0.442, 4:-2.2/0.197 5:-2.5/0.190, 4:-1.8/0.200 5:-2.1/0.250"""
PARKINSON = wide(
    [
        (str(i + 1), arm[0], float(arm[2:].split("/")[0]), float(arm[2:].split("/")[1]) * 10, 100)
        for i, trial in enumerate(_PARKINSON.split(","))
        for arm in trial.split()
    ],
    "study treatment mean sd n",
)
# Lu & Ades 2006, J Am Stat Assoc 101:447-459, Table 1, as gemtc's example has it
_THROMBOLYTIC = """SK1472/20163 AtPA652/10344 SKtPA723/10328, SK1455/13780 tPA1418/13746 ASPAC1448/13773, SK9/130 tPA6/123,
SK5/63 tPA2/59, SK3/65 tPA3/64, SK887/10396 tPA929/10372, SK7/85 tPA4/86, SK12/147 tPA7/143, SK10/135 tPA5/135,
SK4/107 SKtPA6/109, SK285/2992 Ret270/2994, SK10/203 UK7/198, SK3/58 ASPAC2/52, SK3/86 ASPAC6/89, SK3/58 ASPAC2/58,
SK13/182 ASPAC11/188, AtPA522/8488 Ten523/8461, AtPA356/4921 Ret757/10138, AtPA13/155 Ret7/169, AtPA2/26 UK7/54,
AtPA12/268 UK16/350, AtPA5/210 ASPAC17/211, AtPA3/138 ASPAC13/147, tPA8/132 UK4/66, tPA10/164 UK6/166, tPA6/124 UK5/121,
tPA13/164 ASPAC10/161, tPA7/93 ASPAC5/90"""
THROMBOLYTIC = wide(
    [
        (str(i + 1), re.sub(r"[0-9].*", "", arm), *map(int, re.sub(r"^[A-Za-z]+", "", arm).split("/")))
        for i, trial in enumerate(_THROMBOLYTIC.split(","))
        for arm in trial.split()
    ],
    "study treatment events n",
)
VAGUE: dict[str, Any] = {"beta": vf.priors.Normal(0, 100), "baseline_prior": vf.priors.Normal(0, 100)}
HALF5 = vf.priors.HalfNormal(5.0)
