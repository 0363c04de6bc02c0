"""PMC-CLIP (Lin et al., MICCAI 2023) from the three files in which it is published: a ResNet-50 and a PubMedBERT.

`image_encoder(resnet50).pth` is CLIP's ModifiedResNet with 8 heads in its attention pool, `text_encoder.pth` a BERT whose
own pooler is applied at [CLS], `text_projection_layer.pth` a matrix (768, 768). Texts have up to 77 word pieces. What is not
in the files (heads, pooler, the temperature exp(4.4292)) is as in its authors' demonstration. That lets words attend to the
padding; here padding is masked, as in BiomedCoOp's trainers for it.
"""

from pathlib import Path

import open_clip
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from toolbox.errors import UserError
from vlm.backbone import CLIP_MEAN, CLIP_STD, Backbone
from vlm.loading.hub_text import BERT_BASE, word_pieces
from vlm.loading.weights import fill, read_weights
from vlm.towers.bert import BertText
from vlm.towers.whole import WholeImage

IMAGE, TEXT, PROJECTION = "image_encoder(resnet50).pth", "text_encoder.pth", "text_projection_layer.pth"
ADDRESS = "https://huggingface.co/datasets/axiong/pmc_oa"
LOGIT_SCALE = 4.4292
CONTEXT_LENGTH = 77
HEADS = 8


def from_folder(name: str, folder: Path) -> Backbone:
    """The model whose three files lie in `folder`; PubMedBERT's tokeniser beside them, else from the Hugging Face hub.

    Raises:
        UserError: a file is missing (it says where they come from), or holds other weights.
    """
    missing = [file for file in (IMAGE, TEXT, PROJECTION) if not (folder / file).is_file()]
    if missing:
        raise UserError(f"backbone {name}: no {', '.join(missing)} in {folder}; fetch them from {ADDRESS}")
    image, text = read_weights(folder / IMAGE), read_weights(folder / TEXT)
    (projection,) = read_weights(folder / PROJECTION).values()
    return Backbone(
        name,
        _image(name, image, embed_dim=projection.shape[1]),
        _text(name, folder, text, projection),
        torch.tensor(LOGIT_SCALE),
        _image_size(image),
        CLIP_MEAN,
        CLIP_STD,
    )


def _image_size(state: dict[str, Tensor]) -> int:
    return 32 * round((len(state["attnpool.positional_embedding"]) - 1) ** 0.5)


def _image(name: str, state: dict[str, Tensor], embed_dim: int) -> WholeImage:
    try:
        layers = [len({k.split(".")[1] for k in state if k.startswith(f"layer{i}.")}) for i in (1, 2, 3, 4)]
        width = len(state["layer1.0.conv1.weight"])
        size = _image_size(state)
    except KeyError as error:
        raise UserError(f"backbone {name}: {IMAGE} is no ResNet of CLIP's kind: it has no {error}") from error
    with torch.device("meta"):
        visual = open_clip.model.ModifiedResNet(layers, embed_dim, heads=HEADS, image_size=size, width=width)
    return WholeImage(fill(visual, state, f"backbone {name}, {IMAGE}"))


def _text(name: str, folder: Path, state: dict[str, Tensor], matrix: Tensor) -> BertText:
    config = BertConfig.from_pretrained(folder) if (folder / "config.json").is_file() else BertConfig()
    with torch.device("meta"):
        bert = BertModel(config)
        projection = nn.Linear(*matrix.shape, bias=False)
    bert.embeddings.position_ids = bert.embeddings.token_type_ids = None
    bert = fill(bert, state, f"backbone {name}, {TEXT}")
    projection = fill(projection, {"weight": matrix.T.contiguous()}, f"backbone {name}, {PROJECTION}")

    def fetch(*names: str) -> Path | None:
        return next((folder / file for file in names if (folder / file).is_file()), None)

    vocabulary = word_pieces(name, {"hf_tokenizer_name": BERT_BASE[1]}, CONTEXT_LENGTH, fetch)
    return BertText(bert, projection, matrix.shape[1], vocabulary)
