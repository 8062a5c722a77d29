"""Writes the model card: what the embedder is, from which data, how good, how to make it again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Origin and licence of every file that is read, from the data's own README.
LICENCES = {
    "qa/train_cmrc2018": ("CMRC 2018 train (in ExpMRC)", "CC BY-SA 4.0"),
    "qa/train_cmrc2018_trial": ("CMRC 2018 trial", "CC BY-SA 4.0"),
    "qa/train_dureader_robust": ("DuReader-robust", "Apache-2.0"),
    "qa/train_crud_news": ("CRUD-RAG questions", "Apache-2.0"),
    "qa/train_chronoqa": ("ChronoQA", "CC BY 4.0"),
    "qa/train_en_qed": ("QED (Natural Questions)", "CC BY-SA 3.0"),
    "qa/train_en_squad": ("SQuAD samples", "CC BY-SA 4.0"),
    "pairs/crud_question_news": ("CRUD-RAG questions", "Apache-2.0"),
    "pairs/dureader2_demo": ("DuReader 2.0 demo", "Apache-2.0"),
    "pairs/chronoqa_question_chunk": ("ChronoQA", "CC BY 4.0"),
    "pairs/crud_event_title_summary": ("CRUD-RAG events", "MIT, Apache-2.0"),
    "pairs/uhgeval_headline": ("UHGEval", "Apache-2.0"),
    "pairs/csl_title_abstract": ("CSL", "Apache-2.0"),
    "pairs/tatoeba_paraphrase": ("Tatoeba", "CC BY 2.0 FR"),
    "parallel/train_tatoeba": ("Tatoeba (manythings)", "CC BY 2.0 FR"),
    "parallel/train_python_docs": ("Python documentation zh_CN", "CC0 1.0; English text PSF"),
    "parallel/train_tico19": ("TICO-19", "CC0 1.0"),
    "parallel/train_ntrex_news": ("NTREX-128", "CC BY-SA 4.0"),
    "parallel/train_flores_sib": ("FLORES (SIB-200)", "CC BY-SA 4.0, Apache-2.0"),
    "parallel/train_guides": ("Open Source Guides, CNCF glossary", "CC BY 4.0"),
    "lexicon/cedict_zh_en": ("CC-CEDICT", "CC BY-SA 4.0"),
    "lexicon/wordnet_zh_en": ("Chinese Open Wordnet, Wiktionary", "WordNet licence, CC BY-SA 3.0"),
    "lexicon/cldr_names": ("Unicode CLDR", "Unicode License v3"),
    "lexicon/government_terms_own": ("written for this project", "CC0 1.0"),
    "lexicon/tico19_terms": ("TICO-19", "CC0 1.0"),
    "lexicon/jieba_small_freq": ("jieba small dictionary (word list only)", "MIT"),
    "lexicon/thuocl_df": ("THUOCL (word list only)", "MIT"),
    "lexicon/opencc_t2s": ("OpenCC tables", "Apache-2.0"),
    "news/crud_news": ("CRUD-RAG and UHGEval news", "Apache-2.0 (files; see below)"),
}

TEMPLATE = """\
---
language: [zh, en]
library_name: sentence-transformers
license: cc-by-sa-4.0
pipeline_tag: sentence-similarity
---

# A small bilingual embedder (Chinese and English)

A static embedding: one vector of {dim} numbers per token; a text's embedding is the mean of its tokens'
vectors, scaled to unit length. It was trained from scratch on the public data below; no other model
went into it. Compare embeddings by cosine.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{output}")  # sentence-transformers 6.2 or later
passages = model.encode(["柳州市工业总产值增长", "The cat sleeps"])
```

| | |
| --- | --- |
| size of the folder | {megabytes:.1f} MB |
| tokens | {n_tokens:,}, of which {n_tied:,} are traditional forms tied to the rows of simplified ones |
| rows x dimensions | {n_rows:,} x {dim}, bytes with a float32 factor per token; float32 once loaded |
| speed | {speed:,.0f} questions a second on {cores} cores (batches of 256) |
| prompts | none |
| length | no limit, but see below |
| text | fold traditional characters to simplified ones first; case, width and accents are handled |

A text without a known token gets the zero vector. The vector of token t is
`embeddings[mapping[t]] * weights[t]` (tensors of model.safetensors).

## Figures

Share of questions whose own passage comes first, or among the first five, of all distinct passages of the
set. These sets served for measuring and for choosing among a few settings, never for training.

{table}

## What it is bad at

- It sees which words are there, not their order: it cannot tell 甲打败乙 from 乙打败甲, nor a negation.
- Rare names and numbers match only where they are written alike, and a name in English hardly ever finds
  its Chinese form. English questions find Chinese passages far less often than Chinese ones do: combine it
  with a lexical search, and translate names where you can.
- Long passages blur: the mean of many words is close to everything. Embed paragraphs, not articles.
- It knows news, encyclopedias and common words; classical Chinese, dialects, code and other languages
  are little or not covered.
- A score says nothing about whether a passage answers the question.

## Data

Rows used after removing texts that equal a development question, context or sentence in normal form
(simplified, NFKC, lower case, letters and digits only): {dropped:,} texts were removed, 0 remain
(checked again on what was trained on).

| file | origin | licence | rows | sha256 |
| --- | --- | --- | ---: | --- |
{files}

News texts were used for training only and are not part of the model. Their files were published under
Apache-2.0 by their collectors; the publishers of the articles may hold rights in the text. Because of the
share-alike data above, the model files are offered under CC BY-SA 4.0, with attribution to these sources.

## Training

Unigram tokenizer (Chinese tokens are single characters or dictionary words of at most four). Rows start
at random with the length of the token's IDF, words near the sum of their characters, English tokens near
their translations. Then the symmetrical in-batch contrastive loss (cosine times 20, batches of up to
{batch:,} pairs from one source), Adam on the rows used, {steps:,} steps; questions, titles, pieces of news
cut out of their surroundings, parallel sentences and dictionary entries, with part of the Chinese queries
put into English word for word.

Made by

    {command}

with seed {seed}, in {minutes:.1f} minutes on {cores} CPU cores ({versions}). Nothing depends on the clock or
on chance beyond the seed; that two runs give the same bytes is tested on small data only.
"""


@dataclass(frozen=True)
class CardFacts:
    """What the card reports beside the data; names as in `TEMPLATE`."""

    output: str
    dim: int
    n_tokens: int
    n_rows: int
    megabytes: float
    speed: float  # texts per second
    cores: int
    table: str
    dropped: int
    batch: int
    steps: int
    command: str
    seed: int
    minutes: float
    versions: str


def licence_of(name: str) -> tuple[str, str]:
    """Return origin and licence of a data file, named as in `TrainingTexts.rows`.

    Raises:
        KeyError: The file has no entry, which would leave it without attribution.
    """
    stem = name.removesuffix(".jsonl.gz").removesuffix(".tsv.gz")
    return LICENCES["news/crud_news" if stem.startswith("news/crud_news") else stem]


def write_card(path: Path, facts: CardFacts, rows: dict[str, int], digests: dict[str, str]) -> None:
    """Write the card."""
    path.write_text(
        TEMPLATE.format(
            **vars(facts),
            n_tied=facts.n_tokens - facts.n_rows,
            files="\n".join(_file_lines(rows, digests)),
        ),
        encoding="utf-8",
    )


def _file_lines(rows: dict[str, int], digests: dict[str, str]) -> Iterable[str]:
    for name, count in rows.items():
        origin, licence = licence_of(name)
        yield f"| {name} | {origin} | {licence} | {count:,} | `{digests[name]}` |"
