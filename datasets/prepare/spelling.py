"""Class names as a download spells them."""

from collections.abc import Sequence

from toolbox.errors import UserError

from ..split import plain_name


def classnames(written: Sequence[str]) -> list[str]:
    """Names as text encoders read them, with a blank for `_`.

    Raises UserError where two spellings are one name ("Normal_tissue" and "normal tissue"): two classes of equal prompts,
    or one class that is written in two ways, and only the user knows which.
    """
    spelled: dict[str, str] = {}
    for name in dict.fromkeys(written):
        other = spelled.setdefault(plain_name(name), name)
        if other != name:
            raise UserError(f"classes {other!r} and {name!r} are one name to a text encoder; give both one spelling")
    return [name.replace("_", " ").strip() for name in written]
