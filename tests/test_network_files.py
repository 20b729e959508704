"""Networks and flow diagrams in the tables of other programs; the files are made here, in the forms those programs have."""

from __future__ import annotations

from pathlib import Path

import pytest

import vfmeta as vf

CINEMA = "study;id;t;r;n;rob;indirectness\n" + "".join(
    f"{s};{i};{t};{r};{n};{rob};1\n"
    for s, i, t, r, n, rob in (
        ("S1", 1, "A", 9, 40, 1),
        ("S1", 1, "B", 4, 41, 1),
        ("S2", 2, "A", 8, 52, 2),
        ("S2", 2, "C", 6, 50, 2),
        ("S3", 3, "B", 5, 60, 1),
        ("S3", 3, "C", 7, 61, 1),
    )
)


def test_arms_of_cinema_go_in_and_out(tmp_path: Path) -> None:
    (tmp_path / "net.csv").write_text(CINEMA, encoding="utf-8")
    found = vf.read_network(tmp_path / "net.csv")
    assert list(found.columns) == ["study", "treatment", "events", "n", "id", "rob", "indirectness"]
    written = vf.save_cinema(found, tmp_path / "out.csv").read_text(encoding="utf-8")
    assert written.split() == CINEMA.replace(";", ",").split()


def test_contrasts_of_netmeta_and_cinema_are_the_same() -> None:
    rows = {"studlab": ["a", "b"], "treat1": ["A", "B"], "treat2": ["C", "C"], "TE": [0.1, 0.2], "seTE": [0.3, 0.4]}
    cinema = dict(zip(("id", "t1", "t2", "effect", "se"), rows.values(), strict=True))
    for found in map(vf.read_network, (rows, cinema)):
        assert list(found.columns) == ["study", "treat1", "treat2", "y", "se"]
        net = vf.network(found, reference="C", measure="MD", method="common", test="Wald")
        assert net.estimate == pytest.approx([0.1, 0.2])  # treat1 less treat2, each from one trial


def test_what_is_not_clear_is_refused(tmp_path: Path) -> None:
    arms = {"study": ["a", "b"], "t": ["A", "B"], "r": [1, 2], "n": [9, 9]}
    with pytest.raises(vf.InputError, match="columns t, treatment: each could be the treatment"):
        vf.read_network(arms | {"treatment": ["A", "B"]})
    with pytest.raises(vf.InputError, match="id 1 stands with more than one study"):
        vf.read_network(arms | {"id": [1, 1]})
    with pytest.raises(vf.InputError, match="no column for treatment"):
        vf.read_network({"study": ["a"], "r": [1]})
    with pytest.raises(vf.InputError, match="needs the columns rob, indirectness"):
        vf.save_cinema(vf.read_network(arms), tmp_path / "a.csv")
    with pytest.raises(vf.InputError, match="row 2, column rob: 'high'"):
        vf.save_cinema(vf.read_network(arms | {"rob": [1, "high"], "indirectness": [1, 1]}), tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()


def flow(folder: Path, text: str) -> dict[str, object]:
    (folder / "PRISMA.csv").write_text("data,node,n\n" + text, encoding="utf-8")
    return vf.read_prisma_flow(folder / "PRISMA.csv")


def test_reasons_in_one_cell_are_told_apart(tmp_path: Path) -> None:
    found = flow(tmp_path, 'NA,node4,0\ndatabase_results,,30\ndatabase_specific_results,,"PubMed, 20; Embase, 10"\n'
                 'new_reports,,NA\n'
                 'dbr_excluded,node14,"Review, or comment, 10; Reason2, 3"\nprevious_studies,,0\nnew_studies,,4\n')  # fmt: skip
    reasons = {"Review, or comment": 10, "Reason2": 3}
    assert found == {"databases": {"PubMed": 20, "Embase": 10}, "excluded_reports": reasons, "studies": 4}
    assert "Review, or comment: 10" in vf.plots.prisma_flow_text(found)


def test_counts_that_are_none_are_refused_and_idle_ones_named(tmp_path: Path) -> None:
    with pytest.raises(vf.InputError, match="row dbr_excluded: 'Reason1, xxx' is neither"):
        flow(tmp_path, 'dbr_excluded,,"Reason1, xxx"\n')
    with pytest.warns(vf.VfmetaWarning, match=r"previous_studies \(7\) have no box"):
        flow(tmp_path, "previous_studies,,7\nnew_studies,,4\n")
    with pytest.warns(vf.VfmetaWarning, match="database_specific_results sums to 20, the row above to 30"):
        flow(tmp_path, 'database_results,,30\ndatabase_specific_results,,"PubMed, 20"\n')
