"""A prompt trainer of our own, written in the way of the CoOp family, trains, resumes and evaluates on either host."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from clip import clip
from clip.simple_tokenizer import SimpleTokenizer
from dassl.engine import TRAINER_REGISTRY, TrainerX, build_trainer
from dassl.metrics import compute_accuracy
from dassl.optim import build_lr_scheduler, build_optimizer
from dassl.utils import load_checkpoint, set_random_seed
from toolbox.errors import UserError

_tokenizer = SimpleTokenizer()


def load_to_cpu(name: str) -> nn.Module:
    path = clip._download(clip._MODELS[name])
    try:
        model, state = torch.jit.load(path, map_location="cpu").eval(), None
    except RuntimeError:
        state = torch.load(path, map_location="cpu")
    return clip.build_model(state or model.state_dict()).float()


class Suffix(nn.Module):
    """Learns the vectors of "X X" in "X X name." for all classes together."""

    def __init__(self, classnames: list[str], model: nn.Module) -> None:
        super().__init__()
        assert all(_tokenizer.encode(name) for name in classnames)
        self.tokens = clip.tokenize([f"X X {name}." for name in classnames])
        with torch.no_grad():
            embedding = model.token_embedding(self.tokens)
        self.ctx = nn.Parameter(torch.empty(2, embedding.shape[-1]).normal_(std=0.02))
        self.register_buffer("token_prefix", embedding[:, :1])
        self.register_buffer("token_suffix", embedding[:, 3:])

    def forward(self) -> torch.Tensor:
        ctx = self.ctx.expand(len(self.tokens), -1, -1)
        return torch.cat([self.token_prefix, ctx, self.token_suffix], dim=1)


class Prompted(nn.Module):
    def __init__(self, classnames: list[str], model: nn.Module) -> None:
        super().__init__()
        self.clip = model.requires_grad_(False)
        self.prompt_learner = Suffix(classnames, model)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        model, tokens = self.clip, self.prompt_learner.tokens
        x = self.prompt_learner() + model.positional_embedding
        x = model.ln_final(model.transformer(x.permute(1, 0, 2)).permute(1, 0, 2))
        texts = x[torch.arange(len(x)), tokens.argmax(dim=-1)] @ model.text_projection
        features = F.normalize(model.visual(images.type(model.dtype)), dim=-1)
        return model.logit_scale.exp() * features @ F.normalize(texts, dim=-1).t()


@TRAINER_REGISTRY.register()
class OldStyle(TrainerX):
    def build_model(self) -> None:
        model = load_to_cpu(self.cfg.MODEL.BACKBONE.NAME)
        assert model.visual.input_resolution == self.cfg.INPUT.SIZE[0]
        self.model = Prompted(self.dm.dataset.classnames, model).to(self.device)
        learner = self.model.prompt_learner
        self.optim = build_optimizer(learner, self.cfg.OPTIM)
        self.sched = build_lr_scheduler(self.optim, self.cfg.OPTIM)
        self.register_model("prompt_learner", learner, self.optim, self.sched)

    def forward_backward(self, batch: dict) -> dict[str, float]:
        images, labels = self.parse_batch_train(batch)
        output = self.model(images)
        loss = F.cross_entropy(output, labels)
        self.model_backward_and_update(loss)
        if (self.batch_idx + 1) == self.num_batches:
            self.update_lr()
        return {"loss": loss.item(), "acc": compute_accuracy(output, labels)[0].item()}

    def parse_batch_train(self, batch: dict) -> tuple[torch.Tensor, torch.Tensor]:
        return batch["img"].to(self.device), batch["label"].to(self.device)

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        path = Path(directory) / "prompt_learner" / f"model.pth.tar-{epoch}"
        state = load_checkpoint(str(path))["state_dict"]
        for fixed in ("token_prefix", "token_suffix"):
            del state[fixed]
        self._models["prompt_learner"].load_state_dict(state, strict=False)


@pytest.fixture
def cfg(make_cfg, tmp_path, tiny_state):
    torch.save(tiny_state, tmp_path / "clip.pt")
    options = ["INPUT.SIZE", (32, 32), "OPTIM.MAX_EPOCH", 3, "OPTIM.LR", 0.002, "TRAIN.CHECKPOINT_FREQ", 1]
    return make_cfg("TRAINER.NAME", "OldStyle", "MODEL.BACKBONE.NAME", str(tmp_path / "clip.pt"), *options)


def train(cfg) -> torch.Tensor:
    set_random_seed(1)
    trainer = build_trainer(cfg)
    trainer.train()
    return trainer.model.prompt_learner.ctx.detach()


def test_it_trains_loads_and_resumes(cfg, capsys):
    trained = train(cfg)
    assert capsys.readouterr().out.count("=> result") == 1
    fresh = build_trainer(cfg)
    fresh.load_model(cfg.OUTPUT_DIR, epoch=3)
    assert torch.equal(fresh.model.prompt_learner.ctx, trained)
    assert 0 <= fresh.test() <= 100
    folder = Path(cfg.OUTPUT_DIR) / "prompt_learner"
    (folder / "model.pth.tar-3").unlink()
    (folder / "checkpoint").write_text("model.pth.tar-2\n")
    assert torch.equal(train(cfg), trained)


def test_an_unknown_backbone_is_one_clear_line(cfg):
    cfg.MODEL.BACKBONE.NAME = "ViT-B/61"
    with pytest.raises(UserError, match="unknown CLIP model"):
        build_trainer(cfg)
