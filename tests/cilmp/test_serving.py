"""A run behind HTTP: by programs, by many at once, by a browser, and by those who mean it ill."""

import json
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvicorn

import cilmp
from cilmp import serving
from cilmp.__main__ import main
from tests.browser import browser, needs_chromium
from toolbox.errors import UserError

HOSTILE = "<img src=x onerror=document.title='hacked'>"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    here = tmp_path_factory.mktemp("serving")
    return cilmp.fit("SSText", data="phantom16", root=here / "data", shots=2, output=here / "run")


@pytest.fixture(scope="module")
def images(run):
    folder = run.folder.parent / "data/phantom16/images"
    return sorted(folder.glob("*/0001.png"))


@pytest.fixture(scope="module")
def address(run):
    """A server in a thread, at a port of its own."""
    config = uvicorn.Config(serving.application(run), host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        pass
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def ask(address: str, content: bytes | None = None, headers: dict | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(address, data=content, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_answers_are_the_runs(address, run, images):
    status, content = ask(f"{address}/predict", images[0].read_bytes())
    found, wanted = json.loads(content), run.predict(images[0])[0]
    assert status == 200 and found["label"] == wanted.label and "Not a medical device" in found["note"]
    assert found["probabilities"] == pytest.approx(dict(wanted.probabilities), abs=1e-6)
    status, picture = ask(f"{address}/explain", images[0].read_bytes())
    assert status == 200 and picture.startswith(b"\x89PNG")
    assert json.loads(ask(f"{address}/about")[1])["classnames"] == run.classnames


def test_two_hundred_at_once(address, run, images):
    wanted = {image: run.predict(image)[0].label for image in images}
    with ThreadPoolExecutor(200) as pool:
        chosen = [images[i % len(images)] for i in range(200)]
        answers = list(pool.map(lambda image: ask(f"{address}/predict", image.read_bytes()), chosen))
    assert {status for status, _ in answers} == {200}
    assert [json.loads(content)["label"] for _, content in answers] == [wanted[image] for image in chosen]


@pytest.mark.parametrize(
    "content, status, says",
    [
        (b"", 400, "send the bytes of an image"),
        (b"no image at all", 400, "cannot be read"),
        (b"\0" * (serving.LARGEST + 1), 413, "an image may have 20 MB"),
    ],
)
def test_what_is_no_image_is_refused_in_a_sentence_without_our_paths(address, content, status, says):
    found = ask(f"{address}/predict", content)
    error = json.loads(found[1])["error"]
    assert found[0] == status and says in error and "/tmp" not in error


def test_another_name_for_this_machine_is_refused(address):
    assert ask(f"{address}/about", headers={"Host": "evil.example"})[0] == 400


def test_the_page_lets_nothing_in(run):
    text, policy = serving.page(run, serving.NOTE)
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "http" not in text.replace("<!doctype html>", "")


def test_a_run_that_is_not_calibrated_is_refused_before_it_listens(run):
    with pytest.raises(UserError, match=r"no conformal\.json in"):
        main(["serve", str(run.folder), "--coverage", "0.8"])


@needs_chromium
def test_in_a_browser(address, images, run, monkeypatch):
    monkeypatch.setitem(run.result, "dataset", HOSTILE)
    with browser() as chromium:
        tab = chromium.new_page()
        wrong = []
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.goto(address)
        assert tab.inner_text("h1") == f"SSText on {HOSTILE}"  # as text
        assert "Research use only" in tab.inner_text("#warning") and "drawn images" in tab.inner_text("#warning")
        tab.set_input_files("#file", str(images[1]))
        tab.wait_for_selector("#heat:visible", timeout=60_000)
        label = run.predict(images[1])[0].label
        assert tab.inner_text("#said").startswith(f"{label}, ")
        assert tab.locator("#found th").first.inner_text() == label
        assert tab.locator("#found tr").count() == len(run.classnames)
        assert tab.title() != "hacked" and not wrong
