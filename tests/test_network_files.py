"""Networks and flow diagrams in the tables of other programs; the files are made here, in the forms those programs have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
    written = vf.save_network(found, tmp_path / "out.csv", program="CINeMA").read_text(encoding="utf-8")
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
    with pytest.warns(vf.VfmetaWarning, match="no rob and indirectness of the studies"):
        path = vf.save_network(vf.read_network(arms), tmp_path / "bare.csv", program="CINeMA")
    assert path.read_text(encoding="utf-8").split() == ["study,id,t,r,n", "a,1,A,1,9", "b,2,B,2,9"]
    with pytest.raises(vf.InputError, match="CINeMA needs the columns n;"):
        vf.save_network({"study": ["a"], "treatment": ["A"], "events": [1]}, tmp_path / "a.csv", program="CINeMA")
    with pytest.raises(vf.InputError, match="row 2, column rob: 'high'"):
        vf.save_network(
            vf.read_network(arms | {"rob": [1, "high"], "indirectness": [1, 1]}), tmp_path / "a.csv", program="CINeMA"
        )
    assert not (tmp_path / "a.csv").exists()


WRITTEN = {
    "netmeta": ("studlab,treat,event,n", "studlab,treat,mean,sd,n", "studlab,treat,event,time"),
    "BUGSnet": ("study,treatment,events,sampleSize", "study,treatment,mean,sd,sampleSize", "study,treatment,events,time"),
}
ARMS: tuple[dict[str, list[Any]], ...] = (
    {"events": [9, 4], "n": [40, 41]},
    {"mean": [-1.5, 2.0], "sd": [1.0, 1.1], "n": [40, 41]},
    {"events": [9, 4], "time": [120.5, 130.0]},
)


@pytest.mark.parametrize("program", WRITTEN)
@pytest.mark.parametrize("i", [0, 1, 2])
def test_arms_go_to_netmeta_and_bugsnet_under_their_names_and_back(tmp_path: Path, program: Any, i: int) -> None:
    arms = {"study": ["a", "a"], "treatment": ["A", "=B"], **ARMS[i], "year": [2001, 2001]}
    path = vf.save_network(arms, tmp_path / "net.csv", program=program)
    assert path.read_text(encoding="utf-8").splitlines()[0] == f"{WRITTEN[program][i]},year"
    back = vf.read_network(path)
    assert list(back.columns) == list(arms)
    assert back["treatment"].tolist() == ["A", "=B"]
    for name in ARMS[i]:
        assert back[name].astype(float).tolist() == ARMS[i][name]


def test_contrasts_go_to_netmeta_and_cinema_and_not_to_bugsnet(tmp_path: Path) -> None:
    rows = {"study": ["a"], "treat1": ["A"], "treat2": ["B"], "y": [-0.5], "se": [0.2], "rob": [1], "indirectness": [2]}
    path = vf.save_network(rows, tmp_path / "net.csv", program="netmeta")
    assert path.read_text(encoding="utf-8").split() == ["studlab,treat1,treat2,TE,seTE,rob,indirectness", "a,A,B,-0.5,0.2,1,2"]
    path = vf.save_network(rows, tmp_path / "net.csv", program="CINeMA")
    assert path.read_text(encoding="utf-8").split() == ["study,id,t1,t2,effect,se,rob,indirectness", "a,1,A,B,-0.5,0.2,1,2"]
    with pytest.raises(vf.InputError, match="BUGSnet takes a row an arm"):
        vf.save_network(rows, tmp_path / "net.csv", program="BUGSnet")
    arms = {"study": ["a"], "treatment": ["A"], "events": [1], "n": [9], "sampleSize": [9]}
    with pytest.raises(vf.InputError, match="two columns would be called sampleSize"):
        vf.save_network(arms, tmp_path / "net.csv", program="BUGSnet")


def test_names_that_begin_with_a_blank_are_those_without(tmp_path: Path) -> None:
    (tmp_path / "net.csv").write_text(
        "study;id;t;r;n;rob\n HOPE;1;ACE;102;2837;1\n HOPE;1; Placebo;155;2883;1\n", encoding="utf-8"
    )
    assert vf.read_network(tmp_path / "net.csv")[["study", "treatment"]].to_numpy().tolist() == [
        ["HOPE", "ACE"],
        ["HOPE", "Placebo"],
    ]


def test_a_file_is_read_as_the_network_it_is(tmp_path: Path) -> None:
    (tmp_path / "net.csv").write_text(CINEMA, encoding="utf-8")
    arms = {"study": ["S1", "S1", "S2", "S2", "S3", "S3"], "treatment": list("ABACBC"), "events": [9, 4, 8, 6, 5, 7],
            "n": [40, 41, 52, 50, 60, 61]}  # fmt: skip
    found, own = (vf.network(x, measure="OR", reference="A") for x in (vf.read_network(tmp_path / "net.csv"), arms))
    assert found.estimate.tolist() == own.estimate.tolist()


def test_figures_that_are_none_are_named_by_row_and_column(tmp_path: Path) -> None:
    (tmp_path / "net.csv").write_text("studlab;treat1;treat2;TE;seTE\na;A;B;0,5;0,2\nb;A;C;x;0,3\n", encoding="utf-8")
    with pytest.raises(vf.InputError, match=r"row 2 \(b\), column TE: 'x'"):
        vf.read_network(tmp_path / "net.csv")
    (tmp_path / "net.csv").write_text("studlab;treat1;treat2;TE;seTE\na;A;B;0,5;0,2\nb;A;C;NA;0,3\n", encoding="utf-8")
    with pytest.warns(vf.VfmetaWarning, match="decimal commas"):
        found = vf.read_network(tmp_path / "net.csv")
    assert found["se"].tolist() == [0.2, 0.3]
    assert found["y"].isna().tolist() == [False, True]


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


def test_a_box_that_nobody_filled_in_is_left_out_with_its_pattern(tmp_path: Path) -> None:
    found = flow(tmp_path, 'records_screened,,31\nother_excluded,,"Reason1, xxx; Reason2, xxx; Reason3, xxx"\n')
    assert found == {"screened": 31}


def test_names_and_figures_that_are_none_are_refused_by_row_and_column(tmp_path: Path) -> None:
    """Another program would leave such arms out, or read them as text."""
    arms = {"study": ["Öst", "Öst", "Foa", "Foa"], "treatment": ["CBT", "", "CBT", "TAU"], "events": [9, "x", 0, 3],
            "n": [40, 41, None, 22]}  # fmt: skip
    with pytest.raises(vf.InputError) as error:
        vf.save_network(arms, tmp_path / "net.csv", program="netmeta")
    said = str(error.value)
    assert "row 2, column treatment" in said
    assert "row 2 (Öst), column events" in said
    assert "row 3 (Foa), column n" in said
    with pytest.raises(vf.InputError, match="no rows"):
        vf.save_network({"study": [], "treatment": [], "events": [], "n": []}, tmp_path / "net.csv", program="netmeta")
    assert not (tmp_path / "net.csv").exists()


def test_the_warning_of_missing_judgements_names_the_line_of_the_caller(tmp_path: Path) -> None:
    arms = {"study": ["a", "a"], "treatment": ["A", "B"], "events": [9, 4], "n": [40, 41]}
    with pytest.warns(vf.VfmetaWarning, match="rob") as told:
        vf.save_network(arms, tmp_path / "net.csv", program="CINeMA")
    assert [Path(w.filename).name for w in told] == [Path(__file__).name]
