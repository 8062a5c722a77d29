"""Transformers of a few thousand weights, saved as their libraries save any model."""

from collections.abc import Sequence
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


# -- Language models that write what a test wants -------------------------------------------------------

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>"
    # As some models do, it thinks where it is not told not to.
    "{% if enable_thinking is not defined or enable_thinking %}<|thinking|>{% endif %}{% endif %}"
)
_SPECIAL = ("<|pad|>", "<|unknown|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|thinking|>")
_CHARACTERS = (*map(chr, range(32, 127)), "\n", "。", "，", "？", "：", "原", "文", "段", "落", "问", "题")


def save_scripted(
    folder: Path,
    script: Sequence[str],
    *,
    thoughts: Sequence[str] = ("<think>", "thoughts", "</think>"),
    endless: bool = False,
    template: str | None = CHAT_TEMPLATE,
    positions: int = 8192,
) -> Path:
    """Save a Llama of one layer that answers every chat with `script`, a token for each of its texts.

    Each token knows the one after it: attention and the feed-forward layer add nothing, and the output row of a
    token is the embedding of the one before it. A prompt takes a token for each character. `thoughts` come before the
    script where thinking is not switched off; an endless model begins again where the script ends.
    """
    import torch
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    # The number makes equal texts different tokens, and is taken away again when they are decoded.
    written = [f"§{at}§{text}" for at, text in enumerate((*thoughts, *script))]
    vocabulary = {token: at for at, token in enumerate((*_SPECIAL, *_CHARACTERS, *written))}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<|unknown|>"))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.decoder = decoders.Sequence([decoders.Replace(Regex(r"§\d+§"), ""), decoders.Fuse()])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<|pad|>",
        unk_token="<|unknown|>",
        eos_token="<|end|>",
        additional_special_tokens=list(_SPECIAL[3:]),
        model_max_length=positions,
    )
    tokenizer.chat_template = template
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(vocabulary),
            hidden_size=128,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=positions,
            bos_token_id=None,
            eos_token_id=vocabulary["<|end|>"],
            pad_token_id=vocabulary["<|pad|>"],
            tie_word_embeddings=False,
        )
    )
    first_thought = len(_SPECIAL) + len(_CHARACTERS)
    first = first_thought + len(thoughts)
    follows = {token: token + 1 for token in range(first_thought, len(vocabulary) - 1)}
    follows |= {vocabulary["<|thinking|>"]: first_thought, vocabulary["<|assistant|>"]: first}
    follows[len(vocabulary) - 1] = first if endless else vocabulary["<|end|>"]
    with torch.no_grad():
        rows = torch.nn.functional.normalize(torch.randn(len(vocabulary), 128), dim=1)
        model.model.embed_tokens.weight.copy_(rows)
        model.model.layers[0].self_attn.o_proj.weight.zero_()
        model.model.layers[0].mlp.down_proj.weight.zero_()
        model.lm_head.weight.zero_()
        for token, next_token in follows.items():
            model.lm_head.weight[next_token] += rows[token]
    model.generation_config = GenerationConfig(
        eos_token_id=vocabulary["<|end|>"], pad_token_id=vocabulary["<|pad|>"], max_new_tokens=64
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
