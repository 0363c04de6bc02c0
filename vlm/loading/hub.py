"""Files from the Hugging Face hub: out of the local cache where they are there, else fetched, with a bar, and checked."""

import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from toolbox.errors import UserError
from vlm.loading.weights import sha256


def fetch(repo: str, *names: str) -> Path | None:
    """Path of the first of `names` that the repository has, or None if it has none of them.

    Large files lie in the cache under their published SHA-256, which is checked.

    Raises:
        UserError: no such repository, no connection (it says what to place where), or a file that is not the published one.
    """
    here = [try_to_load_from_cache(repo, name) for name in names]
    path = next((Path(found) for found in here if isinstance(found, str)), None)
    if path is None and all(found is not None for found in here):
        return None  # the cache remembers that the repository has none of them
    if path is None:
        check_connection(repo)
        path = _download(repo, names)
    if path is not None:
        _check(path)
    return path


def _download(repo: str, names: Sequence[str]) -> Path | None:
    for name in names:
        try:
            return Path(hf_hub_download(repo, name))
        except LocalEntryNotFoundError as error:
            raise _offline(repo, error) from error
        except EntryNotFoundError:
            continue
        except (RepositoryNotFoundError, HFValidationError) as error:
            raise UserError(
                f"no repository {repo} on huggingface.co, or it asks for a login (`hf auth login`)"
            ) from error
        except OSError as error:
            raise _offline(repo, error) from error
    return None


def check_connection(repo: str) -> None:
    """Raise UserError at once where there is no way to the hub: its own client tries for half a minute a file."""
    if constants.HF_HUB_OFFLINE:
        raise _offline(repo, "HF_HUB_OFFLINE is set")
    try:
        urllib.request.urlopen(urllib.request.Request(constants.ENDPOINT, method="HEAD"), timeout=10).close()
    except urllib.error.HTTPError:
        return  # it answered
    except OSError as error:
        raise _offline(repo, error) from error


def cached(repo: str, *names: str) -> Path | None:
    """As `fetch`, but only what is here already."""
    here = (try_to_load_from_cache(repo, name) for name in names)
    return next((Path(found) for found in here if isinstance(found, str)), None)


def _check(path: Path) -> None:
    published = path.resolve().name
    if re.fullmatch("[0-9a-f]{64}", published) and sha256(path) != published:
        raise UserError(
            f"{path} is not the published file (its SHA-256 differs): delete {path.resolve()} and start again"
        )


def _offline(repo: str, error: Exception | str) -> UserError:
    reason = str(error).partition("\n")[0]
    return UserError(
        f"{repo} is not on this machine and cannot be fetched ({reason}): where there is a connection, run "
        f"`hf download {repo} --local-dir FOLDER`, bring FOLDER here and give its path as the backbone"
    )
