"""A run handed on: by a folder, and by the hub, whose HTTP is played by the test."""

import base64
import hashlib
import json
import shutil

import httpx2 as httpx
import huggingface_hub
import pytest
from huggingface_hub.utils._http import default_client_factory

import cilmp
from cilmp.__main__ import main
from tests.faults.world import build
from toolbox.errors import UserError
from train import run as train


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return build(tmp_path_factory.mktemp("sharing"))


@pytest.fixture(scope="module")
def finished(world):
    out = world.root / "private" / "out"
    train(world.argv("CILMP", out))
    return out


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The hub's answers over files in memory: (repository's files, requests it got)."""
    files: dict[str, bytes] = {}
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        path = request.url.path
        if path == "/api/repos/create":
            return httpx.Response(200, json={"url": "https://huggingface.co/me/run"})
        if path == "/api/validate-yaml":
            return httpx.Response(200, json={"errors": [], "warnings": []})
        if path.endswith("/preupload/main"):
            wanted = json.loads(request.content)["files"]
            return httpx.Response(
                200,
                json={"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in wanted]},
            )
        if path.endswith("/commit/main"):
            for line in map(json.loads, request.content.splitlines()):
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return httpx.Response(
                200, json={"commitUrl": "https://huggingface.co/me/run/commit/1", "commitOid": "1" * 40}
            )
        if path.startswith("/api/models/me/run/tree/"):
            tree = [{"type": "file", "path": n, "oid": "0" * 40, "size": len(content)} for n, content in files.items()]
            return httpx.Response(200, json=tree)
        if path.startswith("/api/models/me/run"):
            siblings = [{"rfilename": name} for name in files]
            return httpx.Response(200, json={"id": "me/run", "sha": "1" * 40, "siblings": siblings, "tags": []})
        name = path.partition(f"/resolve/{'1' * 40}/")[2]
        if name in files:
            etag = hashlib.sha1(files[name]).hexdigest()
            headers = {"ETag": f'"{etag}"', "X-Repo-Commit": "1" * 40, "Content-Length": str(len(files[name]))}
            return httpx.Response(200, headers=headers, content=b"" if request.method == "HEAD" else files[name])
        return httpx.Response(404, headers={"X-Error-Code": "RepoNotFound"}, json={"error": "not found"})

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    huggingface_hub.set_client_factory(
        lambda: httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True)
    )
    yield files, asked
    huggingface_hub.set_client_factory(default_client_factory)
    huggingface_hub.close_session()


def same(a: "cilmp.run.Run", b: "cilmp.run.Run", images: list) -> bool:
    return [p.probabilities for p in a.predict(images)] == [p.probabilities for p in b.predict(images)]


def test_a_folder_predicts_what_the_run_did(finished, world, tmp_path, capsys):
    assert main(["share", str(finished), "--to", str(tmp_path / "given")]) == 0
    names = {str(path.relative_to(tmp_path / "given")) for path in (tmp_path / "given").rglob("*") if path.is_file()}
    weights = "VLPromptLearner/model-best.safetensors"
    assert names == {"README.md", "result.json", "rows.safetensors", "seen.json", weights}
    assert same(cilmp.open(finished), cilmp.open(tmp_path / "given"), world.images())
    card = (tmp_path / "given" / "README.md").read_text()
    assert "Not a medical device" in card and "| Accuracy | " in card and " to " in card
    assert all(name in card for name in ("round cell", "long cell", cilmp.open(finished).result["backbone_hash"]))
    with pytest.raises(UserError, match="given is there and holds something"):
        main(["share", str(finished), "--to", str(tmp_path / "given")])


def test_by_way_of_the_hub(finished, world, hub, capsys):
    files, asked = hub
    assert main(["share", str(finished), "--to", "hub:me/run"]) == 0
    assert "https://huggingface.co/me/run (private until you say otherwise there)" in capsys.readouterr().out
    created = next(json.loads(r.content) for r in asked if r.url.path == "/api/repos/create")
    assert created.get("visibility") == "private" or created.get("private") is True
    assert {"README.md", "result.json", "VLPromptLearner/model-best.safetensors"} <= set(files)
    assert same(cilmp.open(finished), cilmp.open("hub:me/run"), world.images())


def test_what_the_hub_does_not_have_is_one_sentence(hub):
    with pytest.raises(UserError, match="no repository me/other on the hub, or it asks for a login"):
        cilmp.open("hub:me/other")
    with pytest.raises(UserError, match="hub:other: give hub:ORG/NAME"):
        cilmp.open("hub:other")


def test_a_run_without_weights_of_its_own_is_refused(finished, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(finished, bare)
    shutil.rmtree(bare / "VLPromptLearner")
    with pytest.raises(UserError, match="holds no weights to hand on"):
        main(["share", str(bare), "--to", str(tmp_path / "given")])
    assert not (tmp_path / "given").exists()
