"""Variants of a question, for training: other words for the same, and near misses that a text does not answer."""

import gzip
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pypinyin import lazy_pinyin

from rag.folding import fold, is_han
from rag.kinds import is_met
from rag.lexicon import load_lexicon
from rag.passages import sentence_spans
from rag.question import Asked, Term, analyse

_ASKING = {
    "date": ("什么时候", "哪一年", "哪天"),
    "number": ("多少", "有多少", "几个"),
    "person": ("谁",),
    "place": ("哪里", "什么地方"),
}
_ENGLISH = {
    "date": "when was {}?", "number": "how many {}?", "person": "who {}?", "place": "where {}?", "list": "what are {}?",
    "reason": "why {}?", "manner": "how {}?",
}  # fmt: skip


class Variants:
    """Makes variants of questions with words from other questions and from the public lexicons."""

    def __init__(self, rows: Sequence[dict[str, Any]], data: Path, chooser: random.Random) -> None:
        """Read the lexicons below `data` and the words of all questions."""
        self._chooser = chooser
        self._synonyms = read_synonyms(data / "lexicon" / "wordnet_zh_synonyms.tsv.gz")
        self._glosses = _glosses(data / "lexicon" / "cedict_zh_en.tsv.gz")
        self._homophones = _homophones()
        self._words: dict[bool, list[str]] = defaultdict(list)
        for row in rows:
            for term in analyse(row["question"]).terms:
                if len(term.text) > 1:
                    self._words[term.is_name].append(term.text)

    def of(self, question: str, context: str, answer: str) -> Iterator[tuple[str, str]]:
        """Yield pairs of the kind of a variant and its question; see ANSWERABLE and UNANSWERABLE there."""
        asked, folded, text = analyse(question), fold(question), fold(context)
        terms = [term for term in asked.terms if len(term.text) > 1 and term.text in folded]
        exchanged = self._exchange(terms, folded, text)
        if exchanged:
            yield "exchanged", exchanged
        other = self._other_kind(asked, folded, context, answer)
        if other:
            yield "other kind", other
        if asked.language != "zh":
            return
        chance = self._chooser.random()
        if chance < 0.35 and (synonym := self._synonym(terms, folded, text)):
            yield "synonym", synonym
        elif chance < 0.55 and (typo := self._typo(terms, folded)):
            yield "typo", typo
        elif chance < 0.85 and (english := self._english(asked, asked.terms)):
            yield "english", english
            strange = [self._strange(term, text) for term in asked.terms[:1]]
            if strange and (missing := self._english(asked, [*strange, *asked.terms[1:]])):
                yield "english exchanged", missing

    def _exchange(self, terms: Sequence[Term], folded: str, text: str) -> str | None:
        """Exchange one word for another question's, one that the text does not hold."""
        said = [term for term in terms if term.text in text]
        if not said:
            return None
        # Telling words are exchanged more often: 桂林 for 柳州 changes a question more than 召开 does. So is the
        # word that is asked about, since a near miss mostly asks for something else of the same thing.
        term = self._chooser.choices(said, [term.weight**2 * (3 if term.focus else 1) for term in said])[0]
        other = self._strange(term, text).text
        return folded.replace(term.text, other) if other != term.text else None

    def _strange(self, term: Term, text: str) -> Term:
        for _ in range(20):
            other = self._chooser.choice(self._words[term.is_name] or [term.text])
            if other not in text and not set(other) & set(term.text):
                return Term(other, term.weight, term.is_name)
        return term

    def _other_kind(self, asked: Asked, folded: str, context: str, answer: str) -> str | None:
        """Ask for another kind of thing, one that the sentence of the answer does not give."""
        pattern = r"什么时候|哪一?[年天]|什么地方|哪里|哪些|哪个|什么|多少|谁|几个"
        if not re.search(pattern, folded):
            return None
        at = context.find(answer)
        sentence = next((context[start:end] for start, end in sentence_spans(context) if start <= at < end), context)
        kind = self._chooser.choice([kind for kind in _ASKING if kind != asked.kind])
        other = re.sub(pattern, self._chooser.choice(_ASKING[kind]), folded, count=1)
        changed = analyse(other)
        return None if changed.kind != kind or is_met(changed, sentence) else other

    def _synonym(self, terms: Sequence[Term], folded: str, text: str) -> str | None:
        options = [
            (term.text, other)
            for term in terms
            for other in self._synonyms.get(term.text, ())
            if other not in text and other != term.text
        ]
        return folded.replace(*self._chooser.choice(options)) if options else None

    def _typo(self, terms: Sequence[Term], folded: str) -> str | None:
        """Type a character that sounds the same in one of the words, as an input method offers it."""
        options = [
            (term.text, term.text.replace(character, other, 1))
            for term in terms
            for character in term.text
            if is_han(character)
            for other in self._homophones[lazy_pinyin(character)[0]][:6]
            if other != character
        ]
        return folded.replace(*self._chooser.choice(options)) if options else None

    def _english(self, asked: Asked, terms: Sequence[Term]) -> str | None:
        """Put each word into English by the dictionary; a name is spelt in pinyin, with a capital."""
        words = []
        for term in terms:
            if term.is_name and all(map(is_han, term.text)):
                words.append("".join(lazy_pinyin(term.text)).capitalize())
            elif term.text in self._glosses:
                words.append(self._chooser.choice(self._glosses[term.text][:3]))
            elif term.text.isascii():
                words.append(term.text)
        if len(words) < max(1, len(terms) - 1):
            return None
        return _ENGLISH.get(asked.kind, "what is {}?").format(" ".join(words))


def read_synonyms(path: Path) -> dict[str, list[str]]:
    """Return the words that mean the same as each word, of a compressed table of synsets."""
    found: dict[str, list[str]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in list(file)[1:]:
            lemmas = [lemma for lemma in line.rstrip("\n").split("\t")[1].split(" ") if len(lemma) > 1]
            for lemma in lemmas:
                found[lemma] += (other for other in lemmas if other != lemma)
    return found


def _glosses(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in list(file)[1:]:
            word, _, gloss = line.rstrip("\n").partition("\t")
            plain = re.sub(r"\([^)]*\)", "", gloss).strip()
            if re.fullmatch(r"[A-Za-z][A-Za-z' -]{1,30}", plain):
                found[word].append(plain)
    return found


def _homophones() -> dict[str, list[str]]:
    """Return the commonest characters of each syllable, by how rare they are as words of their own."""
    lexicon = load_lexicon()
    characters = [chr(code) for code in range(0x4E00, 0x9FA6) if chr(code) in lexicon]
    found: dict[str, list[str]] = defaultdict(list)
    for character in sorted(characters, key=lexicon.weight):
        found[lazy_pinyin(character)[0]].append(character)
    return found
