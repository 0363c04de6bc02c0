"""The recipe of the small CLIP: contrast between drawn cells and captions in plain words.

    python -m vlm.small_clip.train [--out FILE] [--images N] [--steps N]

A caption of a few facts is true of many images of a batch, not only of the one it was written for; the drawing's
parameters say of which, and the targets of the contrastive loss are spread evenly over all true pairs. Beside it both
towers are asked for each fact by itself (`objective.FactHeads`), which saves most of the time.
"""

import math
import time
from pathlib import Path

import numpy as np
import torch
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import save_file
from torch import Tensor

from toolbox.command import run_command
from toolbox.files import atomic_write
from toolbox.parser import Parser
from vlm.small_clip import WEIGHTS
from vlm.small_clip.architecture import CONTEXT, EMBED, MEAN, STD, VISION, VOCABULARY, build
from vlm.small_clip.captions import all_words, caption, facts
from vlm.small_clip.objective import FactHeads, contrastive_loss, fact_labels
from vlm.small_clip.pool import draw_pool

SEED = 2025
REST_SEED = 7  # of the token rows that no caption touches


class Captions:
    """Captions drawn for a batch, as rows of the compact embedding table that holds only the tokens captions use."""

    def __init__(self) -> None:
        self.tokenizer = SimpleTokenizer()
        special = [self.tokenizer.sot_token_id, self.tokenizer.eot_token_id]
        self.ids = sorted({i for words in all_words() for i in self.tokenizer.encode(words)} | set(special))
        self.row = {token: row for row, token in enumerate(self.ids)}

    def batch(self, seen: list[dict[str, str]], count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Captions of the first `count` images: tokens (count, longest), truth (batch, count), told (count, aspects).

        Tokens are rows of the table, padded with the largest (the end token); `truth[i, j]` is True where caption j
        holds of image i; `told` are the labels of the facts that a caption mentions.
        """
        drawn = [caption(facts_of_one, rng) for facts_of_one in seen[:count]]
        start, end = self.row[self.tokenizer.sot_token_id], self.row[self.tokenizer.eot_token_id]
        rows = [[start, *(self.row[i] for i in self.tokenizer.encode(words))][: CONTEXT - 1] for words, _ in drawn]
        tokens = torch.full((len(rows), 1 + max(map(len, rows))), end)
        for line, row in zip(tokens, rows, strict=True):
            line[: len(row)] = torch.tensor(row)
        truth = [[told.items() <= one.items() for _, told in drawn] for one in seen]
        return tokens, torch.tensor(truth), fact_labels([told for _, told in drawn])


def text_features(model: torch.nn.Module, tokens: Tensor) -> Tensor:
    """Features (batch, embed) of tokens (batch, length); a causal tower needs no padding up to the whole context."""
    length = tokens.shape[1]
    x = model.token_embedding(tokens) + model.positional_embedding[:length]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
    return x[torch.arange(len(x)), tokens.argmax(dim=1)] @ model.text_projection


def pixels(images: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Normalised pixels (batch, 3, 64, 64), the batch turned and mirrored at random."""
    x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    x = torch.rot90(x, int(rng.integers(4)), (2, 3))
    x = x.flip(3) if rng.random() < 0.5 else x
    return (x - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def grid_positions(grid: int, width: int) -> Tensor:
    """Sines and cosines of row and column, (grid * grid, width): neighbours start alike."""
    waves = (torch.arange(grid).float()[:, None] / 30 ** (torch.arange(width // 4) / (width // 4)))[:, None]
    line = torch.cat([waves.sin(), waves.cos()], dim=2).expand(grid, grid, width // 2)
    return 0.25 * torch.cat([line, line.transpose(0, 1)], dim=2).reshape(grid * grid, width)


def start(tokens: int) -> tuple[torch.nn.Module, FactHeads]:
    """The untrained model, its embedding table `tokens` rows long, and the heads that go with it."""
    model = build(tokens, patch_dropout=0.25)
    with torch.no_grad():
        positions = model.visual.positional_embedding
        positions[1:] = grid_positions(VISION["image_size"] // VISION["patch_size"], VISION["width"])
    return model, FactHeads(EMBED)


def optimiser(modules: list[torch.nn.Module], steps: int, lr: float):
    """AdamW over `modules` (no decay of embeddings, gains and biases) and its schedule: warm-up, then a cosine to 2 %."""
    named = [(name, p) for module in modules for name, p in module.named_parameters()]
    decays = {name for name, p in named if p.ndim > 1 and "embedding" not in name}
    groups = [
        {"params": [p for name, p in named if name in decays], "weight_decay": 0.05},
        {"params": [p for name, p in named if name not in decays], "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98))
    rate = lambda i: min((i + 1) / 150, 0.02 + 0.49 * (1 + math.cos(math.pi * i / steps)))  # noqa: E731
    return adam, torch.optim.lr_scheduler.LambdaLR(adam, rate)


def train(images: np.ndarray, seen: list[dict[str, str]], steps: int, batch: int, lr: float, seed: int):
    """The trained model (its embedding table compact) and the token ids of the table's rows; prints the loss as it goes."""
    torch.manual_seed(seed)
    rng, captions = np.random.default_rng(seed), Captions()
    model, heads = start(len(captions.ids))
    adam, schedule = optimiser([model, heads], steps, lr)
    order, recent, started = rng.permutation(len(images)), [], time.monotonic()
    for step in range(steps):
        if (step + 1) * batch % len(images) < batch:
            order = rng.permutation(len(images))
        chosen = order[np.arange(step * batch, (step + 1) * batch) % len(images)]
        facts_seen = [seen[i] for i in chosen]
        tokens, truth, told = captions.batch(facts_seen, batch // 2, rng)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            image = model.encode_image(pixels(images[chosen], rng))
            text = text_features(model, tokens)
        contrast = contrastive_loss(image, text, model.logit_scale.exp(), truth)
        read = heads(image, fact_labels(facts_seen)) + 0.5 * heads(text, told)
        adam.zero_grad(set_to_none=True)
        (contrast + read).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        recent = [*recent[-49:], (contrast.item(), read.item())]
        if (step + 1) % 50 == 0:
            means = "contrast {:.3f} facts {:.3f}".format(*np.mean(recent, axis=0))
            print(f"step {step + 1}/{steps} {means} time {time.monotonic() - started:.0f} s", flush=True)
    return model.eval(), captions.ids


def save(model: torch.nn.Module, ids: list[int], path: Path) -> None:
    """Write the towers and the touched token rows in half precision; the other rows get the touched ones' spread at load."""
    state = {key: value.detach().half().contiguous() for key, value in model.state_dict().items() if key != "attn_mask"}
    rows = state.pop("token_embedding.weight")
    state |= {"logit_scale": model.logit_scale.detach().clone(), "token_ids": torch.tensor(ids, dtype=torch.int32)}
    state["token_rows"] = rows
    meta = {"rest_seed": str(REST_SEED), "rest_std": f"{rows.float().std().item():.6f}", "vocabulary": str(VOCABULARY)}
    atomic_write(path, lambda part: save_file(state, part, meta))


def main() -> None:
    parser = Parser(prog="python -m vlm.small_clip.train", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="file to write (default: the committed weights)")
    parser.add_argument("--images", type=int, default=16000, help="cells drawn to learn from")
    parser.add_argument("--steps", type=int, default=2000, help="steps")
    parser.add_argument("--batch", type=int, default=64, help="images a step")
    parser.add_argument("--lr", type=float, default=1e-3, help="learning rate")
    parser.add_argument("--seed", type=int, default=SEED, help="of weights and drawings")
    parser.add_argument("--threads", type=int, default=2, help="processes that draw, threads that train")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    started = time.monotonic()
    images, cells = draw_pool(args.images, args.seed, args.threads)
    print(f"drew {len(images)} cells in {time.monotonic() - started:.0f} s", flush=True)
    model, ids = train(images, [facts(c) for c in cells], args.steps, args.batch, args.lr, args.seed)
    save(model, ids, args.out)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB, {time.monotonic() - started:.0f} s in all")


if __name__ == "__main__":
    run_command(main)
