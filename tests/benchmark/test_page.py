"""The page of a report: what it says, and how it behaves in a browser."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.classes import class_tables
from benchmark.compose import compose
from benchmark.learning import learned
from benchmark.page import write_page
from benchmark.page.examples import chosen, examples
from benchmark.page.pictures import numbers
from benchmark.plots import figures
from benchmark.report import Pictures
from benchmark.results import read_results
from tests.benchmark.runs_on_disk import edit, write_run
from tests.browser import browser, needs_chromium
from toolbox.run_files import Predictions, find_result

HOSTILE = "<img src=x onerror=alert(1)>"
MOST = 2_000_000  # bytes
STEP = "epoch [{}/3] batch [4/4] time 0.1 (0.1) data 0.0 (0.0) loss 9.9 ({:.4f}) acc 9.9 ({:.4f}) lr 2e-3 eta 0:00\n"


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    here = tmp_path_factory.mktemp("page")
    (here / "data").mkdir()
    for number in range(40):
        Image.new("RGB", (60, 40), (6 * number, 90, 120)).save(here / "data" / f"{number:03}.png")
    config = f"DATASET:\n  ROOT: {here / 'data'}\n"
    for method, accuracy in (("ZeroshotCLIP", 0.2), ("CoOp", 0.6), ("CILMP", 0.9)):
        for seed in (1, 2, 3):
            for shots in (1, 16):
                folder = here / f"shots_{shots}" / method / "small" / f"seed{seed}"
                names = [f"class {c}" for c in range(3)] + [HOSTILE]
                run = write_run(folder, method, accuracy, seed=seed, shots=shots, dataset=f"own {HOSTILE}")
                changes = {"classnames": names, "metrics": {**run["metrics"], "per_class": dict.fromkeys(names, 50.0)}}
                changes |= {"dataset": f"own {HOSTILE}", "config": config}
                write_run(folder, method, accuracy, seed=seed, shots=shots, **changes)
                (folder / "log.txt").write_text("".join(STEP.format(n, 2 / n, 20 * n) for n in (1, 2, 3)))
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


def test_confusion_counts_images(page):
    found = dict(figures(compose(results_of(page))))[f"confusion_own {HOSTILE}_all_16"]
    first, *_ = found.axes
    assert first.get_title() == "ZeroshotCLIP"
    written = sum(int(text.get_text()) for text in first.texts)
    assert written == 3 * 40  # of three seeds
    ((_, table), *_more) = numbers(found)
    assert sum(int(cell) for row in table[1:] for cell in row[1:]) == written


def test_every_run_has_its_folder_and_log(page):
    links = re.findall(r'<a href="([^"]+)/log.txt">', page.read_text())
    assert len(links) == 18 and all((page.parent / link / "log.txt").is_file() for link in links)


def results_of(page: Path):
    return read_results([page.parents[1]])


def shown_of(results, **options):
    return examples(results, [find_result(r.folder) for r in results], **options)


def test_mistakes_that_were_surest_and_hits_that_were_least_sure_come_first():
    logits = np.array([[0, 3], [0, 1], [2, 0], [1, 0], [0, 2], [0, 0.5]])
    labels = np.array([0, 0, 0, 0, 1, 1])
    assert chosen(Predictions(np.array([""] * 6), labels, logits)) == ([0, 1], [5, 3, 2, 4])


def test_images_are_small_copies_with_words_beside_them(page):
    found, notes = shown_of(results_of(page))
    assert [len(one.doubtful) for one in found] == [4, 4, 4] and notes == []
    one = found[-1].mistakes[0]
    assert re.fullmatch(r"class \d, taken for (class \d|<img .*>) \(71 %\)", one.said)
    assert one.heat == "" and len(one.pixels) < 5000 and re.fullmatch(r"0\d\d\.png", one.file)
    text = page.read_text()
    assert text.count('width="88"') == sum(len(one.mistakes) + len(one.doubtful) for one in found)
    assert "These are copies of test images" in text


def test_no_images_where_they_may_not_be_copied_or_are_gone(page, tmp_path):
    report = compose(results_of(page))
    assert 'width="88"' not in write_page(report, tmp_path / "none", Pictures(images=False)).read_text()
    for run in (page.parents[1]).rglob("result.json"):
        edit(run.parent, config="")
    try:
        found, (note,) = shown_of(results_of(page))
    finally:
        for run in (page.parents[1]).rglob("result.json"):
            edit(run.parent, config=f"DATASET:\n  ROOT: {page.parents[1] / 'data'}\n")
    assert found == [] and note.endswith("result.json does not say where its data is (and of 2 more)")


def test_heat_maps_stand_beside_the_images(world, tmp_path):
    trained = world.run("CoOp", "page-base", DATASET__SUBSAMPLE_CLASSES="base", OPTIM__MAX_EPOCH=1)
    words = ["--eval-only", "--model-dir", str(trained)]
    tested = world.run("CoOp", "page-new", *words, DATASET__SUBSAMPLE_CLASSES="new")
    found, notes = shown_of(read_results([trained, tested]), heat_maps=True)
    assert notes == [] and [one.title for one in found] == [
        "CoOp on cells, base classes, seed 1",
        "CoOp on cells, new classes, seed 1",
    ]
    shown = [image for one in found for image in [*one.mistakes, *one.doubtful]]
    assert shown and all(image.heat and image.heat != image.pixels for image in shown)


def test_a_page_of_a_sweep_that_goes_on_is_loaded_again(page, tmp_path):
    text = write_page(compose(results_of(page)), tmp_path, unfinished="3 of 18 runs so far.").read_text()
    assert '<meta http-equiv="refresh"' in text and "3 of 18 runs so far." in text
    assert "http-equiv" not in page.read_text()


def test_learning_curves_are_the_last_lines_of_epochs(tmp_path):
    again = STEP.replace("acc 9.9 ({:.4f}) ", "")
    (tmp_path / "log.txt").write_text(
        STEP.format(1, 9, 9) + STEP.format(1, 2, 25) + STEP.format(2, 5, 5) + again.format(2, 1) + "epoch [3/3] ba"
    )
    np.testing.assert_array_equal(learned(tmp_path), [[2, 25], [1, np.nan]])
    assert learned(tmp_path / "none").shape == (0, 2)


def test_each_class_has_a_row_and_its_best_is_marked(page):
    one, sixteen = class_tables(results_of(page))
    assert (one.head, one.columns) == ("Class", ["CILMP", "CoOp", "ZeroshotCLIP"])
    assert "1 shot" in one.title and "16 shots" in sixteen.title
    assert [label for label, _ in one.rows] == [*(f"class {n}" for n in range(3)), HOSTILE]
    assert all(c.value == 50 and c.best for _, cells in one.rows for c in cells)


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

    def test_differences_to_a_chosen_method(self, chromium, page):
        tab = chromium.new_page()
        tab.goto(page.as_uri())
        table, choice = tab.locator("table").first, tab.locator("[data-against]").first
        before = table.inner_text()
        choice.select_option("CoOp")
        cells = {row.split("\t")[0]: row.split("\t")[1] for row in table.locator("tbody").inner_text().splitlines()}
        assert cells == {"ZeroshotCLIP": "-40.00", "CoOp": "60.00 ± 0.00", "CILMP": "+30.00"}
        choice.select_option("nothing")
        assert table.inner_text() == before

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
