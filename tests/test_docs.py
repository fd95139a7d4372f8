"""What the documents say can be done: every link leads somewhere, every command and flag that they name exists."""

import functools
import importlib
import re
import runpy
import shlex

import pytest
from by_subprocess import ROOT

from plas_jax.commands.plas_jax import COMMANDS

FOLDERS = ("plas_jax", "benchmarks", "experiments", "docs", "tests", ".ci", ".github")
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").rglob("*.md")]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CALL = re.compile(
    r"\b(?P<folder>benchmarks|experiments|docs/own_table)/(?P<script>\w+)\.py|\bplas-jax (?P<word>[a-z][\w-]*)"
    r"|\bpython -m plas_jax\.(?P<module>datasets)\b"
)


MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def every_document(function):
    return pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())(function)


def anchors(path):
    """The names that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def lines(text):
    """Lines of code blocks with what continues them, and the code inside sentences, on one line each."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for block in blocks:
        yield from re.sub(r"\\\n", " ", block).splitlines()
        text = text.replace(block, "")
    yield from (span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", text.replace("```", "")))


def name_of(call):
    """The name of the module of a command."""
    return call.removesuffix(".py").split("/")[-1].split(" ")[-1].split(".")[-1].replace("-", "_")


@functools.cache
def command_of(call):
    """The names of the module of a command, `FLAGS` among them. Raises `ModuleNotFoundError` where there is none."""
    if call.startswith(("experiments", "docs")):
        return runpy.run_path(str(ROOT / call))
    return vars(importlib.import_module(f"plas_jax.commands.{name_of(call)}"))


def words_of(text):
    """The words behind a call as a shell has them; of what is optional all of it, of alternatives the first."""
    text = re.sub(r"\$\([^)]*\)|[\[\]]|(?<=\w)\|\w+|\s#.*|\s[&|].*", " ", text)
    return [word for word in (word.strip(",") for word in shlex.split(text)) if word and "…" not in word]


def is_ready(words):
    """Whether a request could be made of these words: it names no file of a user's own."""
    return not any(re.search(r"@|minari:|[A-Z]{4}|=my_|^--log=", word) for word in words)


@every_document
def test_every_link_leads_somewhere(path):
    for link in LINK.findall(path.read_text("utf-8")):
        if "://" not in link:
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            assert target.is_file(), link
            assert not anchor or anchor in anchors(target), link


@every_document
def test_every_command_takes_its_words(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    for line in lines(path.read_text("utf-8")):
        calls = list(CALL.finditer(line))
        for call in calls:
            assert call["word"] is None or call["word"].replace("-", "_") in COMMANDS, line
            assert call["script"] is None or (ROOT / call.group()).is_file(), line
        if calls:
            command, words = command_of(calls[-1].group()), words_of(line[calls[-1].end() :])
            command["FLAGS"].unparse_flags()
            command["FLAGS"](["", *(word for word in words if word not in ("--help", "--traceback"))])
            if "requested" in command and is_ready(words):
                command["requested"]()  # data sets, methods, knobs and settings by name: all but training


@every_document
def test_every_file_and_target_of_make_exists(path):
    for line in lines(path.read_text("utf-8")):
        for name in re.findall(rf"(?<![\w/~.:-])((?:{'|'.join(map(re.escape, FOLDERS))})/[\w./*-]+)", line):
            assert list(ROOT.glob(name.rstrip("/."))), line
        for target in re.findall(r"^(?:\$ )?make ([a-z-]+)(?:\s|$)", line):
            assert target in TARGETS, line


def test_every_target_of_make_is_run_whatever_files_there_are():
    (phony,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert set(phony.split()) == TARGETS


def test_the_three_tiers_of_tests_are_documented():
    tiers = re.findall(r"^\| `make (test[a-z-]*)` \|", (ROOT / "BUILD.md").read_text("utf-8"), re.MULTILINE)
    assert tiers == ["test-fast", "test", "test-all"]


def test_every_document_is_a_page_of_the_site():
    pages = re.findall(r"^ +- .+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    documents = [path.name for path in ROOT.glob("*.md") if path.name != "README.md"]
    documents += [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert sorted(pages) == sorted([*documents, "index.md", "first_steps.md"])


def test_the_readme_is_short():
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.split()) <= 700
    assert len(re.findall(r"(?<![\w.])\d[\d,.]*", text)) <= 40  # numbers, those in code among them
