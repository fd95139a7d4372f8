"""The table of one's own that the documents show."""

import re

from by_subprocess import ROOT, call_here


def test_the_documented_table_of_ones_own_is_made_and_resumed(tmp_path):
    words = [ROOT / "docs" / "own_table" / "clip_weight.py", "--preset=smoke", "--output=out"]
    words += ["--datasets=hopper-random-r1", "--seeds=1", "--clip_weights=0,1", "--data_dir=."]
    made = call_here(*words, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    table = (tmp_path / "out" / "clip_weight.md").read_text("utf-8")
    assert table.startswith("| data set | clip_weight=0.0 | clip_weight=1.0 |\n")
    assert re.search(r"^\| hopper-random-r1( \| \d+\.\d){2} \|$", table, re.MULTILINE)
    assert made.stdout.endswith("out/report.html\n")
    assert "plas λ=1.0" in made.stdout
    resumed = call_here(*words, "--resume", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert made.stdout.splitlines()[-5:] == resumed.stdout.splitlines()[-5:]
