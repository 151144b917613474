"""What the order and the small words of a text say: negation, direction, the kind of question, its language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from semcache.decision.lexicon import Lexicon
from semcache.decision.words import Words

_QUESTION_WORDS = frozenset({"who", "whom", "whose", "when", "where", "why"})
_AMOUNTS = frozenset({"much", "many", "often", "far", "old", "big", "tall", "fast"})
_SPANS = frozenset({"longer", "time", "minutes", "hours", "days", "weeks", "months", "years"})
_PAIR_REACH = 5  # words between "than" and what it compares
_LANGUAGE_MARKERS = frozenset({"in", "into", "to", "using"})
_BETWEEN = {"than": "than", "over": "over", "into": "to", "to": "to", "before": "before", "after": "after"}
_CHOOSING = {"of": "instead", "than": "rather"}  # "instead of", "rather than"


@dataclass(frozen=True, slots=True)
class Grammar:
    """Compared between two texts by the guards."""

    negated: frozenset[str]  # stems that stand under a negation
    negations: int
    sources: frozenset[str]  # stems after "from"
    targets: frozenset[str]  # stems after "to", "into" where a "from" or a pair makes it a direction
    pairs: frozenset[tuple[str, str, str]]  # (relation, left stem, right stem)
    asks: str  # who, when, where, why, how-much; empty where unclear
    wanted_languages: frozenset[str]  # "in French", "to Rust"
    written_in: str  # language or script; empty where unclear
    content: tuple[str, ...]  # stems of content words, in order


def grammar_of(words: Words, lexicon: Lexicon) -> Grammar:
    """Read the small words of a text."""
    negated, negations = _negations(words, lexicon)
    content = tuple(root for word, root in zip(words.folded, words.stems, strict=True) if word not in lexicon.stop)
    return Grammar(
        negated=negated,
        negations=negations,
        sources=frozenset(_after(words, "from", lexicon)),
        targets=frozenset([*_after(words, "to", lexicon), *_after(words, "into", lexicon)]),
        pairs=frozenset(_pairs(words, lexicon)),
        asks=_asks(words.folded),
        wanted_languages=_wanted_languages(words, lexicon),
        written_in=_written_in(words, lexicon.function_words),
        content=content,
    )


def _negations(words: Words, lexicon: Lexicon) -> tuple[frozenset[str], int]:
    folded = words.folded
    if lexicon.negations.isdisjoint(folded):
        return frozenset(), 0
    joined = words.joined
    excused = sum(joined.count(idiom) for idiom in lexicon.negation_idioms)
    governed: set[str] = set()
    count = 0
    for index, word in enumerate(folded):
        if word in lexicon.negations and not (word == "no" and index == 0):
            count += 1
            near = range(index + 1, min(index + 6, len(folded)))
            governed.update([words.stems[each] for each in near if folded[each] not in lexicon.negation_passed][:1])
    return (frozenset(), 0) if count <= excused else (frozenset(governed), count - excused)


def _after(words: Words, marker: str, lexicon: Lexicon) -> list[str]:
    """The content word that follows each `marker`, past articles and pronouns."""
    found = []
    for index, word in enumerate(words.folded):
        if word == marker:
            near = range(index + 1, min(index + 4, len(words.folded)))
            found += [words.stems[each] for each in near if words.folded[each] not in lexicon.stop][:1]
    return found


def _pairs(words: Words, lexicon: Lexicon) -> list[tuple[str, str, str]]:
    """Content words on both sides of a word that gives them an order."""
    found = []
    for index, word in enumerate(words.folded):
        relation = _BETWEEN.get(word)
        if word in _CHOOSING and index and words.folded[index - 1] == _CHOOSING[word]:
            relation = "instead"
        if relation is None:
            continue
        before = range(index - 1, max(index - 1 - _PAIR_REACH, -1), -1)
        after = range(index + 1, min(index + 1 + _PAIR_REACH, len(words.folded)))
        left = next((words.stems[i] for i in before if _carries(words, i, lexicon)), None)
        right = next((words.stems[i] for i in after if _carries(words, i, lexicon)), None)
        if left is not None and right is not None and left != right:
            found.append((relation, left, right))
    return found


def _carries(words: Words, index: int, lexicon: Lexicon) -> bool:
    word = words.folded[index]
    return word not in lexicon.stop and word not in ("instead", "rather", "better", "more", "less")


def _asks(folded: tuple[str, ...]) -> str:
    """What is asked for, where that is plain. "How long" and "how come" are left open: people swap them."""
    for index, word in enumerate(folded[:3]):
        if word in _QUESTION_WORDS:
            return "who" if word in ("whom", "whose") else word
        if word == "how":
            amount, of_what = (*folded[index + 1 : index + 3], "", "")[:2]
            return "how-much" if amount in _AMOUNTS and of_what not in _SPANS else ""
    return ""


def _wanted_languages(words: Words, lexicon: Lexicon) -> frozenset[str]:
    pairs = zip(words.folded, words.folded[1:], strict=False)
    return frozenset(name for marker, name in pairs if marker in _LANGUAGE_MARKERS and name in lexicon.languages)


def _written_in(words: Words, function_words: Mapping[str, frozenset[str]]) -> str:
    if script := _script(words.folded):
        return script
    present = set(words.folded)
    votes = sorted(((len(present & listed), name) for name, listed in function_words.items()), reverse=True)
    (most, name), (second, _) = votes[0], votes[1]
    return name if most >= 2 and most > second else ""


def _script(folded: tuple[str, ...]) -> str:
    """The block of the first word outside Latin, coarse: enough that two scripts differ."""
    for word in folded:
        point = ord(word[0])
        if point >= 0x370:
            return f"script-{point // 0x400 if point < 0x1000 else 'far'}"
    return ""
