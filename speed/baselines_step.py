"""How much less time the baselines' text sides take than on a plain tower of 77 tokens: python speed/baselines_step.py

Forward and backward pass of the text features of one training step (zero-shot and BiomedCoOp's sentences, which are computed
once: forward alone), at the size of ViT-B/16's text tower, with random weights, Kvasir's eight class names and its
sentences. Methods on kept features (CLIPAdapter, TipAdapterF, LPPlusPlus, LPText, CLAP, SSText) compute zero-shot CLIP's
text. Both sides run in turn in the same process; times are the processor's, the best of the repeats, so that other work
on the machine counts little.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import trainers  # noqa: F401  registers the methods
from datasets.facts import find
from llm.sentences import class_sentences
from tests.oracles import baselines
from toolbox.parser import Parser
from trainers.biomedcoop import BiomedCoOpModel
from trainers.clip_lora import CLIPLoRAModel
from trainers.cocoop import CoCoOpModel
from trainers.coop import CoOpModel
from trainers.ivlp import IVLPModel
from trainers.kgcoop import KgCoOpModel
from trainers.maple import MaPLeModel
from trainers.prograd import ProGradModel
from trainers.promptsrc import PromptSRCModel
from trainers.tcp import TCPModel
from trainers.vip import ViPModel
from trainers.xcoop import XCoOpModel
from vlm.backbone import Backbone, from_open_clip_model, openai_model
from vlm.loading.random_clip import random_state
from vlm.prompts.prompted import PromptedCLIP

WORDS, TEMPLATE = "a photo of a", "a photo of a {}."
PHRASES = 6  # of each class, in ViP


def backbone(layers: int) -> Backbone:
    """ViT-B/16's text tower beside a small image tower that is as deep, which the text side does not run."""
    sizes = {
        "embed_dim": 512,
        "image_resolution": 32,
        "vision_layers": layers,
        "vision_width": 64,
        "vision_patch_size": 16,
        "context_length": 77,
        "vocab_size": 49408,
        "transformer_width": 512,
        "transformer_layers": layers,
    }
    return from_open_clip_model("random ViT-B/16 text tower", openai_model(random_state(sizes, seed=1)))


def models(clip: Backbone, names: list[str], sentences: list[list[str]]) -> dict[str, PromptedCLIP]:
    """Each method as published; `sentences` of each class."""
    depth = min(9, clip.text.depth)
    ctx = {n: 0.02 * torch.randn(n, clip.text.width) for n in (4, 16)}
    deep = {"n_ctx_text": 4, "n_ctx_vision": 4, "depth_text": depth, "depth_vision": depth}
    return {
        "CoOp (16 tokens)": CoOpModel(clip, names, ctx[16]),
        "KgCoOp": KgCoOpModel(clip, names, ctx[4], [TEMPLATE]),
        "CoCoOp": CoCoOpModel(clip, names, ctx[4]),
        "MaPLe": MaPLeModel(clip, names, WORDS, 2, depth),
        "IVLP": IVLPModel(clip, names, WORDS, **deep),
        "PromptSRC": PromptSRCModel(clip, names, [TEMPLATE], ctx_init=WORDS, **deep),
        "BiomedCoOp": BiomedCoOpModel(clip, names, ctx[4], lambda: sentences),
        "ProGrad": ProGradModel(clip, names, ctx[4], [TEMPLATE]),
        "TCP": TCPModel(clip, names, ctx[4], TEMPLATE, layer=min(8, clip.text.depth - 1)),
        f"ViP ({PHRASES} phrases a class)": ViPModel(clip, ctx[4], [own[:PHRASES] for own in sentences]),
        "XCoOp (4 contexts a class)": XCoOpModel(clip, names, [own[0] for own in sentences], WORDS),
        "CLIPLoRA": CLIPLoRAModel(clip, names, TEMPLATE, position="all", parts="qkv", rank=2, scale=0.5**0.5),
    }


def step(model: PromptedCLIP, features: Callable[[], Tensor]) -> float:
    """Processor seconds of a forward and backward pass of text features."""
    began = time.process_time()
    features().square().sum(-1).mul(0.5).sum().backward()
    taken = time.process_time() - began
    model.zero_grad(set_to_none=True)
    return taken


def seconds(function: Callable[[], Tensor]) -> float:
    began = time.process_time()
    with torch.no_grad():
        function()
    return time.process_time() - began


def main() -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="steps, of which the quickest counts")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--layers", type=int, default=12, help="layers of the text tower (12 in ViT-B/16)")
    parser.add_argument("--images", type=int, default=4, help="images a batch for CoCoOp, whose text depends on them")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    clip, names = backbone(args.layers), list(find("kvasir").classnames)
    sentences = class_sentences("kvasir", names, [TEMPLATE]).texts
    phrases = [text for own in sentences for text in own[:PHRASES]]
    images = F.normalize(torch.randn(args.images, clip.embed_dim), dim=-1)
    print(
        f"{len(names)} classes, {args.layers} layers of 512, {args.threads} threads, float32, torch {torch.__version__}"
    )
    print(f"{'method':<27} {'77 tokens, ms':>14} {'here, ms':>10} {'ratio':>7}")
    for name, model in models(clip, names, sentences).items():
        plain, ours = [], []
        said = phrases if isinstance(model, ViPModel) else names
        for _ in range(args.repeats + 1):  # the first warms up
            plain.append(step(model, lambda m=model, said=said: baselines.text_features(m, said, images)))
            ours.append(step(model, lambda m=model: m.text_features(images)))
        _row(name, plain[1:], ours[1:])
    once = {
        "ZeroshotCLIP": [TEMPLATE.format(name) for name in names],
        "BiomedCoOp's sentences": [text for own in sentences for text in own],
    }
    for name, texts in once.items():
        plain = [seconds(lambda t=texts: baselines.plain_features(clip.text, t)) for _ in range(args.repeats + 1)]
        ours = [seconds(lambda t=texts: clip.text.encode(t)) for _ in range(args.repeats + 1)]
        _row(name, plain[1:], ours[1:])


def _row(name: str, plain: list[float], ours: list[float]) -> None:
    slow, fast = 1000 * min(plain), 1000 * min(ours)  # what disturbs only ever adds time
    print(f"{name:<27} {slow:>14.0f} {fast:>10.1f} {slow / fast:>6.1f}x", flush=True)


if __name__ == "__main__":
    main()
