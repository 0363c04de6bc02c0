"""Tokenisers of Hugging Face's format beside towers of CLIP's blocks: SigLIP's SentencePiece, CLIPA's word pieces, XLM-V's."""

from collections.abc import Callable
from pathlib import Path

from open_clip.tokenizer import get_clean_fn
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from toolbox.errors import UserError
from vlm.loading import hub
from vlm.towers.tokens import Vocabulary

FILES = ("tokenizer.json", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model", "vocab.txt", "vocab.json")
"""Any of these holds the vocabulary; the first that is there is read."""
BESIDE = ("tokenizer_config.json", "special_tokens_map.json", "merges.txt")
PROBE = "lung"


class HubWords(Vocabulary):
    """The vocabulary of a Hugging Face tokeniser; start and end tokens are those that it puts around a text itself.

    Args:
        context_length: positions of the tower.
        clean: what texts go through first.
        strip_end: the end token is replaced by padding, as CLIPA was trained.

    Raises:
        UserError: it puts more than one token before a text, or none or more than one behind.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        context_length: int,
        clean: Callable[[str], str] = str,
        strip_end: bool = False,
    ) -> None:
        self.tokenizer, self.clean = tokenizer, clean
        own, whole = self.encode(PROBE), tokenizer.encode(clean(PROBE))
        ahead = next((i for i in range(len(whole)) if whole[i : i + len(own)] == own), -1)
        before, behind = whole[: max(ahead, 0)], whole[ahead + len(own) :]
        if ahead not in (0, 1) or len(behind) != 1:
            raise UserError(
                f"the tokeniser puts {len(before)} tokens before a text and {len(behind)} behind it; at most one before and "
                "one behind are supported"
            )
        self.start = before[0] if before else None
        self.fill = tokenizer.pad_token_id or 0
        self.end = 0 if strip_end else behind[0]
        self.context_length = context_length + (self.start is None)

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(self.clean(text), add_special_tokens=False, verbose=False)

    def encode_after(self, text: str) -> list[int]:
        return self.tokenizer.encode(f" {self.clean(text)}", add_special_tokens=False, verbose=False)

    def decode(self, *tokens: int) -> str:
        return self.tokenizer.decode(list(tokens)).strip()


def hub_words(
    name: str, source: str, context_length: int, options: dict, fetch: Callable[..., Path | None] | None
) -> HubWords:
    """The tokeniser that lies beside the weights, else the one at `source`.

    Args:
        source: a folder or a repository, or "".
        options: open_clip's `tokenizer_kwargs`.
        fetch: gives the first of some file names that the model's source has, or None.

    Raises:
        UserError: there is none, it cannot be read, or it is of another kind.
    """
    folder = _folder(source, fetch)
    if folder is None:
        elsewhere = f", nor at {source!r}" if source else ""
        raise UserError(f"backbone {name}: no tokeniser ({' or '.join(FILES)}) beside its weights{elsewhere}")
    tokenizer = _read(name, folder)
    clean = get_clean_fn(options.get("clean", "whitespace"))
    try:
        return HubWords(tokenizer, context_length, clean, bool(options.get("strip_sep_token")))
    except UserError as error:
        raise UserError(f"backbone {name}: {error}") from error


def _read(name: str, folder: Path) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(folder)
    except Exception as error:  # of whatever kind the library makes it
        if (folder / FILES[0]).is_file():
            # The compiled tokeniser needs no other package; the class that its configuration names may (sentencepiece).
            return PreTrainedTokenizerFast.from_pretrained(folder)
        reason = " ".join(str(error).split())
        raise UserError(f"backbone {name}: the tokeniser in {folder} cannot be read ({reason})") from error


def _folder(source: str, fetch: Callable[..., Path | None] | None) -> Path | None:
    def at_source(*names: str) -> Path | None:
        if Path(source).is_dir():
            return next((Path(source) / file for file in names if (Path(source) / file).is_file()), None)
        return hub.fetch(source, *names) if source else None

    for place in (fetch, at_source):
        path = place(*FILES) if place is not None else None
        if path is not None:
            for file in BESIDE:
                place(file)
            return path.parent
    return None
