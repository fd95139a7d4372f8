"""The page as a browser shows it: headless Chromium from the system's packages, driven by Playwright."""

import random
import shutil
import time
from functools import partial

import pytest
from by_subprocess import ROOT
from test_page import HOPPER, HOSTILE, UPDATES, WALKER, folder_of, manifest_of, rows_of
from test_q_rows import q_row

from plas_jax.reports.page.document import write_page
from plas_jax.reports.page.loaded import read_folders
from plas_jax.results.rows import Row

pytestmark = pytest.mark.slow

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[test]'")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

SIZES = (375, 1200)
THEMES = ("light", "dark")


@pytest.fixture(scope="module")
def browser():
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no browser on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The page of fourteen methods on nine data sets, and of it beside another."""
    folder = tmp_path_factory.mktemp("tables")
    kept = ROOT / "docs" / "tables_2_and_3"
    write_page(read_folders([kept]), folder / "one.html")
    write_page(read_folders([kept, ROOT / "docs" / "figure_6"]), folder / "two.html")
    return folder


@pytest.fixture
def opened(browser):
    """What opens a page; afterwards it must have said nothing on the console and asked for nothing."""
    contexts, troubles = [], []

    def open_page(path, width=1200, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        shown = context.new_page()
        shown.on("console", lambda message: troubles.append(f"console: {message.text}"))
        shown.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        shown.on("dialog", lambda dialog: troubles.append(f"dialog: {dialog.message}"))
        shown.on("request", lambda asked: troubles.append(asked.url) if asked.url != path.as_uri() else None)
        shown.goto(path.as_uri())
        if options.get("java_script_enabled", True):
            shown.wait_for_selector("html[data-drawn=yes]", state="attached")
        return shown

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("name", ["one", "two"])
def test_it_fits_and_anyone_can_use_it(opened, tables, name, width, theme):
    shown = opened(tables / f"{name}.html", width, color_scheme=theme)
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    for opener in shown.query_selector_all("details:not(footer details) > summary"):
        opener.click()
    violations = axe.Axe().run(shown).response["violations"]
    assert [each["id"] for each in violations if each["impact"] in ("serious", "critical")] == []
    assert shown.evaluate("document.documentElement.scrollWidth") <= width


def test_a_pointer_over_a_curve_tells_its_numbers(opened, tables):
    shown = opened(tables / "one.html")
    drawing = shown.locator("#curves svg[class^=plot]").first
    drawing.scroll_into_view_if_needed()
    box = drawing.bounding_box()
    shown.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    told = shown.locator("#curves svg[class^=plot] g[aria-label=tip] text").first
    told.wait_for()
    assert "update" in told.text_content()
    assert "seeds" in told.text_content()


def test_another_data_set_is_drawn_when_it_is_chosen(opened, tables):
    shown = opened(tables / "one.html")
    before = shown.locator("#curves h3").all_text_contents()
    shown.locator("#curves select").select_option(label="hopper-medium-r1")
    assert (before, shown.locator("#curves h3").all_text_contents()) == (["walker2d-medium-r1"], ["hopper-medium-r1"])
    shown.locator("#curves select").select_option(label="all data sets")
    assert shown.locator("#curves h3").count() == 9


def test_the_keyboard_alone_chooses_methods_and_data(opened, tables):
    shown = opened(tables / "one.html")
    dots = partial(shown.locator("#scores svg[class^=plot]").first.locator("circle").count)
    here, many, reached = "document.activeElement", dots(), set()
    for _ in range(200):
        shown.keyboard.press("Tab")
        if shown.evaluate(f"{here}.matches('#curves select')"):
            shown.keyboard.press("ArrowDown")
            assert shown.locator("#curves h3").all_text_contents() == ["hopper-medium-r1"]
            reached.add("curves")
        if shown.evaluate(f"{here}.matches('#methods summary')"):
            shown.keyboard.press("Enter")  # opens what chooses methods
            for _ in range(5):  # two buttons, then methods
                shown.keyboard.press("Tab")
            shown.keyboard.press("Space")
            reached.add("methods")
            break
    assert reached == {"curves", "methods"}
    assert dots() < many


def test_errors_of_critics_are_drawn_of_one_data_set(opened, tmp_path):
    rows = tuple(
        q_row(update, seed, dataset=name) for name in (HOPPER, WALKER) for update in UPDATES for seed in (0, 1)
    )
    folder = folder_of(rows_of(), manifest_of())._replace(q_rows=rows)
    shown = opened(write_page([folder], tmp_path / "x.html"), 375)
    assert shown.locator("#q_errors h3").count() == 6
    shown.locator("#q_errors select").select_option(label=HOPPER)
    assert HOPPER in shown.locator("#q_errors svg[class^=plot]").first.get_attribute("aria-label")
    assert shown.evaluate("document.documentElement.scrollWidth") <= 375


def test_it_can_be_read_without_a_script(opened, tables):
    shown = opened(tables / "one.html", 375, java_script_enabled=False)
    assert shown.locator("svg.panel").count() > 9 * 2
    assert shown.locator("svg.panel").first.is_visible()
    assert shown.locator("#scores table").is_visible()


def test_hostile_names_run_nothing(opened, tmp_path):
    names = [f"{name} {place}" for place, name in enumerate(HOSTILE)]
    folder = folder_of(rows_of(names, names[:2]), manifest_of(names, names[:2]), name=HOSTILE[0])
    shown = opened(write_page([folder], tmp_path / "x.html"), 375)
    assert shown.evaluate("document.documentElement.scrollWidth") <= 375
    assert shown.locator("img").count() == 0
    assert "</script><script>alert(1)" in shown.locator("#curves select").text_content()


def test_a_thousand_runs_of_five_hundred_evaluations_are_small_and_quick(opened, tmp_path):
    generator = random.Random(0)
    names = [f"data_{place}" for place in range(12)]
    algorithms = [f"method_{place}" for place in range(28)]
    rows = [
        Row(name, algorithm, seed, None, None, None, "", "d4rl", 1000 * update, 0, 1000, score, score, None)
        for name in names
        for algorithm in algorithms
        for seed in range(3)
        for update in range(1, 501)
        for score in [generator.uniform(0, 100)]
    ]
    path = write_page([folder_of(rows, manifest_of(names, algorithms))], tmp_path / "x.html")
    assert path.stat().st_size < 5_000_000
    opened(path)  # a browser's first page is slower
    started = time.perf_counter()
    shown = opened(path)
    shown.locator("#curves select").select_option(label=names[1])
    assert time.perf_counter() - started < 2


def test_a_page_of_one_method_needs_no_choice(opened, tmp_path):
    folder = folder_of(rows_of((HOPPER,), ("bc",)), manifest_of((HOPPER,), ("bc",)))
    shown = opened(write_page([folder], tmp_path / "x.html"))
    assert shown.locator("#methods").count() == 0
