"""What the order and the small words of a text say: negation, direction, the kind of question, its language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from semcache.decision.lexicon import Lexicon
from semcache.decision.words import Words, stem

_QUESTION_WORDS = frozenset({"who", "whom", "whose", "when", "where", "why"})
_AMOUNTS = frozenset({"much", "many", "often", "far", "old", "big", "tall", "fast"})
_KINDS = frozenset({"kind", "kinds", "type", "types", "sort", "sorts"})
_ASKING = frozenset({"know", "me", "wonder", "wondering", "ask", "asking"})  # before a question within a sentence
_SPANS = frozenset({"longer", "time", "minutes", "hours", "days", "weeks", "months", "years"})
_PAIR_REACH = 5  # words between "than" and what it compares
_LANGUAGE_MARKERS = frozenset({"in", "into", "to", "using"})
_BETWEEN = {"than": "than", "over": "over", "into": "to", "to": "to", "before": "before", "after": "after"}
_DETERMINERS = frozenset(
    ("the", "a", "an", "my", "our", "your", "his", "her", "their", "its", "this", "that", "these", "those", "another")
)
# fmt: off
_NO_DIRECTION = frozenset((  # before "to"
    "close", "closer", "closest", "near", "nearer", "nearest", "next", "similar", "related", "according",
    "due", "equal", "compared", "used", "able", "want", "need", "have", "has", "had", "going", "relative",
    "opposed", "thanks", "up", "respect", "addition", "prior", "subject", "allowed", "supposed", "like",
    "how", "different",
))
# fmt: on
_NEGATING = {prefix: prefix for prefix in ("un", "in", "im", "il", "ir", "de", "dis", "non", "mis")}
_SHORTEST_DENIED = 4
_CHOOSING = {"of": "instead", "than": "rather"}  # "instead of", "rather than"


@dataclass(frozen=True, slots=True)
class Grammar:
    """Compared between two texts by the guards."""

    negated: frozenset[str]  # stems that stand under a negation
    negations: int
    sources: frozenset[str]  # stems after "from"
    targets: frozenset[str]  # stems after "to", "into" where a "from" or a pair makes it a direction
    pairs: frozenset[tuple[str, str, str]]  # (relation, left stem, right stem)
    asks: str  # who, when, where, why, how-much, how-long, kind; empty where unclear
    wanted_languages: frozenset[str]  # "in French", "to Rust"
    negatives: tuple[tuple[str, str], ...]  # stems of words that deny by their form, and of what they deny
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
        negatives=tuple(_negatives(words, lexicon)),
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
    """The content word that follows each `marker` of a direction, past articles and possessives."""
    found = []
    for index, word in enumerate(words.folded):
        if word == marker and not (index and words.folded[index - 1] in _NO_DIRECTION):
            place = index + 1
            while place < len(words.folded) and words.folded[place] in _DETERMINERS:
                place += 1
            if place < len(words.folded) and words.folded[place] not in lexicon.stop:
                found.append(words.stems[place])
    return found


def _pairs(words: Words, lexicon: Lexicon) -> Iterator[tuple[str, str, str]]:
    """Content words on both sides of a word that gives them an order."""
    for index, word in enumerate(words.folded):
        relation = _BETWEEN.get(word)
        if word in _CHOOSING and index and words.folded[index - 1] == _CHOOSING[word]:
            relation = "instead"
        if relation is None:
            continue
        before = range(index - 1, max(index - 1 - _PAIR_REACH, -1), -1)
        after = range(index + 1, min(index + 1 + _PAIR_REACH, len(words.folded)))
        for left in _phrase(words, before, lexicon):
            yield from ((relation, left, right) for right in _phrase(words, after, lexicon) if left != right)


def _phrase(words: Words, places: range, lexicon: Lexicon) -> list[str]:
    """The first content word of these places, and the one right behind it."""
    for place in places:
        if _carries(words, place, lexicon):
            beside = place + places.step
            joined = beside in places and _carries(words, beside, lexicon)
            return [words.stems[place], words.stems[beside]] if joined else [words.stems[place]]
    return []


def _negatives(words: Words, lexicon: Lexicon) -> Iterator[tuple[str, str]]:
    """Read "unsubscribe" and "subscribe", "illegal" and "legal", "harmless" and "harmful"."""
    for word, root in zip(words.folded, words.stems, strict=True):
        prefix = _NEGATING.get(word[:2]) or _NEGATING.get(word[:3])
        if prefix is not None and len(word) - len(prefix) >= _SHORTEST_DENIED and root not in lexicon.not_negative:
            yield root, stem(word[len(prefix) :])
        if word.endswith("less") and len(word) > len("less") + 2:
            yield root, stem(f"{word[:-4]}ful")


def _carries(words: Words, index: int, lexicon: Lexicon) -> bool:
    word = words.folded[index]
    return word not in lexicon.stop and word not in ("instead", "rather", "better", "more", "less")


def _asks(folded: tuple[str, ...]) -> str:
    """What is asked for, where that is plain. "How come" and "how many days" are left open: people swap them."""
    for index, word in enumerate(folded):
        if index >= 3 and folded[index - 1] not in _ASKING:
            continue
        if word in _QUESTION_WORDS:
            return "who" if word in ("whom", "whose") else word
        following, of_what = (*folded[index + 1 : index + 3], "", "")[:2]
        if word == "how":
            if following == "long":
                return "how-long"
            return "how-much" if following in _AMOUNTS and of_what not in _SPANS else ""
        if word in ("what", "which") and following in _KINDS:
            return "kind"
    return ""


def _wanted_languages(words: Words, lexicon: Lexicon) -> frozenset[str]:
    pairs = zip(words.folded, words.folded[1:], strict=False)
    named = (lexicon.languages.get(name) for marker, name in pairs if marker in _LANGUAGE_MARKERS)
    return frozenset(filter(None, named))


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
