"""Whether a question leans on what was said before it, and by what."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from semcache.decision.leaning_reading import Question, leanings, names_a_thing, qualifies, read_question
from semcache.decision.lexicon import lexicon
from semcache.decision.words import stem, words_of

_PHRASE_REACH = 4  # words after a noun within which its complement begins
_ASKED_OF = (("what",), ("which",), ("whom",), ("whose",))  # "in which"
_ENOUGH = 3  # content words that say enough where nothing else anchors a question
_ENOUGH_IN_A_FRAME = 2  # in "how do I … my …" and "the … of …"


def leaning(text: str, earlier: Sequence[str]) -> str | None:
    """What in a text needs one of the earlier user texts to be understood; None where nothing does.

    Without earlier texts only what points outright is taken for leaning. In doubt a text leans.
    """
    question = read_question(text, earlier)
    found = (name for name, rule in _POINTING.items() if rule(question))
    if reason := next(found, None):
        return reason
    if not earlier:
        return None
    return next((name for name, rule in _OMITTING.items() if rule(question)), None)


def _replies(question: Question) -> bool:
    return leanings().replies.match(question.plain) is not None


def _refers(question: Question) -> bool:
    """Find a word that stands for something which this text does not name."""
    known = leanings()
    words = words_of(known.expletives.sub(" ", question.plain)).folded
    for index, word in enumerate(words):
        if word == "that" and not _opens_clause(words, index):
            return True
        if word in known["anaphors"] and not _is_named_within(words, index):
            return True
    return False


def _opens_clause(words: tuple[str, ...], index: int) -> bool:
    """Whether "that" joins a clause to a noun or verb before it."""
    known = leanings()
    before, after = words[index - 1] if index else "", words[index + 1] if index + 1 < len(words) else ""
    if not after or not before or before in known["auxiliaries"]:
        return False
    return before in known["that_openers"] or before not in lexicon().stop


def _is_named_within(words: tuple[str, ...], index: int) -> bool:
    """Whether a pronoun stands in a second question after a thing it can mean: "What is taurine and is it safe?"."""
    known = leanings()
    if words[index] not in known["inner"] or words[0] not in known["question_openers"] | known["request_openers"]:
        return False
    joints = (place for place in range(2, index) if words[place] in ("and", "or", "but"))
    joint = next((place for place in joints if words[place + 1] in known["question_openers"]), None)
    if joint is None or not known["anaphors"].isdisjoint(words[:joint]):
        return False
    return any(names_a_thing(word) for word in words[1:joint])


def _is_fragment(question: Question) -> bool:
    """No question and no request: a bare noun, a statement, an answer."""
    known, words = leanings(), question.words
    asks = question.plain.endswith("?") and not known["question_openers"].isdisjoint(words)
    openers = known["question_openers"] | known["request_openers"]
    for index, word in enumerate(words):
        wishes = word == "to" and index > 0 and words[index - 1] in known["wishes"]
        if word in openers or wishes:
            return False
        if word not in known["courtesy"]:
            follows_preposition = word in known["complements"] and words[index + 1 : index + 2] in _ASKED_OF
            return not (asks or follows_preposition)
    return True


def _is_bare(question: Question) -> bool:
    """Too few words that say what it is about. One is enough where the question is what that one is."""
    anchors = set(question.content) | question.named
    if not anchors:
        return True
    is_own = "my" in question.words or "i" in question.words
    is_of = "of" in question.words and not leanings()["relational"].isdisjoint(question.words)
    enough = _ENOUGH_IN_A_FRAME if is_own or is_of else _ENOUGH
    if len(anchors) >= enough or question.named or _echoes(question):
        return False
    naming = leanings().naming.fullmatch(question.plain)
    named = set(words_of(naming["named"]).folded) if naming is not None else set()
    return named.isdisjoint(question.content) or not named.isdisjoint(leanings()["complements"])


def _echoes(question: Question) -> bool:
    """Whether it names again what was spoken of."""
    said = {stem(word) for words in question.earlier for word in words}
    return any(stem(word) in said for word in question.content)


def _names_something_known(question: Question) -> bool:
    """Find a definite thing ("the sauce") that nothing in the sentence defines."""
    known = leanings()
    naming = known.naming.fullmatch(question.plain)
    named = words_of(naming["named"]).folded if naming is not None else ()
    for index, word in enumerate(question.words):
        if word != "the":
            continue
        phrase = question.words[index + 1 : index + 2 + _PHRASE_REACH]
        if phrase[:1] and (phrase[0] in known["unique"] or question.named & set(phrase[:3])):
            continue
        if len(phrase) > 1 and phrase == named and set(phrase) <= set(question.content):
            continue  # "the selfie stick": a kind of thing
        if known["complements"].isdisjoint(phrase[1:]):
            return True
    return False


def _is_half_relation(question: Question) -> bool:
    """Find a noun that is of something ("the symptoms", "types") without what it is of."""
    known = leanings()
    return any(
        word in known["relational"] and not _is_completed(question, index) for index, word in enumerate(question.words)
    )


def _is_completed(question: Question, index: int) -> bool:
    known, words = leanings(), question.words
    word, before, after = words[index], words[index - 1] if index else "", words[index + 1 : index + 2 + _PHRASE_REACH]
    is_modified = names_a_thing(before) or before in question.named
    acts = bool(after) and after[0] in known["auxiliaries"] - known["being"]  # "what symptoms does influenza cause"
    subject = acts and any(map(names_a_thing, after[1:]))
    if word in known["two_sided"]:
        return is_modified or not known["joining"].isdisjoint(after)
    if word in known["role_nouns"]:
        return subject or not known["role_places"].isdisjoint(words[index + 2 :])
    if word in known["acting"]:
        return is_modified or subject or "of" in after[:3]
    if is_modified or subject or (after and names_a_thing(after[0])):
        return True
    completing = known["complements"] - known["clause_openers"]
    return not completing.isdisjoint(after[:2]) and any(map(names_a_thing, words[index + 2 :]))


def _chooses(question: Question) -> bool:
    """Find a choice from a set that is not given: "which team", "what kind"."""
    known, words = leanings(), question.words
    for index, word in enumerate(words[:-1]):
        following = words[index + 1]
        is_determiner = word == "which" and index < 2
        if word == "what" and index < 2 and following not in lexicon().stop and index + 2 < len(words):
            is_determiner = words[index + 2] in known["auxiliaries"] or words[index + 2] == "to"
        if is_determiner and not question.named and known["complements"].isdisjoint(words[index + 2 :]):
            return True
    return False


def _has_no_place(question: Question) -> bool:
    """Find "are there any festivals", "what are popular dishes": where, or of what, was said before."""
    known, words = leanings(), question.words
    asks_existence = words[:2] in (("are", "there"), ("is", "there")) or words[:3] == ("what", "are", "some")
    ranks = words[:1] == ("what",) and any(word in known["evaluative"] for word in words[1:5])
    if not asks_existence and (question.named or not ranks):
        return False
    return (known["fields"] - {"to", "with"} if asks_existence else known["complements"]).isdisjoint(words[3:])


def _lacks_standard(question: Question) -> bool:
    """A comparison that does not say with what."""
    known, words = leanings(), question.words
    for index, word in enumerate(words):
        rest = words[index + 1 :]
        if (
            word in known["comparing"]
            and not (rest and names_a_thing(rest[0]))
            and known["standards"].isdisjoint(words)
        ):
            return True
        is_superlative = word in known["superlatives"] or (
            word.endswith("est") and words[index - 1 : index] == ("the",)
        )
        names_no_kind = not rest or rest[0] == "ever"
        has_no_field = known["fields"].isdisjoint(words) and question.named.isdisjoint(rest)
        if is_superlative and (names_no_kind or has_no_field):
            return True
        is_comparative = word in (
            "better",
            "worse",
            "less",
            "fewer",
            "cheaper",
            "faster",
            "bigger",
            "larger",
            "smaller",
        )
        if is_comparative and known["standards"].isdisjoint(rest) and "or" not in words:
            return True
    return False


def _counts_nothing(question: Question) -> bool:
    """Find "how much is owed", "how many are": the noun stands in an earlier turn."""
    known, words = leanings(), question.words
    for index in range(len(words) - 1):
        if (
            words[index] in ("any", "some", "many", "several")
            and words[index + 1] in known["comparing"] | known["complements"]
        ):
            return True
        if index < 2 and words[index] in known["auxiliaries"] and words[index + 1] in ("being", "been", "used", "done"):
            return True
        if words[index] == "how" and words[index + 1] in ("much", "many"):
            following = words[index + 2] if index + 2 < len(words) else ""
            measured = not known["measure_verbs"].isdisjoint(words[index + 3 :])
            if not following or following in ("of", "to") or (following in known["auxiliaries"] and not measured):
                return True
    return False


def _shortens(question: Question) -> bool:
    """Find a part of a name or compound that was said in full before ("pop" of "pop music"), or its initials."""
    words, stems = question.words, tuple(map(stem, question.words))
    initials = ["".join(word[0] for word in earlier) for earlier in question.earlier]
    unsaid = question.acronyms.difference(*question.earlier)
    if any(acronym in said for acronym in {each.rstrip("s") for each in unsaid} for said in initials):
        return True
    for first, second in _compounds(question.earlier):
        if first in stems and second in stems:
            continue
        for index, word in enumerate(stems):
            before, after = words[index - 1 : index] or ("",), words[index + 1 : index + 2] or ("",)
            is_modified = qualifies(before[0]) or names_a_thing(after[0])
            if (word == second and not is_modified) or (word == first and not names_a_thing(after[0])):
                return True
    return False


def _compounds(earlier: tuple[tuple[str, ...], ...]) -> frozenset[tuple[str, str]]:
    """Neighbouring words, as stems, of which neither was ever said without the other."""
    pairs: set[tuple[str, str]] = set()
    alone: set[str] = set()
    for words in earlier:
        for index, word in enumerate(words):
            before, after = words[index - 1 : index] or ("",), words[index + 1 : index + 2] or ("",)
            is_object = index > 1 and words[index - 2] in leanings()["actors"]  # "I grow tomatoes" is no compound
            if names_a_thing(word) and qualifies(before[0]) and not is_object:
                pairs.add((stem(before[0]), stem(word)))
            elif not names_a_thing(after[0]):
                alone.add(stem(word))
    return frozenset((first, second) for first, second in pairs if first not in alone and second not in alone)


def _addresses(question: Question) -> bool:
    """Find someone's offer or place without whose: "do you serve breakfast", "is parking available"."""
    known, words = leanings(), set(question.words)
    if not words.isdisjoint(known["party"]) or (question.names_said and "you" in words):
        return True
    return question.names_said and not question.named and not words.isdisjoint(known["own"])


_POINTING: dict[str, Callable[[Question], bool]] = {
    "reply": _replies,
    "reference": _refers,
    "fragment": _is_fragment,
}
_OMITTING: dict[str, Callable[[Question], bool]] = {
    "bare": _is_bare,
    "choice": _chooses,
    "amount": _counts_nothing,
    "comparison": _lacks_standard,
    "definite": _names_something_known,
    "relation": _is_half_relation,
    "place": _has_no_place,
    "party": _addresses,
    "short-form": _shortens,
}
