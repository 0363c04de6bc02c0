"""Shapes of CLIPs whose weights are drawn at random."""

VIT_B16 = {
    "embed_dim": 512,
    "image_resolution": 224,
    "vision_layers": 12,
    "vision_width": 768,
    "vision_patch_size": 16,
    "context_length": 77,
    "vocab_size": 49408,
    "transformer_width": 512,
    "transformer_layers": 12,
}
VIT_B32 = VIT_B16 | {"vision_patch_size": 32}
VIT_L14 = VIT_B16 | {
    "embed_dim": 768,
    "vision_layers": 24,
    "vision_width": 1024,
    "vision_patch_size": 14,
    "transformer_width": 768,
}
SHAPES = {"ViT-B/32": VIT_B32, "ViT-B/16": VIT_B16, "ViT-L/14": VIT_L14}
