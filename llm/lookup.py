"""Where the rows of a data set are: those that come with the project, or those that `llm.extract` made here."""

from collections.abc import Sequence
from pathlib import Path

from llm.store import class_key, embedded_rows, read_store
from toolbox.errors import UserError

MADE = Path("output/llm")
"""Where `llm.extract` writes unless told otherwise, `<model>/<data set>.safetensors`."""


def find_rows(dataset: str, classnames: Sequence[str]) -> Path:
    """The file of rows of a data set: the embedded one, or the only one below `MADE` that has all its classes.

    Raises:
        UserError: there is none, and the message has the command that makes it; or there are several.
    """
    try:
        return embedded_rows(dataset)
    except UserError:
        names = {class_key(name) for name in classnames}
        made = sorted(MADE.glob(f"*/{dataset.lower()}.safetensors")) + sorted(
            MADE.glob(f"{dataset.lower()}.safetensors")
        )
        found = [path for path in made if names <= set(read_store(path).rows)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UserError(
                f"data set '{dataset}' has rows in {', '.join(map(str, found))}: choose with TRAINER.CILMP.ROWS_FILE FILE"
            ) from None
        lacking = f"; {made[0]} is of other classes" if made else ""
        raise UserError(
            f"no rows for data set '{dataset}'{lacking}: make them: python -m cilmp llm extract --classes "
            f'"{"; ".join(map(class_key, classnames))}" --name {dataset} --answer none (with descriptions of the classes they '
            "say more: python -m cilmp llm describe)"
        ) from None
