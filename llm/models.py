"""Loading a language model by preset, hub name or folder, for reading its hidden states."""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import toolbox  # noqa: F401  (mends torchvision, which transformers imports)
from llm.presets import Preset, find_preset, preset_names
from toolbox.errors import UserError, nearest

WEIGHT_FILES = ("*.safetensors", "*.bin")


@dataclass(frozen=True)
class LoadOptions:
    """How to load: number type (`auto`: bfloat16 on a GPU that has it, else float32), quantisation, device, trust."""

    dtype: str = "auto"
    quantize: str = ""  # "" | 8bit | 4bit
    device: str = "auto"
    revision: str | None = None
    kind: str = ""  # "" finds out | causal | encoder
    trust_remote_code: bool = False


@dataclass(frozen=True)
class LanguageModel:
    """A model ready to answer or to be read, with the facts that the store records."""

    model: Any
    tokenizer: Any
    kind: str
    name: str
    revision: str
    dtype: str

    @property
    def depth(self) -> int:
        """Number of transformer layers."""
        return self.model.config.get_text_config().num_hidden_layers

    @property
    def pad_id(self) -> int:
        """Token that fills up shorter texts of a batch; masked, so any will do where the tokenizer has none."""
        return self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else 0

    @property
    def eos_id(self) -> int | None:
        """Token that closes an answer."""
        return self.tokenizer.eos_token_id


def load_language_model(name: str, options: LoadOptions | None = None) -> LanguageModel:
    """Load `name`: a preset of configs/llm, a folder, or a model on the Hugging Face hub.

    Raises UserError, saying what to do, if it is gated, missing, unreachable, not a text model, or needs a package.
    """
    from transformers import AutoConfig, AutoTokenizer

    options = options or LoadOptions()
    preset = find_preset(name)
    source = _source(name, preset)
    common = {"revision": options.revision, "trust_remote_code": options.trust_remote_code}
    if Path(source).is_dir():
        common = {"local_files_only": True, "trust_remote_code": options.trust_remote_code}
    try:
        config = AutoConfig.from_pretrained(source, **common)
        kind = options.kind or (preset.kind if preset else _kind(config))
        tokenizer = AutoTokenizer.from_pretrained(source, **common)
        placing = _placing(options)
        model = _model_class(config, kind).from_pretrained(source, **common, **placing)
    except (OSError, ValueError, ImportError, KeyError, RuntimeError) as error:
        raise UserError(_explain(name, source, preset, error)) from error
    if "device_map" not in placing:
        model = model.to(_device(options.device))
    return LanguageModel(
        model=model.eval(),
        tokenizer=tokenizer,
        kind=kind,
        name=(preset.display_name or preset.model)
        if preset
        else Path(source).name
        if Path(source).is_dir()
        else source,
        revision=getattr(config, "_commit_hash", None) or _weights_hash(Path(source)),
        dtype=options.quantize or str(model.dtype).removeprefix("torch."),
    )


def _source(name: str, preset: Preset | None) -> str:
    """What transformers is asked for: a hub name or a folder."""
    if preset is None:
        if name.startswith((".", "/", "~")) and not Path(name).expanduser().is_dir():
            raise UserError(f"--model {name}: no such folder")
        return str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name
    if not preset.model.startswith("package:"):
        return preset.model
    module, _, folder = preset.model.removeprefix("package:").partition("/")
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"--model {name}: its weights come with a package that is not installed: {preset.install}")
    return str(Path(next(iter(spec.submodule_search_locations))) / folder)


def _kind(config: Any) -> str:
    """`causal` or `encoder`, by the class the weights were saved from."""
    if config.is_encoder_decoder:
        raise UserError(
            f"a {config.model_type} model encodes and decodes; decoders (Llama) and encoders (BERT) are read"
        )
    writes = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
    return "causal" if any(name.endswith(writes) for name in config.architectures or []) else "encoder"


def _model_class(config: Any, kind: str) -> Any:
    """The transformers class that loads the model; vision-language models are read by their language half."""
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForImageTextToText
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    if kind == "encoder":
        return AutoModel
    sees = config.model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    return AutoModelForImageTextToText if sees else AutoModelForCausalLM


def _placing(options: LoadOptions) -> dict[str, Any]:
    """Number type, quantisation and device map for `from_pretrained`."""
    has_accelerate = importlib.util.find_spec("accelerate") is not None
    on_gpu = options.device != "cpu" and torch.cuda.is_available()
    placing: dict[str, Any] = {"dtype": _dtype(options.dtype, on_gpu)}
    if options.quantize:
        if not has_accelerate or importlib.util.find_spec("bitsandbytes") is None:
            raise UserError(f"--quantize {options.quantize} needs two packages: pip install accelerate bitsandbytes")
        from transformers import BitsAndBytesConfig

        bits = {"8bit": {"load_in_8bit": True}, "4bit": {"load_in_4bit": True}}[options.quantize]
        placing["quantization_config"] = BitsAndBytesConfig(**bits)
    if has_accelerate and (options.quantize or (options.device == "auto" and on_gpu)):
        placing["device_map"] = "auto"
    return placing


def _dtype(name: str, on_gpu: bool) -> torch.dtype:
    if name != "auto":
        return getattr(torch, name)
    return torch.bfloat16 if on_gpu and torch.cuda.is_bf16_supported() else torch.float32


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"--device {name}: torch sees no CUDA device here; use --device cpu")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise UserError(f"--device {name}: no such device; use auto, cpu, cuda or cuda:N") from error


def _weights_hash(folder: Path) -> str:
    """SHA-256 over the weight files of a folder, in order of name: the revision of a model that is no hub snapshot."""
    digest = hashlib.sha256()
    for file in sorted(path for pattern in WEIGHT_FILES for path in folder.glob(pattern)):
        with file.open("rb") as stream:
            digest.update(file.name.encode())
            while block := stream.read(1 << 24):
                digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def _explain(name: str, source: str, preset: Preset | None, error: Exception) -> str:
    """One line on why a model did not load and what to do."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    causes: list[BaseException] = [error]
    while (before := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(before)
    page = preset.page if preset else f"https://huggingface.co/{source}"
    reason = " ".join(str(error).split())[:200]
    if any(isinstance(cause, GatedRepoError) for cause in causes):
        return (
            f"--model {name}: {source} is gated: accept its licence at {page} and run `hf auth login`, "
            f"or give the folder of a local copy: --model PATH"
        )
    if any(isinstance(cause, RepositoryNotFoundError) for cause in causes):
        hint = nearest(name, preset_names())
        return (
            f"--model {name}: the hub has no such model; give a preset ({hint}), a hub name or a folder: --model PATH"
        )
    gate = " (it is gated: licence first, then `hf auth login`)" if preset and preset.gated else ""
    return f"--model {name}: cannot load {source}{gate}; give the folder of a local copy: --model PATH. Cause: {reason}"
