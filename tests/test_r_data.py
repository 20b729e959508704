"""Data frames saved by R, whose files stand here as R 4 wrote them from made-up data (the calls stand above each)."""

from __future__ import annotations

import base64
import gzip
import math
from pathlib import Path

import pandas as pd
import pytest

import vfmeta as vf
from vfmeta.exchange import r_data
from vfmeta.exchange.opening import opened

# d <- data.frame(study = c("Adams 2001", "Brown 2004"), ai = c(4L, 6L), n1i = c(40L, 52L), ci = c(9, 11), n2i = c(41, 50),
#   arm = factor(c("None", "NA")), read = as.Date(c("2024-03-01", NA)),
#   at = as.POSIXct(c("2024-03-01 12:00:00", NA), tz = "UTC"), code = c("007", NA), ok = c(TRUE, NA)); saveRDS(d, "d.rds")
FRAME = (
    "H4sIAAAAAAAAA3VSzUrDQBAed5OWBBTBFxAP4sWSFkGPjRahl6rYQq9LsgUxP5Ksvxf7LD6JjyB48i18gtbZ3U5sAl3Y7Mw3mW++md2pDwAcHMaAu2iCOxlf"
    "Hp8htoeODu7iZuCAp/0wFmm53wuCLiHnRf6caeQEvW3zL2AMoLXmH+HW8R3t9w/ArP4h0LL4YG7xIcGc8vXeQlp72sqtRD7JpGwoZKNwZTmjPJONHDdKREkp"
    "FdFMRCov0FpgSSvl++ZTC3j/1d/2h6Vhy0amMxBKrueFPy8PX5vzSGT7+up2OI0UCTCuampVb6aBWkU+GV/YgjVCHgSneHhLXKtrM1R2oHXaTKSSRuATWKrH"
    "+JVGKO6INuuSyaJ/sFeZokhpFIUUcUVAnTlRHktC8/sNY/RjoURnVqCwhlgPH1eHBJvHoDvCJvUAFn934UVBvAIAAA=="
)
# other <- data.frame(x = 1:2); note <- list(a = 1, b = "x", d = d); m <- matrix(1:4, 2, dimnames = list(NULL, c("a", "b")))
# save(d, other, note, m, file = "d.rda")
SEVERAL = (
    "H4sIAAAAAAAAA81VS07DMBB14rTQSEVIXACxQGxA5SPBjhYqpG7KX+oOmcSIiiaBxHw3cBZOwhGQWHEJxAlaxrEnTVxAiFUtuR6PZ8Zvxm/Sg2Zn1e24hBBK"
    "HNsmtAQiKR0f7SxuENDAxiIOqcjVB6MZEKT1NExbH7gNnwXJ7EqttoyarTi6DaVmDXbV1BaiwSzn9gsw5fmU3NfnSDrq8wSH0jeflL6Faor+ClwRZLnHb3gv"
    "MRDa7YaWnHYUcsOn5PVYgi5ZoDPmiSgGqQ9XKihv+y8SwOOn/J14VmHowPB0mkzwvF/j/e7y9Wc/BDmxt3vY6ngCAaRbYWIVD2kChRvp8dG2urAQkNZq67BU"
    "BjD0s6WhVEGLYUMWcCyBi8pEXPv3WELWxbDhMoq2N1SuZCKLAyxFzJmfBcDMHC/yOWqjix/K6PpMsKWzGIAZYCtAriUEnJJBZgRJ9lURiplF4pzHmrnAFvKR"
    "MUcZTHlRcAlvfdINRcKvjFPnlCVc66o6QlXXWj4urWtWbn4W1yGUkpmZdffXlMuDP2TohJHkmy0TpBqWlYNhXj2uPWybDfFt144Ubbwa1TEv+XdvZrQZ03b8"
    "jZsZdoq8Yyic5v5NRqhsBRCuqmlm6ZpQtS8YUr8b5FioZ8FkEkzwIzGjbcxXyMNSp/0vEOwothEHAAA="
)
# saveRDS(list(a = 1), "l.rds")
LIST = "H4sIAAAAAAAAA4vgYmBgYGZgYWJiYGYFMhlYQ0PcdC0YGJiEgRxGIOYD0fYfGKCAhQkszsLACVKcl5ibWgxkCCAJMiYCiX8A3+mL+FkAAAA="
# d$l <- list(1:2, 3); saveRDS(d, "nested.rds")
NESTED = (
    "H4sIAAAAAAAAA3VSzUrDQBCeJmlrW1qEvoB4EC+WtAh6M9Ui9FIVW+hN1mQLxfzUZP296LP4JD6C4MmXkD5B6mw2E5tAFyYz821m5puZndYBQAdD00Avownl"
    "yfj84BixNjoNlG0UDQyooa73HeZFOz3T7BJyGgZPvkQO0Wsm/wLeAVTW/H0Ued+SvrULybH2gI7CB+8KHxKsU7yUEqZVWlWuuPyRu1GBoTbqp5YxCnxeiCnb"
    "LosoJEs0Y7YIQrRiLKmofF99SgJvS/mtfqg02qoQaQyY4Otx/Z/nxdfmOCJZvby4Hk5tQQQSVxS5itekgVxFfTI+UwVzCXXTPEJVW+GRS6GRqYFCO/V/s1Gq"
    "sJYdeAts/mbui4jfF26NWxbxFGuqBSQ6ThemW+maTpZ5vfZPydoiKN+czzxOi2gQGIkH54UWyebUnN8lU7P/wV5mstAjyiFnTpaA5mvYgcMJDe5Sq+QWONXw"
    "JXeIV/Ly5PhwovGG9dcdJlhnFmKIbPkPLcqBMUsDAAA="
)


def saved(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(base64.b64decode(text))
    return path


def test_cells_are_what_they_were_in_r(tmp_path: Path) -> None:
    found = opened(saved(tmp_path, "d.rds", FRAME))
    assert found["study"].tolist() == ["Adams 2001", "Brown 2004"]
    assert found["arm"].tolist() == ["None", "NA"]
    assert found["code"].tolist() == ["007", None]
    assert found["ok"].tolist() == [True, None]
    assert found["read"][0] == pd.Timestamp(2024, 3, 1)
    assert found["at"][0] == pd.Timestamp(2024, 3, 1, 12)
    assert found[["read", "at"]].isna().to_numpy().tolist() == [[False, False], [True, True]]


@pytest.mark.filterwarnings("error")
def test_a_data_frame_of_r_is_pooled_like_a_sheet(tmp_path: Path) -> None:
    table = vf.read(saved(tmp_path, "d.rds", FRAME), measure="RR")
    assert table.y == pytest.approx([math.log(4 / 40 / (9 / 41)), math.log(6 / 52 / (11 / 50))])


def test_of_several_objects_one_data_frame_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, "d.RData", SEVERAL)
    with pytest.raises(vf.InputError, match=r"the data frames 'd', 'other'; .* Beside them stand note \(list\), m \(matrix\)"):
        opened(path)
    with pytest.raises(vf.InputError, match=r"has no data frame 'others'\. Did you mean 'other'"):
        opened(path, sheet="others")
    assert opened(path, sheet="other")["x"].tolist() == [1, 2]


def test_lists_are_named_and_not_left_out(tmp_path: Path) -> None:
    with pytest.raises(vf.InputError, match="holds a list with a, not a data frame"):
        opened(saved(tmp_path, "l.rds", LIST))
    with pytest.raises(vf.InputError, match="the columns l hold lists"):
        opened(saved(tmp_path, "n.rds", NESTED))


def test_broken_and_swollen_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = base64.b64decode(FRAME)
    (tmp_path / "cut.rds").write_bytes(whole[:-40])
    with pytest.raises(vf.InputError, match="broken or cut off"):
        opened(tmp_path / "cut.rds")
    (tmp_path / "short.rds").write_bytes(gzip.decompress(whole)[:200])
    with pytest.raises(vf.InputError, match="not a file of R that can be read"):
        opened(tmp_path / "short.rds")
    monkeypatch.setattr(r_data, "_SMALL", 100)
    monkeypatch.setattr(r_data, "MOST_RATIO", 1)
    with pytest.raises(vf.InputError, match="would expand to more than"):
        opened(saved(tmp_path, "d.rds", FRAME))
