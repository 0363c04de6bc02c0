"""CONCH at a tiny size, under its published names, with the forward passes of the parts that its program is made of."""

from collections.abc import Sequence
from pathlib import Path

import torch
from open_clip.transformer import TextTransformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn

from tests.vlm.loading.families import WORDS, Family, spread
from vlm.loading import conch

SPECIAL = ["<pad>", "<start_of_text>", "<end_of_text>", "<unk>"]


def write_words(folder: Path) -> Tokenizer:
    """A tokeniser of whole words with CONCH's special tokens, under its file name."""
    vocab = {word: i for i, word in enumerate([*SPECIAL, *WORDS.replace("##", "").split()[5:]])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    around = [(token, vocab[token]) for token in SPECIAL]
    single = "<start_of_text> $A <end_of_text>"
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=around)
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(folder / conch.WORDS))
    return tokenizer


class Reference(nn.Module):
    """Both towers; the text's class token stands behind 39 places."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.visual = conch.ConchImage(width=128, layers=3, grid=4, patch=8, embed_dim=32)
        sizes = {"context_length": 39, "vocab_size": vocabulary, "width": 64, "heads": 1, "layers": 3}
        self.text = TextTransformer(**sizes, output_dim=32, embed_cls=True)
        self.logit_scale = nn.Parameter(torch.tensor(3.0))

    def images(self, x: Tensor) -> Tensor:
        visual = self.visual
        read = visual.attn_pool_contrast(visual.trunk.forward_features(x))[:, 0]
        return visual.ln_contrast(read) @ visual.proj_contrast


def conch_folder(folder: Path) -> Family:
    """Two files, the captioner's parts beside what is read."""
    tokenizer = write_words(folder)
    model = spread(Reference(tokenizer.get_vocab_size()))
    captioner = {"visual.attn_pool_caption.query": torch.ones(2, 3), "visual.ln_caption.weight": torch.ones(3)}
    captioner |= {"text_decoder.ln_final.weight": torch.ones(3)}
    torch.save({**model.state_dict(), **captioner}, folder / conch.WEIGHTS)

    def texts(texts: Sequence[str]) -> Tensor:
        ids = [tokenizer.encode(text).ids for text in texts]
        return model.text(torch.tensor([own + [0] * (39 - len(own)) for own in ids]))

    return Family(str(folder), 32, model.images, texts)
