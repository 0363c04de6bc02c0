"""Class names and captions as token ids, and the check that a prompt fits the text tower."""

from collections.abc import Sequence

from toolbox.errors import UserError


class Vocabulary:
    """What a text tower's tokeniser must offer.

    Attributes:
        start: the token before all others, or None where the tower has none.
        end: the token behind the last word piece.
        fill: the token with which prompts are filled up to the last position, where the tower sees those; otherwise None.
        context_length: positions of a prompt. That of the start counts, whether there is such a token or not.
    """

    start: int | None
    end: int
    fill: int | None = None
    context_length: int

    def encode(self, text: str) -> list[int]:
        """Word pieces of `text` alone, without start and end tokens."""
        raise NotImplementedError

    def encode_after(self, text: str) -> list[int]:
        """Word pieces of `text` behind a context; others where a space before a word is a part of it (Gemma, RoBERTa)."""
        return self.encode(text)

    def closing(self, used: int) -> list[int]:
        """What stands behind `used` positions of start, prompt and word pieces: the end, and padding that is seen."""
        padding = [] if self.fill is None else [self.fill] * (self.context_length - used - 1)
        return [self.end, *padding]

    def positions(self, first: int, count: int) -> Sequence[int]:
        """Of the last `count` tokens of a prompt, which begin at position `first`."""
        return range(first, first + count)


class ClipVocabulary(Vocabulary):
    """CLIP's byte-pair vocabulary, over an open_clip `SimpleTokenizer`."""

    def __init__(self, tokenizer, context_length: int, fill: int | None = None) -> None:
        self.tokenizer, self.context_length, self.fill = tokenizer, context_length, fill
        self.start, self.end = tokenizer.sot_token_id, tokenizer.eot_token_id

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(self.tokenizer.clean_fn(text))

    def decode(self, *tokens: int) -> str:
        return self.tokenizer.decode(tokens).strip()


class CocaVocabulary(Vocabulary):
    """Another vocabulary, for a tower read at a class token behind the text, which always has the tower's last position.

    The class token is to see the text alone. In published models its mask is off by one: it sees the first token of the padding
    too and not itself.

    Args:
        words: the vocabulary.
        positions: of the tower.
        cls: the class token's number, one beyond the vocabulary's.
        pad: what stands between the text and it.
        correct_mask: the mask is as meant.
    """

    def __init__(self, words: Vocabulary, positions: int, cls: int, pad: int = 0, correct_mask: bool = False) -> None:
        self.words, self.cls, self.last = words, cls, positions - 1
        self.start, self.end, self.context_length = words.start, words.end, positions - 2
        self.behind = [cls] if correct_mask else [pad, cls]

    def encode(self, text: str) -> list[int]:
        return self.words.encode(text)

    def encode_after(self, text: str) -> list[int]:
        return self.words.encode_after(text)

    def closing(self, used: int) -> list[int]:
        return [self.end, *self.behind]

    def positions(self, first: int, count: int) -> Sequence[int]:
        return [*range(first, first + count - 1), self.last]

    def decode(self, *tokens: int) -> str:
        return " ".join("[CLS]" if token == self.cls else self.words.decode(token) for token in tokens)


class NameTokens:
    """Word pieces of "{class}." for each class, cut where the class name itself ends.

    Args:
        classnames: names as the data set gives them; underscores stand for spaces.
        before: how many positions a method puts before the name, start token not counted; one number, or one a class.

    Raises:
        UserError: a prompt would be longer than the text tower's context; the class is named.
    """

    def __init__(self, vocabulary: Vocabulary, classnames: Sequence[str], before: int | Sequence[int] = 0) -> None:
        self.classnames = [name.replace("_", " ") for name in classnames]
        self.vocabulary = vocabulary
        before = [before] * len(classnames) if isinstance(before, int) else list(before)
        self.name, self.rest = [], []
        for name, extra in zip(self.classnames, before, strict=True):
            encode = vocabulary.encode_after if extra else vocabulary.encode
            pieces = encode(f"{name}.")
            # A name that ends in punctuation shares a piece with the full stop: ")." is one. Cutting by the length of the
            # name alone gives that piece to the name, as CoOp does.
            cut = len(encode(name))
            self.name.append(pieces[:cut])
            self.rest.append([*pieces[cut:], *vocabulary.closing(1 + extra + len(pieces))])
            self._check(name, extra, len(pieces))

    def _check(self, name: str, before: int, pieces: int) -> None:
        need, room = 2 + before + pieces, self.vocabulary.context_length
        if need > room:
            raise UserError(
                f"class {name!r}: its prompt needs {need} positions (start, {before} prompt tokens, {pieces} word pieces "
                f"of the name, end) but the text tower has {room}; use fewer prompt tokens or rows, or a shorter name"
            )

    def __len__(self) -> int:
        return len(self.classnames)

    @property
    def whole(self) -> list[list[int]]:
        """Word pieces of "{class}." and what stands behind them, one list a class."""
        return [name + rest for name, rest in zip(self.name, self.rest, strict=True)]


def init_words(vocabulary: Vocabulary, words: str, n_ctx: int) -> list[int]:
    """The first `n_ctx` word pieces of `words`, which start a learned context.

    Raises:
        UserError: `words` has fewer than `n_ctx` pieces.
    """
    pieces = vocabulary.encode(words.replace("_", " "))
    if len(pieces) < n_ctx:
        raise UserError(
            f"CTX_INIT {words!r} has {len(pieces)} word pieces but N_CTX is {n_ctx}; give more words or a smaller N_CTX"
        )
    return pieces[:n_ctx]
