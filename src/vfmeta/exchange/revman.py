"""Reviews of RevMan, of either program."""

from __future__ import annotations

from pathlib import Path

from vfmeta.exchange.review import Review
from vfmeta.exchange.sheets import there


def read_revman(source: str | Path) -> Review:
    """A review from RevMan: an .rm5 file of RevMan 5, or the data package (.zip) of RevMan Web.

    Parameters
    ----------
    source : str or path
        The file. Entities, references to other files and archives that would expand beyond measure are refused before anything
        is expanded.

    Returns
    -------
    Review
        A mapping of analyses to effect tables. ``fit(number)`` pools one as the file asks, ``differences()`` lists the stored
        results that do not come out of the rows again, ``risk_of_bias()`` holds the judgements, and ``to_revman_web(folder)``
        writes what RevMan Web imports.

    Raises
    ------
    InputError
        No review, a broken file or one that could do harm; faults name line and element, or row and column.

    Examples
    --------
    >>> import pathlib, tempfile, vfmeta as vf
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "small.rm5"
    >>> written = file.write_text('''<COCHRANE_REVIEW><ANALYSES_AND_DATA><COMPARISON NO="1"><NAME>A versus B</NAME>
    ... <DICH_OUTCOME NO="1" EFFECT_MEASURE="RR" METHOD="MH" RANDOM="NO" ESTIMABLE="YES" EFFECT_SIZE="0.51"><NAME>Falls</NAME>
    ... <DICH_DATA STUDY_ID="STD-Adams-2001" EVENTS_1="10" TOTAL_1="50" EVENTS_2="20" TOTAL_2="50" ESTIMABLE="YES"/>
    ... </DICH_OUTCOME></COMPARISON></ANALYSES_AND_DATA></COCHRANE_REVIEW>''')
    >>> review = vf.read_revman(file)
    >>> list(review)
    ['1.1 Falls']
    >>> review.differences()[["quantity", "stored", "recomputed"]].values.tolist()
    [['estimate', '0.51', 0.5]]
    """
    path = there(source)
    if path.suffix.lower() == ".zip":
        from vfmeta.exchange.revman_web import read_package

        return read_package(path)
    from vfmeta.exchange.revman5 import read_revman5

    return read_revman5(path)


__all__ = ["read_revman"]
