"""Hidden states: what every layer of a language model holds at the end, or over the tokens, of an answer.

"After layer l" means the raw output of layer l. For the last layer this is not what transformers calls
`hidden_states[-1]`, which for decoders has gone through the final norm; rows of all layers are thus of one kind.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from toolbox.errors import UserError


@dataclass(frozen=True)
class Passage:
    """Tokens of one question and answer: `ids`, where the answer stands in them, and BERT's segment numbers if any."""

    ids: list[int]
    answer: range
    segments: list[int] | None = None


def layer_stack(model: nn.Module) -> nn.ModuleList:
    """The transformer layers of a model, in order: its list of modules as long as its configuration says it is deep."""
    depth = model.config.get_text_config().num_hidden_layers
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth and "vis" not in name:
            return module
    raise UserError(f"{type(model).__name__}: found no stack of {depth} layers in it; this kind of model is not read")


def parse_layers(text: str, depth: int) -> list[int]:
    """Layer numbers (from 1) that `all`, `1-8,16` or `-1` (the last) choose out of `depth`, in rising order."""
    if text == "all":
        return list(range(1, depth + 1))
    chosen: set[int] = set()
    try:
        for part in text.split(","):
            first, dash, last = part.strip().partition("-") if not part.strip().startswith("-") else (part, "", "")
            low = int(first) if int(first) > 0 else depth + 1 + int(first)
            high = int(last) if dash else low
            # Numbers beyond the model's become the first that it lacks, which is refused: a range of billions is not made.
            chosen.update(range(min(max(low, 0), depth + 1), min(high, depth + 1) + 1))
    except ValueError:
        raise UserError(f"--layers {text}: write `all`, or numbers and ranges such as 1-8,16,-1") from None
    if not chosen or min(chosen) < 1 or max(chosen) > depth:
        raise UserError(f"--layers {text}: this model has layers 1 to {depth}")
    return sorted(chosen)


@torch.no_grad()
def hidden_rows(
    model: nn.Module, passages: Sequence[Passage], pooling: str, layers: Sequence[int], left: bool, pad_id: int
) -> list[Tensor]:
    """One forward pass over a batch of passages; rows `(layers, hidden)` float32 of each, on the CPU.

    `pooling`: `last` takes the passage's last token, `mean` the mean over the answer's tokens, both after each of
    `layers` (counted from 1); `tokens` gives the answer's tokens after the last of `layers`: `(tokens, hidden)`.
    `left` puts padding before the text, as decoders need; padding changes nothing in the result.
    """
    if pooling == "tokens":
        layers = layers[-1:]
    width = max(len(passage.ids) for passage in passages)
    shifts = [width - len(passage.ids) if left else 0 for passage in passages]
    caught: dict[int, list[Tensor]] = {}

    def catch(number: int) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            states = output[0] if isinstance(output, tuple) else output
            caught[number] = [
                _pool(states[i], passage, shift, pooling)
                for i, (passage, shift) in enumerate(zip(passages, shifts, strict=True))
            ]

        return hook

    stack = layer_stack(model)
    handles = [stack[number - 1].register_forward_hook(catch(number)) for number in layers]
    try:
        body = model.base_model
        body(**_inputs(body, passages, shifts, width, pad_id))
    finally:
        for handle in handles:
            handle.remove()
    return [torch.cat([caught[number][i] for number in layers]) for i in range(len(passages))]


def _pool(states: Tensor, passage: Passage, shift: int, pooling: str) -> Tensor:
    """Rows `(1 or tokens, hidden)` out of one passage's states `(padded tokens, hidden)` after one layer."""
    if pooling == "last":
        chosen = states[shift + len(passage.ids) - 1].unsqueeze(0)
    else:
        chosen = states[shift + passage.answer.start : shift + passage.answer.stop]
    chosen = chosen.float().cpu()
    return chosen.mean(0, keepdim=True) if pooling == "mean" else chosen


def _inputs(body: nn.Module, passages: Sequence[Passage], shifts: list[int], width: int, pad_id: int) -> dict[str, Any]:
    """Padded inputs `(batch, width)` of a forward pass on the model's device."""
    device = body.get_input_embeddings().weight.device
    ids = torch.full((len(passages), width), pad_id)
    mask, segments = torch.zeros_like(ids), torch.zeros_like(ids)
    for i, (passage, shift) in enumerate(zip(passages, shifts, strict=True)):
        here = slice(shift, shift + len(passage.ids))
        ids[i, here] = torch.tensor(passage.ids)
        mask[i, here] = 1
        if passage.segments is not None:
            segments[i, here] = torch.tensor(passage.segments)
    inputs = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
    accepted = inspect.signature(body.forward).parameters
    if passages[0].segments is not None:
        inputs["token_type_ids"] = segments.to(device)
    # A vision-language body numbers positions in three dimensions from the mask; a plain one would count the padding.
    if any(shifts) and "position_ids" in accepted and body.config.get_text_config() is body.config:
        inputs["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0).to(device)
    if "use_cache" in accepted:
        inputs["use_cache"] = False
    return inputs
