"""The small CLIP's sizes, in the words of open_clip, which builds the modules."""

from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

CONTEXT = 77
VOCABULARY = 49408
EMBED = 128
TEXT_WIDTH = 128
VISION = {"layers": 5, "width": 128, "head_width": 64, "patch_size": 8, "image_size": 64}
TEXT = {"context_length": CONTEXT, "width": TEXT_WIDTH, "heads": TEXT_WIDTH // 64, "layers": 4}
MEAN = (0.48145466, 0.4578275, 0.40821073)  # OpenAI CLIP's normalisation
STD = (0.26862954, 0.26130258, 0.27577711)


def build(vocabulary: int = VOCABULARY, patch_dropout: float = 0.0) -> CLIP:
    """An untrained CLIP (QuickGELU, heads of 64) whose token embedding has `vocabulary` rows.

    In training mode it leaves out a share `patch_dropout` of each image's patches (Li et al., FLIP, CVPR 2023).
    """
    return CLIP(
        EMBED,
        CLIPVisionCfg(**VISION, patch_dropout=patch_dropout),
        CLIPTextCfg(vocab_size=vocabulary, **TEXT),
        quick_gelu=True,
    )
