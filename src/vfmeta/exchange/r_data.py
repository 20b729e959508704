"""Data of R: a data frame saved by saveRDS (.rds) or save (.rda, .RData)."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.core.messages import InputError, did_you_mean, warn
from vfmeta.exchange.guarded import MOST_BYTES, MOST_RATIO

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_OPENERS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_SMALL = 10_000_000  # bytes that any file may expand to
#: classes that are data frames with more to them
_FRAMES = ("escalc", "tbl_df", "tbl", "grouped_df", "data.table", "spec_tbl_df", "rowwise_df")


def saved_by_r(path: Path, *, sheet: str | None = None) -> pd.DataFrame:
    """The data frame in a file of R; where several are saved, ``sheet`` names one."""
    import pandas as pd
    import rdata

    alone = path.suffix.lower() == ".rds"
    body = _expanded(path)
    own = {"Date": _dates, "POSIXct": _times, **dict.fromkeys(_FRAMES, rdata.conversion.dataframe_constructor)}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            content = rdata.parser.parse_data(body, extension=".rds" if alone else ".rda")
            found = rdata.conversion.convert(content, {**rdata.conversion.DEFAULT_CLASS_MAP, **own})
        except Exception as error:  # the parser lets whatever goes wrong inside through
            raise InputError(
                f"{path.name}: not a file of R that can be read ({type(error).__name__}: {error}). Save the data frame in R "
                "with write.csv(x, 'x.csv', row.names = FALSE)."
            ) from error
    for name in dict.fromkeys(re.findall(r'R class "([^"]+)"', " ".join(str(x.message) for x in told))):
        if name != "POSIXt":
            warn(f"{path.name}: what is of the class {name} in R is read as the plain values below it; check those columns.")
    if alone:
        if not isinstance(found, pd.DataFrame):
            held = f" with {', '.join(map(str, found))}" if isinstance(found, dict) else ""
            raise InputError(f"{path.name} holds a {_kind(found)}{held}, not a data frame; save the data frame alone.")
        if sheet is not None:
            raise InputError(f"{path.name} holds one data frame and no sheets to choose from; leave sheet= out.")
        return _cells(path.name, found)
    frames = {str(name): x for name, x in found.items() if isinstance(x, pd.DataFrame)}
    others = ", ".join(f"{name} ({_kind(x)})" for name, x in found.items() if str(name) not in frames)
    besides = f" Beside them stand {others}, which are no data frames." if others else ""
    if not frames:
        raise InputError(f"{path.name} holds no data frame{f', only {others}' if others else ''}.")
    has = ", ".join(map(repr, frames))
    if sheet is None and len(frames) > 1:
        raise InputError(f"{path.name} holds the data frames {has}; name one, such as sheet={next(iter(frames))!r}.{besides}")
    if sheet is not None and sheet not in frames:
        raise InputError(f"{path.name} has no data frame {sheet!r}.{did_you_mean(sheet, frames)} It has {has}.{besides}")
    if others and sheet is None:
        warn(f"{path.name}: the data frame {has} is read. {others} stand beside it and are left out, being no data frames.")
    return _cells(path.name, frames[sheet or next(iter(frames))])


def _expanded(path: Path) -> bytes:
    """The content without compression, read no further than a table may reach."""
    with path.open("rb") as file:
        begins = file.read(6)
    opener = next((o for mark, o in _OPENERS.items() if begins.startswith(mark)), None)
    if opener is None:
        return path.read_bytes()
    most = min(MOST_BYTES, max(_SMALL, MOST_RATIO * path.stat().st_size))
    try:
        with opener(path, "rb") as file:
            body = bytes(file.read(most + 1))
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise InputError(f"{path.name}: broken or cut off ({error}); save it anew.") from error
    if len(body) > most:
        raise InputError(f"{path.name} would expand to more than {most / 1e6:.0f} MB, which tables do not; it is not read.")
    return body


def _cells(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    lists = [str(c) for c in frame if any(hasattr(x, "__len__") and not isinstance(x, str) for x in frame[c])]
    if lists:
        raise InputError(f"{name}: the columns {', '.join(lists)} hold lists, and a cell holds one value; unnest them in R.")
    plain = frame.reset_index(drop=True).rename(columns=str).astype(object)
    return plain.where(plain.notna(), None)


def _dates(values: np.ndarray, attributes: Any) -> Any:
    import pandas as pd

    return pd.to_datetime(pd.Series(values, dtype=float), unit="D").to_numpy()


def _times(values: np.ndarray, attributes: Any) -> Any:
    import pandas as pd

    return pd.to_datetime(pd.Series(values, dtype=float), unit="s").to_numpy()


def _kind(found: Any) -> str:
    return {"dict": "list", "DataArray": "matrix", "ndarray": "vector"}.get(type(found).__name__, type(found).__name__)


__all__ = ["saved_by_r"]
