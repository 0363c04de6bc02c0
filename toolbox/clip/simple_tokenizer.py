"""CLIP's byte-pair tokeniser: open_clip's, with OpenAI's spelling of the two special tokens."""

import open_clip

_SPELLINGS = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}


class SimpleTokenizer(open_clip.SimpleTokenizer):
    """`encode(text)` gives token ids without start and end, `decode(ids)` the text; `encoder` maps tokens to ids."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        for theirs, openai in _SPELLINGS.items():
            token = self.encoder[theirs]
            self.encoder[openai] = token
            self.decoder[token] = openai
