"""The page of results: what it shows is what tables say, and nothing in a folder can make it do anything."""

import base64
import hashlib
import json
import math
import re
from collections import Counter
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise

import pytest
from by_subprocess import ROOT
from hypothesis import given
from hypothesis import strategies as st

from plas_jax.commands import report as command
from plas_jax.reports.curves import thinned
from plas_jax.reports.page.curves import MOST
from plas_jax.reports.page.document import page, write_page
from plas_jax.reports.page.drawing import ticks
from plas_jax.reports.page.html import cut, element
from plas_jax.reports.page.loaded import loaded, read_folders
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest
from plas_jax.results.rows import Row, write_rows

HOPPER, WALKER = "hopper-medium-r1", "walker2d-medium-r1"
UPDATES = (1000, 2000, 3000)
HOSTILE = [
    "</script><script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "<!--<script>",
    "&lt;b&gt;",
    "${alert(1)} `x`",
    "x" * 9_000,
    "\u202egnp.exe",
]


def row(score, *, dataset=HOPPER, algorithm="bc", seed=0, update=3000, episode=0, **changes):
    made = Row(dataset, algorithm, seed, None, None, None, "", "d4rl", update, episode, 500, 10 * score, score, None)
    return made._replace(**changes)


def rows_of(datasets=(HOPPER, WALKER), algorithms=("bc", "plas"), shift=0.0):
    """Scores of 10 for each place of a data set, 20 of an algorithm, one a seed, and the thousands of updates."""
    return [
        row(10 * d + 20 * a + seed + u / 1000 + shift, dataset=dataset, algorithm=algorithm, seed=seed, update=u)
        for d, dataset in enumerate(datasets)
        for a, algorithm in enumerate(algorithms)
        for seed in range(3)
        for u in UPDATES
    ]


def manifest_json(datasets=(HOPPER, WALKER), algorithms=("bc", "plas"), version="r1", **changes):
    known = {name: {"version": version, "fingerprint": "ab" * 32, "score": 33.3} for name in datasets}
    times = {"compile": 1.0, "train": 20.0, "evaluate": 3.0}
    methods = {name: {"complete": True, "grid": {}, "constants": {}, "wall_seconds": times} for name in algorithms}
    whole = {"arguments": {}, "preset": "laptop", "seeds": [0, 1, 2], "evaluations_in_mean": 2, "datasets": known}
    return whole | {"methods": methods} | changes


def manifest_of(*arguments, **changes):
    return Manifest.from_json(manifest_json(*arguments, **changes))


def folder_of(rows, manifest, name="here"):
    return loaded(OutputFolder(ROOT / "nowhere"), manifest, rows, name)


class Parsed(HTMLParser):
    """Elements with their attributes and the texts directly in them, in order, as a browser reads them."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self._open = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])
        if tag not in ("meta", "hr"):
            self._open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        if self._open:
            self._open[-1][2] += data

    def all(self, tag):
        return [(attributes, text) for name, attributes, text in self.elements if name == tag]

    def data(self):
        (text,) = [text for attributes, text in self.all("script") if attributes.get("type") == "application/json"]
        return json.loads(text, parse_constant=pytest.fail)


def table(text, caption):
    """The cells of a table, as texts."""
    (part,) = [part for part in re.findall(r"<table>.*?</table>", text, re.DOTALL) if f"<caption>{caption}" in part]
    lines = re.findall(r"<tr>(.*?)</tr>", part, re.DOTALL)
    return [[re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", line)] for line in lines]


@pytest.fixture(scope="module")
def text():
    return page([folder_of(rows_of(), manifest_of())])


def test_a_page_may_load_and_send_nothing(text):
    parsed = Parsed(text)
    ((guard, _),) = [each for each in parsed.all("meta") if each[0].get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in guard["content"].split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert set(rules) == {"default-src", "base-uri", "form-action", "script-src", "style-src"}
    for tag in ("script", "style"):
        for attributes, content in parsed.all(tag):
            if attributes.get("type") != "application/json":
                digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
                assert f"'sha256-{digest}'" in rules[f"{tag}-src"].split()
    assert not re.search("unsafe|http|data:|[*]", guard["content"])
    # before anything that it must hold for
    assert [name for name, *_ in parsed.elements].index("meta") < [name for name, *_ in parsed.elements].index("style")


def test_a_page_points_nowhere_outside_itself(text):
    parsed = Parsed(text)
    for tag, attributes, _ in parsed.elements:
        assert tag not in ("iframe", "object", "embed", "link", "base", "form", "img"), tag
        for name, value in attributes.items():
            assert not name.startswith("on"), name
            assert name not in ("src", "style", "srcset", "action", "ping"), name
            assert name != "href" or value.startswith("#"), value
    (css,) = [content for _, content in parsed.all("style")]
    assert not re.search(r"url\(|@import|http", css)
    ours = (files("plas_jax.reports.page") / "assets" / "page.js").read_text("utf-8")
    assert set(re.findall(r"https?://[^\"'`]+", ours)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(|fetch\(|XMLHttp|new Function", ours)


def test_every_link_inside_leads_somewhere_and_no_identifier_is_twice(text):
    parsed = Parsed(text)
    identifiers = [attributes["id"] for _, attributes, _ in parsed.elements if "id" in attributes]
    assert len(set(identifiers)) == len(identifiers)
    assert {attributes["href"][1:] for attributes, _ in parsed.all("a")} <= set(identifiers)


def test_every_figure_has_a_picture_and_a_table_without_a_script(text):
    sections = re.findall(r"<section id=\"(\w+)\">(.*?)</section>", text, re.DOTALL)
    drawn = {name: body for name, body in sections if "<figure" in body}
    assert list(drawn) == ["scores", "curves", "aggregates", "profiles", "improvement", "time"]
    for name, body in drawn.items():
        assert "<svg" in body, name
        assert 'role="img"' in body, name
        assert "<table>" in body, name
        assert "<figcaption>" in body, name
    for part in re.findall(r"<table>.*?</table>", text, re.DOTALL):
        assert "<caption>" in part
        assert 'scope="col"' in part


def test_scores_of_the_table_and_the_drawing_by_hand(text):
    # PLAS on the second data set: 10 + 20 + seed + the mean of 2 and 3; t of 2 degrees of freedom is 4.3027
    wanted = [WALKER, "plas", "33.5", "31.0 to 36.0", "3", "33.3", "44.6", "other data (r1)"]
    assert wanted in table(text, "Scores by data set and method")
    data = Parsed(text).data()
    (item,) = [each for each in data["figures"]["scores"] if data["datasets"][each["d"]] == WALKER and each["s"] == 1]
    assert (item["m"], item["i"], item["v"], item["p"]) == (33.5, [31.0, 36.0], [32.5, 33.5, 34.5], 44.6)
    assert data["series"] == ["bc", "plas"]
    assert data["levels"] == [33.3, 33.3]


def test_curves_by_hand(text):
    data = Parsed(text).data()["figures"]["curves"]
    assert data["updates"] == [list(UPDATES)]
    (line,) = [line for line in data["lines"] if line["d"] == 0 and line["s"] == 1]
    assert (line["m"], line["n"], line["x"]) == ([32.0, 33.0, 34.0], 3, [])
    assert (line["p"], line["v"]) == ([0, 1, 2], [[31.0, 32.0, 33.0], [32.0, 33.0, 34.0], [33.0, 34.0, 35.0]])
    assert line["i"][0] == [29.5, 34.5]  # 32 ± 4.3027 / √3
    shown = table(text, f"{WALKER}: mean [95 % interval]")
    assert shown == [
        ["method", "1,000", "2,000", "3,000", "diverged at"],
        ["bc", "12.0 [9.5, 14.5]", "13.0 [10.5, 15.5]", "14.0 [11.5, 16.5]", "—"],
        ["plas", "32.0 [29.5, 34.5]", "33.0 [30.5, 35.5]", "34.0 [31.5, 36.5]", "—"],
    ]


def test_curves_begin_at_update_0_and_every_seed_has_a_dot(text):
    (body,) = re.findall(r'<section id="curves">(.*?)</section>', text, re.DOTALL)
    panel = body.split("<svg")[1]
    assert ">0</text>" in panel
    assert panel.count('class="seed ') == 2 * 3 * 3  # methods, evaluations, seeds


def test_where_time_and_memory_went_by_hand():
    manifest = manifest_json(wall_seconds={"data": 6.0})
    manifest["methods"]["plas"]["peak_memory"] = 2_500_000_000
    shown = page([folder_of(rows_of(), Manifest.from_json(manifest))])
    assert table(shown, "Wall seconds and memory") == [
        ["method", "data", "compile", "train", "evaluate", "all", "peak memory"],
        ["data", "6.0", "—", "—", "—", "6.0", "—"],
        ["bc", "—", "1.0", "20.0", "3.0", "24.0", "—"],
        ["plas", "—", "1.0", "20.0", "3.0", "24.0", "2.5 GB"],
        ["all", "6.0", "2.0", "40.0", "6.0", "54.0", "—"],
    ]
    assert "0.9 minutes" in shown


def test_what_is_compared_over_data_sets_by_hand(text):
    improvements = Parsed(text).data()["figures"]["improvement"]
    assert improvements == [{"a": 0, "b": 1, "p": 0.0}, {"a": 1, "b": 0, "p": 100.0}]
    aggregates = Parsed(text).data()["figures"]["aggregates"]
    assert {each["m"] for each in aggregates if (each["s"], each["t"]) == (1, "IQM")} == {28.5}
    profiles = Parsed(text).data()["figures"]["profiles"]
    (bc,) = [line["m"] for line in profiles["lines"] if line["s"] == 0]
    # bc has 2.5, 3.5, 4.5 and 12.5, 13.5, 14.5
    assert bc[0] == 1.0
    assert bc[-1] == 0.0
    assert min(share for tau, share in zip(profiles["tau"], bc, strict=True) if tau < 12.5) == 0.5


@pytest.mark.parametrize(
    ("version", "preset", "score", "says"),
    [
        ("r1", "paper", 44.6, "other data (r1)"),
        ("v0", "laptop", 44.6, "other size (laptop)"),
        ("v0", "paper", 44.6, "agrees"),
        ("v0", "paper", 60.0, "ours is higher"),
        ("v0", "paper", 20.0, "ours is lower"),
    ],
)
def test_a_verdict_needs_the_papers_data_and_size(version, preset, score, says):
    name = f"walker2d-medium-{version}"
    rows = [row(score + seed - 1, dataset=name, algorithm="plas", seed=seed) for seed in range(3)]
    shown = page([folder_of(rows, manifest_of([name], ["plas"], version, preset=preset))])
    assert table(shown, "Scores by data set and method")[1][-1] == says


def test_one_seed_has_no_verdict():
    rows = [row(44.6, dataset="walker2d-medium-v0", algorithm="plas")]
    shown = page([folder_of(rows, manifest_of(["walker2d-medium-v0"], ["plas"], "v0", preset="paper", seeds=[0]))])
    assert table(shown, "Scores by data set and method")[1][-1] == "no interval"


def test_hostile_names_make_a_harmless_page():
    names = [f"{name} {place}" for place, name in enumerate(HOSTILE)]
    shown = page([folder_of(rows_of(names, names[:2]), manifest_of(names, names[:2]), name=HOSTILE[0])])
    plain = [f"data_{place}" for place in range(len(names))]
    harmless = page([folder_of(rows_of(plain, plain[:2]), manifest_of(plain, plain[:2]))])
    hostile_page, plain_page = Parsed(shown), Parsed(harmless)
    drawn = ("line", "text", "circle", "polygon", "polyline", "rect")  # as many as there are ticks
    counts = [Counter(tag for tag, *_ in each.elements if tag not in drawn) for each in (hostile_page, plain_page)]
    assert counts[0] == counts[1]
    used = [{(tag, *attributes) for tag, attributes, _ in each.elements} for each in (hostile_page, plain_page)]
    assert used[0] == used[1]
    assert sorted(hostile_page.data()["datasets"]) == sorted(map(cut, names))
    assert "</script><script>alert" not in shown
    assert len(shown) < len(harmless) + 400_000


def test_long_names_stay_apart():
    assert len({cut("a" * 500), cut("a" * 501), cut("a" * 500 + "b")}) == 3
    assert max(map(len, map(cut, HOSTILE))) < 70
    assert element("p", "<&\"'>", title='"<') == '<p title="&quot;&lt;">&lt;&amp;&quot;&#x27;&gt;</p>'


def test_runs_that_diverged_and_data_without_scores_have_a_page():
    rows = [
        *rows_of(),
        *(row(math.nan, algorithm="sac", seed=s, update=u, diverged_at=1500) for s in range(3) for u in UPDATES),
        *(row(math.nan, dataset="own", algorithm="bc", seed=seed) for seed in range(3)),
    ]
    data = Parsed(page([folder_of(rows, manifest_of())])).data()
    (sac,) = [each for each in data["figures"]["scores"] if data["series"][each["s"]] == "sac"]
    assert (sac["m"], sac["i"], sac["x"]) == (None, None, 3)
    (line,) = [each for each in data["figures"]["curves"]["lines"] if data["series"][each["s"]] == "sac"]
    assert line["m"] == [None] * 3
    assert line["x"] == [1500] * 3


def test_one_row_and_a_bare_manifest_have_a_page():
    shown = Parsed(page([folder_of([row(1.0)], Manifest.from_json({"arguments": {}}))]))
    assert shown.data()["series"] == ["bc"]


extreme = st.floats() | st.sampled_from([1e308, -1e308, 1e17, 5e-324, -0.0])
any_rows = st.lists(
    st.builds(
        lambda score, dataset, algorithm, seed, update, diverged_at: row(
            score, dataset=dataset, algorithm=algorithm, seed=seed, update=update, diverged_at=diverged_at
        ),
        extreme,
        st.sampled_from([HOPPER, WALKER, "own"]),
        st.sampled_from(["bc", "plas", "cvae_prior"]),
        st.integers(0, 3),  # seed 3 is none of the manifest's
        st.sampled_from([0, 1000, 2**63 - 1]),
        st.none() | st.integers(0, 2**63 - 1),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda each: (each.dataset, each.algorithm, each.seed, each.update),
)


@given(any_rows, st.floats(allow_nan=False, allow_infinity=False))
def test_whatever_rows_and_manifests_say_there_is_a_page(rows, seconds):
    manifest = manifest_of(wall_seconds={"data": seconds})
    data = Parsed(page([folder_of(rows, manifest)])).data()
    assert set(data["datasets"]) >= {HOPPER, WALKER}


def test_what_moved_between_two_folders_by_hand():
    first = folder_of(rows_of(), manifest_of(), "before")
    other = folder_of(rows_of(algorithms=("bc",), shift=2.0), manifest_of(algorithms=("bc",), device="other"), "after")
    shown = page([first, other])
    moved = table(shown, "Differences of scores")
    assert moved[0] == ["data set", "method", "folder", "less before", "seeds", "moved"]
    assert [HOPPER, "bc", "after", "2.0 [2.0, 2.0]", "3", "yes"] in moved
    assert len(moved) == 3
    assert ["device", "—", "other"] in table(shown, "What after says differently")
    assert Parsed(shown).data()["series"] == ["bc · before", "plas · before", "bc · after"]


def test_the_same_folder_twice_did_not_move():
    shown = page([folder_of(rows_of(), manifest_of(), name) for name in ("a", "b")])
    assert {cells[-1] for cells in table(shown, "Differences of scores")[1:]} == {"no"}
    assert len(table(shown, "What b says differently")) == 1


def test_long_curves_are_thinned_and_keep_their_end():
    for count in (1, MOST, MOST + 1, 500, 1999):
        kept, each = thinned(range(count), MOST)
        assert len(kept) <= MOST
        assert kept[-1] == count - 1
        assert {after - before for before, after in pairwise(kept)} <= {each}


@pytest.mark.parametrize("span", [(0.0, 1.0), (-5.3, 101.0), (1e6, 3e6), (0.001, 0.0011), (-20.0, -19.0)])
def test_ticks_are_round_few_and_inside(span):
    made = ticks(span)
    assert 2 <= len(made) <= 6
    assert all(span[0] <= tick <= span[1] + 1e-9 for tick in made)


def test_what_draws_the_page_is_what_was_fetched():
    folder = files("plas_jax.reports.page") / "assets"
    listed = json.loads((folder / "assets.json").read_text("utf-8"))
    checksums = {name: entry["sha256"] for record in listed.values() for name, entry in record["files"].items()}
    for name, checksum in checksums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum, name
    for package, record in listed.items():
        assert any(name.endswith("LICENSE") for name in record["files"]), package
    assert f"v{listed['d3']['version']}" in (folder / "d3.min.js").read_text("utf-8")[:200]
    assert f"v{listed['@observablehq/plot']['version']}" in (folder / "plot.umd.min.js").read_text("utf-8")[:200]
    present = {path.name for path in folder.iterdir()}
    assert present == {*checksums, "assets.json", "page.css", "page.js"}
    assert not any("</script" in (folder / name).read_text("utf-8") for name in present if name.endswith(".js"))


def written(path, rows):
    path.mkdir()
    write_rows(path / "results.csv", rows)
    (path / "manifest.json").write_text(json.dumps(manifest_json()))
    return path


def report(capsys, monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["plas-jax report", *map(str, words)])
    status = command.main()
    return status, *capsys.readouterr()


def test_the_command_writes_one_page_and_says_where(tmp_path, capsys, monkeypatch):
    first = written(tmp_path / "a", rows_of())
    second = written(tmp_path / "b", rows_of(shift=1.0))
    assert report(capsys, monkeypatch, first) == (0, f"{first / 'report.html'}\n", "")
    assert (first / "report.html").read_text("utf-8") == page(read_folders([first]))
    status, out, _ = report(capsys, monkeypatch, first, second, f"--output={tmp_path / 'both.html'}")
    assert (status, out) == (0, f"{tmp_path / 'both.html'}\n")
    assert write_page(read_folders([first]), tmp_path / "c.html").exists()


def test_the_command_refuses_in_one_line(tmp_path, capsys, monkeypatch):
    first = written(tmp_path / "a", rows_of())
    (tmp_path / "empty").mkdir()
    bare = written(tmp_path / "bare", [])
    for words, says in [
        ((), "name a folder"),
        ((tmp_path / "none",), "holds no sweep"),
        ((tmp_path / "empty",), "holds no sweep"),
        ((bare,), "holds no rows yet"),
        ((first, first), "named twice"),
        ((first, f"--output={tmp_path / 'no' / 'x.html'}"), "there is no folder"),
    ]:
        status, out, err = report(capsys, monkeypatch, *words)
        assert (status, out) == (1, ""), words
        assert says in err
        assert err.count("\n") == 1
