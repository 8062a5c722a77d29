"""The bundled reader's network, as transformers loads it: `AutoModelForQuestionAnswering.from_pretrained`.

Importing this module registers the classes with transformers. A passage and a question are read by
the same convolutions; the passage attends to the question and to itself; a span's score is that of
its first token, of its last, and of the two together. It competes with one score for "not here".

Sources: Chen et al., "Reading Wikipedia to Answer Open-Domain Questions", ACL 2017 (match features);
Yu et al., "QANet", ICLR 2018 (convolution and attention); Lee et al., "Learning Recurrent Span
Representations for Extractive Question Answering", 2016 (spans normalised together).
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForQuestionAnswering, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import ModelOutput

NEVER = -1e4  # a score that leaves nothing of a probability


class MatchReaderConfig(PretrainedConfig):  # type: ignore[misc]
    """Sizes of the network; see `MatchReaderForQuestionAnswering`."""

    model_type = "match-reader"

    def __init__(
        self,
        tokens: int = 0,
        words: int = 0,
        word_size: int = 128,
        tags: int = 40,
        context_features: int = 16,
        question_features: int = 4,
        token_size: int = 64,
        tag_size: int = 16,
        width: int = 128,
        shared_dilations: tuple[int, ...] = (1, 2, 4),
        middle_dilations: tuple[int, ...] = (1, 2, 4),
        upper_dilations: tuple[int, ...] = (1, 2, 4),
        heads: int = 4,
        pair_size: int = 48,
        max_answer: int = 80,
        dropout: float = 0.15,
        **others: Any,
    ) -> None:
        """Take sizes in numbers of entries, and `max_answer` in tokens."""
        self.tokens, self.words, self.word_size, self.tags = tokens, words, word_size, tags
        self.context_features, self.question_features = context_features, question_features
        self.token_size, self.tag_size, self.width, self.heads = token_size, tag_size, width, heads
        self.shared_dilations = list(shared_dilations)
        self.middle_dilations, self.upper_dilations = list(middle_dilations), list(upper_dilations)
        self.pair_size, self.max_answer, self.dropout = pair_size, max_answer, dropout
        super().__init__(**others)


@dataclass
class SpanOutput(ModelOutput):  # type: ignore[misc]
    """What the reader says of each passage.

    Attributes:
        start_logits: Shape (batch, tokens): the best score of a span that begins there.
        end_logits: Shape (batch, tokens): the best score of a span that ends there.
        span_logits: Shape (batch, tokens, tokens): by first and last token.
        none_logits: Shape (batch,): that the passage does not answer.
    """

    start_logits: Tensor | None = None
    end_logits: Tensor | None = None
    span_logits: Tensor | None = None
    none_logits: Tensor | None = None


POOL = 1 << 24  # numbers in the pool that the masks of dropout are cut from


@cache
def _pool(rate: float, device: torch.device) -> Tensor:
    """Return random masks, one after the other: always the same ones, so that a run that goes on has them too."""
    drawn = torch.rand(POOL, generator=torch.Generator().manual_seed(0))
    return ((drawn >= rate).float() / (1 - rate)).to(device)


class _Dropout(nn.Module):
    """Dropout whose masks are cut from one pool at a random place: drawing them anew costs a sixth of the training."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, states: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return states
        pool, count = _pool(self.rate, states.device), states.numel()
        if count > POOL:
            pool = pool.repeat(count // POOL + 1)
        start = int(torch.randint(0, len(pool) - count + 1, ()))
        return states * pool[start : start + count].view(states.shape)


class _Block(nn.Module):
    """A gated convolution over three tokens, added to what it is given."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(3 * width, 2 * width)
        self.dilation = dilation
        self.dropout = _Dropout(dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        normed = self.norm(states) * mask
        step, length = self.dilation, states.shape[1]
        padded = functional.pad(normed, (0, 0, step, step))
        around = torch.cat([padded[:, :length], normed, padded[:, 2 * step :]], dim=-1)
        mixed: Tensor = self.dropout(functional.glu(self.mix(around), dim=-1))
        return states + mixed


class _SelfAttention(nn.Module):
    """Multi-head attention of a passage to itself, added to what it is given."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.heads = heads
        self.dropout = _Dropout(dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        batch, length, width = states.shape
        query, key, value = (
            part.view(batch, length, self.heads, -1).transpose(1, 2)
            for part in self.project(self.norm(states)).chunk(3, dim=-1)
        )
        hidden = torch.where(mask[:, None, None, :, 0] > 0, 0.0, NEVER).to(query.dtype)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=hidden)
        added: Tensor = self.dropout(self.out(mixed.transpose(1, 2).reshape(batch, length, width)))
        return states + added


class MatchReaderForQuestionAnswering(PreTrainedModel):  # type: ignore[misc]
    """Scores every span of a passage, and "not here"."""

    config_class = MatchReaderConfig
    base_model_prefix = "reader"

    def __init__(self, config: MatchReaderConfig) -> None:
        """Make the network with random weights; the table of word vectors is empty until it is loaded or set."""
        super().__init__(config)
        width, dropout = config.width, config.dropout
        self.token_table = nn.Embedding(config.tokens, config.token_size, padding_idx=0)
        self.register_buffer("word_table", torch.zeros(config.words, config.word_size, dtype=torch.float16))
        self.tag_table = nn.Embedding(config.tags, config.tag_size)
        self.place_table = nn.Embedding(4, 4)
        size = config.token_size + config.word_size + config.tag_size + 4
        self.read_context = nn.Linear(size + config.context_features + 2, width)
        self.read_question = nn.Linear(size + config.question_features, width)
        self.shared = nn.ModuleList(_Block(width, step, dropout) for step in config.shared_dilations)
        self.middle = nn.ModuleList(_Block(width, step, dropout) for step in config.middle_dilations)
        self.upper = nn.ModuleList(_Block(width, step, dropout) for step in config.upper_dilations)
        self.context_norm, self.question_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.look = nn.Linear(width, width)
        self.join = nn.Linear(3 * width, width)
        self.sum_up = nn.Linear(width, 1)
        self.adjust = nn.Linear(width, 2 * width)
        self.attend = _SelfAttention(width, config.heads, dropout)
        self.final_norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, config.pair_size + 1)
        self.last = nn.Linear(width, config.pair_size + 1)
        self.none = nn.Sequential(nn.Linear(3 * width, width), nn.Tanh(), nn.Linear(width, 1))
        self.dropout = _Dropout(dropout)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.1)

    def forward(
        self,
        context_tokens: Tensor,
        context_words: Tensor,
        context_tags: Tensor,
        context_places: Tensor,
        context_features: Tensor,
        question_tokens: Tensor,
        question_words: Tensor,
        question_tags: Tensor,
        question_places: Tensor,
        question_features: Tensor,
        **_: Any,
    ) -> SpanOutput:
        """Score a batch: ids (batch, tokens), 0 where there is no token; features (batch, tokens, features)."""
        mask = (context_tokens > 0)[:, :, None].float()
        asked_mask = (question_tokens > 0)[:, :, None].float()
        words, asked_words = self.word_table[context_words].float(), self.word_table[question_words].float()
        alike = self._alike(words, asked_words, question_features)
        context = self._enter(context_tokens, words, context_tags, context_places)
        question = self._enter(question_tokens, asked_words, question_tags, question_places)
        states = self.read_context(torch.cat([context, context_features, alike], dim=-1)) * mask
        asked = self.read_question(torch.cat([question, question_features], dim=-1)) * asked_mask
        for block in self.shared:
            states, asked = block(states, mask), block(asked, asked_mask)
        asked = self.question_norm(asked)
        normed = self.context_norm(states)
        scores = self.look(normed) @ asked.transpose(1, 2) / asked.shape[-1] ** 0.5
        scores = scores + (1 - asked_mask.transpose(1, 2)) * NEVER
        found = scores.softmax(dim=-1) @ asked
        states = states + self.join(self.dropout(torch.cat([normed, found, normed * found], dim=-1)))
        share = (self.sum_up(asked) + (1 - asked_mask) * NEVER).softmax(dim=1)
        summary = (share * asked).sum(dim=1)
        scale, shift = self.adjust(summary)[:, None].chunk(2, dim=-1)
        states = states * (1 + scale) + shift
        for block in self.middle:
            states = block(states, mask)
        states = self.attend(states, mask)
        for block in self.upper:
            states = block(states, mask)
        states = self.final_norm(states)
        first, last = self.first(self.dropout(states)).float(), self.last(self.dropout(states)).float()
        spans = first[:, :, 1:] @ last[:, :, 1:].transpose(1, 2) / self.config.pair_size**0.5
        spans = spans + first[:, :, :1] + last[:, :, :1].transpose(1, 2)
        hidden = (1 - mask) * NEVER
        spans = spans + hidden + hidden.transpose(1, 2)
        length = spans.shape[1]
        band = torch.ones(length, length, dtype=torch.bool, device=spans.device)
        band = band.triu() & ~band.triu(self.config.max_answer)
        spans = torch.where(band, spans, NEVER)
        highest = (states + hidden).amax(dim=1)
        mean = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        none = self.none(torch.cat([highest, mean, summary], dim=-1))[:, 0].float()
        return SpanOutput(
            start_logits=spans.amax(dim=2), end_logits=spans.amax(dim=1), span_logits=spans, none_logits=none
        )

    def _enter(self, tokens: Tensor, words: Tensor, tags: Tensor, places: Tensor) -> Tensor:
        parts = [self.token_table(tokens), words, self.tag_table(tags), self.place_table(places)]
        entered: Tensor = self.dropout(torch.cat(parts, dim=-1))
        return entered

    def _alike(self, words: Tensor, asked: Tensor, features: Tensor) -> Tensor:
        """Return how near each word of the passage comes to one that carries meaning in the question.

        Shape (batch, tokens, 2): by each half of the word vectors.
        """
        half = self.config.word_size // 2
        content = (features[:, :, 1] > 0).float()[:, None, :]
        near = [
            (words[:, :, part] @ asked[:, :, part].transpose(1, 2) * content).amax(dim=2)
            for part in (slice(0, half), slice(half, None))
        ]
        return torch.stack(near, dim=-1)


AutoConfig.register(MatchReaderConfig.model_type, MatchReaderConfig)
AutoModelForQuestionAnswering.register(MatchReaderConfig, MatchReaderForQuestionAnswering)
