"""Tiny language models with random weights, in their real transformers classes, with tokenizers made on the spot."""

from pathlib import Path

import pytest
import torch

import toolbox  # noqa: F401  (mends torchvision, which transformers imports)
from llm.models import LanguageModel, LoadOptions, load_language_model

TEXT = [
    "In an image, describe the distinctive visual features of polyps. Question: Answer: user assistant",
    "A small round red cell with a pale centre and a long tail; large dark purple lobes and fine granules.",
]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
INSTRUCT = "<s>{% for m in messages %}[INST] {{ m.content }} [/INST]{% endfor %}"
SIZES = {"hidden_size": 24, "intermediate_size": 48, "num_attention_heads": 4, "initializer_range": 0.15}
GROUPED = {**SIZES, "num_key_value_heads": 2, "max_position_embeddings": 512}


def decoder_tokenizer(bos: str | None, eos: str, pad: str | None, template: str | None):
    """Byte-level BPE trained on `TEXT`; puts `bos` first if there is one, as Llama's and Mistral's do."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    specials = [token for token in dict.fromkeys([bos, eos, pad, "<|im_start|>", "<|im_end|>"]) if token]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=specials, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXT, trainer)
    if bos:
        first = (bos, tokenizer.token_to_id(bos))
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[first])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token=eos, pad_token=pad)
    fast.chat_template = template
    return fast


def bert_tokenizer():
    """Words and characters with BERT's `[CLS] a [SEP] b [SEP]` and segment numbers."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(TEXT, trainers.WordPieceTrainer(vocab_size=300, special_tokens=specials))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=["input_ids", "token_type_ids", "attention_mask"], **names
    )


def build(kind: str):
    """Model and tokenizer of a family: as its real ones in chat template, padding token and beginning of sequence."""
    import transformers as tf

    if kind == "bert":
        return tf.BertModel(tf.BertConfig(**SIZES, vocab_size=300, num_hidden_layers=3)), bert_tokenizer()
    if kind == "llama":  # no padding token and no chat template, as Llama-2 and the base Llama-3
        tokenizer = decoder_tokenizer("<s>", "</s>", None, None)
        config = tf.LlamaConfig(**GROUPED, vocab_size=400, num_hidden_layers=4, eos_token_id=tokenizer.eos_token_id)
        return tf.LlamaForCausalLM(config), tokenizer
    if kind == "mistral":  # a window shorter than the text
        tokenizer = decoder_tokenizer("<s>", "</s>", "<pad>", INSTRUCT)
        config = tf.MistralConfig(**GROUPED, vocab_size=400, num_hidden_layers=3, sliding_window=24)
        config.eos_token_id = tokenizer.eos_token_id
        return tf.MistralForCausalLM(config), tokenizer
    if kind == "gpt2":  # learned positions, counted from the first token
        tokenizer = decoder_tokenizer(None, "<|endoftext|>", None, None)
        config = tf.GPT2Config(vocab_size=400, n_embd=24, n_layer=3, n_head=4, initializer_range=0.15)
        config.eos_token_id = tokenizer.eos_token_id
        return tf.GPT2LMHeadModel(config), tokenizer
    tokenizer = decoder_tokenizer(None, "<|im_end|>", "<pad>", CHATML)
    if kind == "qwen":
        config = tf.Qwen2Config(**GROUPED, vocab_size=400, num_hidden_layers=5, eos_token_id=tokenizer.eos_token_id)
        return tf.Qwen2ForCausalLM(config), tokenizer
    rope = {"rope_type": "default", "mrope_section": [1, 1, 1], "rope_theta": 10000.0}
    text = {**GROUPED, "vocab_size": 400, "num_hidden_layers": 3, "rope_parameters": rope}
    vision = {"depth": 3, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 24}
    config = tf.Qwen2_5_VLConfig(text_config=text, vision_config=vision)
    config.eos_token_id = config.text_config.eos_token_id = tokenizer.eos_token_id
    return tf.Qwen2_5_VLForConditionalGeneration(config), tokenizer


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """Function from a kind (`llama`, `mistral`, `qwen`, `qwen_vl`, `gpt2`, `bert`) to a folder with its saved model."""
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            torch.manual_seed(len(kind))
            model, tokenizer = build(kind)
            for parameter in model.parameters():  # norms and biases start as ones and zeros, which would hide mistakes
                if parameter.ndim == 1:
                    parameter.data += 0.3 * torch.randn_like(parameter)
            made[kind] = tmp_path_factory.mktemp(f"tiny-{kind}")
            model.save_pretrained(made[kind])
            tokenizer.save_pretrained(made[kind])
        return made[kind]

    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder):
    """Function from a kind to the loaded `LanguageModel`."""
    loaded: dict[str, LanguageModel] = {}

    def load(kind: str) -> LanguageModel:
        if kind not in loaded:
            loaded[kind] = load_language_model(str(tiny_folder(kind)), LoadOptions(device="cpu"))
        return loaded[kind]

    return load
