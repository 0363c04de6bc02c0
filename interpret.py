"""What a run has learned, in words: `python interpret.py --run output/.../seed1 [--images FOLDER]`.

For each context vector at the text input the nearest word pieces of CLIP's vocabulary (Euclidean, as CoOp reports them),
and, for CILMP, how far the intervention moves each class's language-model rows: |h' - h| / |h|, mean over images.
"""

import argparse
from pathlib import Path

import torch
from tabulate import tabulate
from torch import Tensor

import toolbox  # noqa: F401  finds or supplies dassl and clip
from toolbox.command import run_command
from toolbox.errors import UserError


def nearest_words(ctx: Tensor, text, top: int) -> list[list[tuple[str, float]]]:
    """For each vector of ctx (n_ctx, width) the `top` nearest word pieces with their distances."""
    distance = torch.cdist(ctx.float(), text.token_embedding.float())
    values, tokens = distance.topk(top, largest=False)
    return [
        [(text.vocabulary.decode(int(t)), float(d)) for t, d in zip(ids, row, strict=True)]
        for ids, row in zip(tokens, values, strict=True)
    ]


@torch.no_grad()
def moved_rows(text, image_features: Tensor) -> Tensor:
    """|h' - h| / |h| of CILMP's rows, mean over images and rows: (layers, n_cls, 2) for prefix and suffix."""
    ends = []
    for rows, intervention in ((text.rows.prefix, text.prefix), (text.rows.suffix, text.suffix)):
        moved = intervention.moved(rows, image_features).norm(dim=-1) / rows.norm(dim=-1)
        ends.append(moved.mean(dim=(1, 3)))
    return torch.stack(ends, dim=-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True, help="output folder of a finished training run")
    parser.add_argument("--images", type=Path, help="images that condition the intervention (needed for CILMP's rows)")
    parser.add_argument("--top", type=int, default=3, help="words a context vector")
    args = parser.parse_args()
    import trainers  # noqa: F401  registers the methods
    from trainers.life.saved import open_run

    run = open_run(args.run)
    model = run.model
    text = getattr(model, "text", None)
    ctx = getattr(text, "ctx", getattr(model, "ctx", None))
    if ctx is None:
        raise UserError(f"{run.result['method']} has no learned context to put into words")
    if ctx.dim() == 3:  # deep prompts: only the input's stand among word embeddings; or CSC: the first class's
        ctx = ctx[0]
    words = nearest_words(ctx.detach(), model.clip.text, args.top)
    table = [[i + 1, ", ".join(f"{word} ({distance:.2f})" for word, distance in row)] for i, row in enumerate(words)]
    print(tabulate(table, headers=["ctx", "nearest word pieces (distance)"]))
    if hasattr(text, "prefix") and args.images:
        print(
            tabulate(
                _rows_table(run, args.images), headers=["class", "prefix", "suffix", "largest layer"], floatfmt=".4f"
            )
        )


def _rows_table(run, folder: Path) -> list[list]:
    from datasets.images import read_image

    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg", ".tif", ".tiff"))[:64]
    if not files:
        raise UserError(f"no images below {folder}")
    images = torch.stack([run.transform(read_image(p)) for p in files]).to(run.trainer.device)
    moved = moved_rows(run.model.text, run.model.image_features(images))
    print(f"\nhow far rows are moved, |h' - h| / |h|, mean over {len(files)} images and all layers")
    mean, layer = moved.mean(0), moved.mean(-1).argmax(0)
    return [[name, *mean[c].tolist(), int(layer[c]) + 1] for c, name in enumerate(run.classnames)]


if __name__ == "__main__":
    run_command(main)
