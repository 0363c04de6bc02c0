"""The page of a report: what it says, and how it behaves in a browser."""

import re
from pathlib import Path

import pytest

from benchmark.compose import compose
from benchmark.page import write_page
from benchmark.results import read_results
from tests.benchmark.runs_on_disk import write_run
from tests.browser import browser, needs_chromium

HOSTILE = "<img src=x onerror=alert(1)>"
MOST = 2_000_000  # bytes


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    here = tmp_path_factory.mktemp("page")
    for method, accuracy in (("ZeroshotCLIP", 0.2), ("CoOp", 0.6), ("CILMP", 0.9)):
        for seed in (1, 2, 3):
            for shots in (1, 16):
                folder = here / f"shots_{shots}" / method / "small" / f"seed{seed}"
                names = [f"class {c}" for c in range(3)] + [HOSTILE]
                run = write_run(folder, method, accuracy, seed=seed, shots=shots, dataset=f"own {HOSTILE}")
                changes = {"classnames": names, "metrics": {**run["metrics"], "per_class": dict.fromkeys(names, 50.0)}}
                write_run(folder, method, accuracy, seed=seed, shots=shots, dataset=f"own {HOSTILE}", **changes)
    return write_page(compose(read_results([here])), here / "report")


def test_it_is_one_file_and_names_are_text(page):
    text = page.read_text()
    assert len(text) < MOST
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text) and "@import" not in text
    assert HOSTILE not in text and "&lt;img src=x onerror" in text


def test_the_head_says_what_was_compared_and_what_it_means(page):
    text = page.read_text()
    for fact in ("small_clip (bbbbbbbbbbbb)", "25.0 % (", "1, 2, 3", "CoOp, CILMP", "64"):
        assert fact in text
    assert "of 100 test images, CILMP named 90 rightly and CoOp 60 (guessing: 25)" in text
    assert "nothing of other hospitals" in text and "Images are synthetic" in text


def test_each_figure_has_a_caption_a_text_and_its_numbers(page):
    figures = re.findall(r"<figure>.*?</figure>", page.read_text(), flags=re.DOTALL)
    assert len(figures) >= 5
    for figure in figures:
        assert re.search(r'<img alt="[^"]{40,}"', figure) and "<figcaption><strong>" in figure
        assert "<details><summary>The numbers of" in figure and '<th scope="row">' in figure


def test_every_run_has_its_folder_and_log(page):
    links = re.findall(r'<a href="([^"]+)/log.txt">', page.read_text())
    assert len(links) == 18 and all((page.parent / link / "log.txt").is_file() for link in links)


@needs_chromium
class TestInABrowser:
    @pytest.fixture(scope="class")
    def chromium(self):
        with browser() as found:
            yield found

    def test_a_click_on_a_head_sorts(self, chromium, page):
        tab = chromium.new_page()
        tab.goto(page.as_uri())
        heads = tab.locator("table").first.locator("thead button")
        names = tab.locator("table").first.locator("tbody th")
        heads.nth(1).click()
        assert names.all_inner_texts() == ["CILMP", "CoOp", "ZeroshotCLIP"]
        assert tab.locator("table").first.locator("th[aria-sort=descending]").count() == 1
        heads.nth(1).press("Enter")
        assert names.all_inner_texts() == ["ZeroshotCLIP", "CoOp", "CILMP"]

    def test_tables_are_copied(self, chromium, page):
        tab = chromium.new_context(permissions=["clipboard-read", "clipboard-write"]).new_page()
        tab.goto(page.as_uri())
        tab.locator("[data-copy=csv]").first.click()
        copied = tab.evaluate("navigator.clipboard.readText()").splitlines()
        assert copied[0].startswith('"Method","1"') and len(copied) == 4
        tab.locator("[data-copy=latex]").first.click()
        assert r"90.00 $\pm$ 0.00 \\" in tab.evaluate("navigator.clipboard.readText()")

    def test_hostile_names_do_nothing(self, chromium, page):
        tab, said = chromium.new_page(), []
        tab.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        tab.goto(page.as_uri())
        assert not said and tab.locator("img[src=x]").count() == 0

    @pytest.mark.parametrize(
        "how",
        [{"viewport": {"width": 1200, "height": 900}}, {"viewport": {"width": 390, "height": 800}}],
        ids=["desktop", "phone"],
    )
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_nothing_is_cut_and_everybody_can_read_it(self, chromium, page, how, scheme):
        from axe_playwright_python.sync_playwright import Axe

        tab = chromium.new_context(**how, color_scheme=scheme).new_page()
        tab.goto(page.as_uri())
        width = how["viewport"]["width"]
        assert tab.evaluate("document.documentElement.scrollWidth") <= width  # tables scroll in their own frame
        first = tab.locator("table").first
        first.evaluate("table => table.parentElement.scrollLeft = 10000")
        assert first.locator("tbody th").first.bounding_box()["x"] >= 0  # the method stays in sight
        back = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (back == "rgb(255, 255, 255)") == (scheme == "light")
        found = Axe().run(tab)
        assert found.violations_count == 0, found.generate_report()
