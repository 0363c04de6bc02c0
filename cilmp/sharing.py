"""Handing a run on: the files it needs to predict, and a model card, into a folder or onto the Hugging Face hub."""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from cilmp.card import card
from llm.used import FILE as ROWS
from toolbox.errors import UserError
from toolbox.files import atomic_text, check_writable
from toolbox.run_files import PREDICTIONS, RESULT, read_result

HUB = "hub:"
CARD = "README.md"
BESIDE = (ROWS, "conformal.json", "seen.json")
"""What else of a run is handed on, where it is there; seen.json holds hashes of images alone."""


def share(run: Path, to: str, predictions: bool = False) -> str:
    """Copy what `cilmp.open` needs of a finished run, with a model card; returns where it is.

    Args:
        to: a folder that is not there yet or empty, or hub:ORG/NAME.
        predictions: predictions.npz too, which has the names of the test images.

    Raises:
        UserError: no finished run, a folder that holds something, or the hub refuses.
    """
    result = read_result(run)
    files = _files(run, result, predictions)
    if not to.startswith(HUB):
        return str(_copy(run, result, files, Path(to)))
    repo = _repo(to)
    with tempfile.TemporaryDirectory(prefix="share-") as folder:
        _copy(run, result, files, Path(folder))
        return _upload(repo, Path(folder))


def fetched(source: str | Path) -> Path:
    """The folder of a run; hub:ORG/NAME is downloaded into the hub's cache.

    Raises:
        UserError: the hub does not have it, or cannot be reached.
    """
    if not str(source).startswith(HUB):
        return Path(source)
    from huggingface_hub import snapshot_download

    repo = _repo(str(source))
    return Path(_asked(repo, lambda: snapshot_download(repo)))


def _files(run: Path, result: dict[str, Any], predictions: bool) -> dict[str, Path]:
    from trainers.life.checkpoint import file_in

    names = [RESULT, *BESIDE, *([PREDICTIONS] if predictions else [])]
    files = {name: run / name for name in names if (run / name).is_file()}
    kept = next((path.parent for path in run.glob("*/model-*.safetensors")), None)
    if kept is not None:  # under the name that is looked for first
        files[f"{kept.name}/model-best.safetensors"] = file_in(kept)
    elif result["trainable_params"]:
        raise UserError(f"{run} holds no weights to hand on; a run that tests another's has none: share that one")
    return files


def _copy(run: Path, result: dict[str, Any], files: dict[str, Path], to: Path) -> Path:
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UserError(f"{to} is there and holds something: give --to a new folder")
    check_writable(to, "give --to another folder")
    for name, source in files.items():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, to / name)
    atomic_text(to / CARD, card(run, result, list(files)))
    return to


def _repo(address: str) -> str:
    repo = address.removeprefix(HUB)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise UserError(f"{address}: give {HUB}ORG/NAME")
    return repo


def _upload(repo: str, folder: Path) -> str:
    from huggingface_hub import HfApi

    api = HfApi()

    def send() -> str:
        api.create_repo(repo, exist_ok=True, private=True)
        api.upload_folder(repo_id=repo, folder_path=folder, commit_message="A run of cilmp")
        return f"{api.endpoint}/{repo} (private until you say otherwise there)"

    return _asked(repo, send)


def _asked(repo: str, ask: Any) -> Any:
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return ask()
    except RepositoryNotFoundError as error:
        raise UserError(f"no repository {repo} on the hub, or it asks for a login: `hf auth login`") from error
    except HfHubHTTPError as error:
        raise UserError(f"the hub refuses {repo}: {' '.join(str(error).split())[:200]} (`hf auth login`?)") from error
    except (LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"{repo}: the hub cannot be reached ({type(error).__name__}); a folder works without it"
        ) from error
