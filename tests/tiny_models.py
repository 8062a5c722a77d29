"""Transformers of a few thousand weights, saved as their libraries save any model."""

from pathlib import Path
from typing import Any

WORDS = ("moon", "tide", "cat", "the", "sea", "q", "p", ":", "月", "潮", "猫", "query", "passage")


def tiny_tokenizer() -> Any:
    """A fast tokenizer of whole words and single Chinese characters."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: at for at, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Split(Regex(r"\p{Han}"), "isolated")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def tiny_config(**more: Any) -> Any:
    """The configuration of a BERT of one layer with places for 62 tokens."""
    from transformers import BertConfig

    return BertConfig(
        vocab_size=4 + len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        initializer_range=0.5,  # that scores differ
        **more,
    )


def save_tiny(kind: str, folder: Path, **more: Any) -> Path:
    """Save a model of a class of transformers (`kind`), always with the same weights, and its tokenizer."""
    import torch
    import transformers

    torch.manual_seed(0)
    getattr(transformers, kind)(tiny_config(**more)).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder
