"""The small CLIP's sizes, in the words of open_clip, which builds the modules."""

from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

CONTEXT = 77
VOCABULARY = 49408
EMBED = 128
TEXT_WIDTH = 128
VISION = {"layers": 6, "width": 128, "head_width": 64, "patch_size": 8, "image_size": 64}
TEXT = {"context_length": CONTEXT, "width": TEXT_WIDTH, "heads": TEXT_WIDTH // 64, "layers": 4}
MEAN = (0.48145466, 0.4578275, 0.40821073)  # OpenAI CLIP's normalisation
STD = (0.26862954, 0.26130258, 0.27577711)


def build(vocabulary: int = VOCABULARY) -> CLIP:
    """An untrained CLIP (QuickGELU, heads of 64) whose token embedding has `vocabulary` rows."""
    return CLIP(EMBED, CLIPVisionCfg(**VISION), CLIPTextCfg(vocab_size=vocabulary, **TEXT), quick_gelu=True)
