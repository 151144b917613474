"""What the wording of a question says before any comparison: bound to a moment, to a person, or to what was said."""

from __future__ import annotations

import re

from semcache.decision.lexicon import lexicon
from semcache.decision.words import normal, words_of

# All patterns are alternations of fixed phrases between word boundaries: linear in the text.
_TIME_BOUND = re.compile(
    r"\b(?:today|tonight|tomorrow|yesterday|now|nowadays|currently|latest|newest|recent|recently|lately"
    r"|this (?:morning|afternoon|evening|week|weekend|month|quarter|year|season)"
    r"|(?:last|next|past|coming) (?:night|week|weekend|month|quarter|year|season|few days)"
    r"|current(?! account)|at the moment|at present|these days|so far|up to date|up-to-date|as of|just announced|breaking"
    r"|weather|forecast|news|headlines|traffic|in stock|still available|open right|live score|who won|score of"
    r"|(?:stock|share|house|gas|oil|gold) prices?|(?:what is|what's|whats|what are|how is|check) (?:the |your |my )?(?:\w{1,20} )?"
    r"(?:exchange|interest|inflation|mortgage) rates?"
    r"|prices? of|prices? for|price range|what (?:is|are) the prices?|(?:how much|what) (?:does|do|would|will) [^?]{1,40} cost|how much (?:is|are) (?:a|an|the|one)|what time is it|what day is|what date is|what year is"
    r"|status of|(?:order|delivery|shipping|shipment|payment|refund|transfer|flight|ticket|service|system|server|application|claim) status"
    r"|is (?:it|the (?:service|site|server|system)) (?:down|up|open|closed)|what's new|whats new|what is new)\b"
)
_IDIOMS = re.compile(r"\b(?:what (?:do|should|can) (?:i|we) do now|what now|from now on|until now|up to now|by now)\b")
_PERSONAL = re.compile(
    r"\b(?:my name is|my name's|call me|i was born|my (?:birthday|birth date|date of birth|address|ssn|passport) is"
    r"|my (?:phone|mobile|account|card|policy|order|customer|member|tracking|booking|reference|social security) (?:number|id|code) is"
    r"|(?:what|what's|whats|show|tell|check|give|how much)(?: me)?(?: is| are)?(?: on| in)? my (?:\w+ )?(?:balance|salary|income|debt|score|limit|spending|bill|bills|transactions)"
    r"|how much (?:money )?(?:do i|have i|did i) (?:have|owe|spend|spent|left)|how many (?:\w+ )?do i have"
    r"|when is my (?:\w+ ){0,2}(?:due|appointment|payment|bill|meeting|flight)|where is my (?:order|parcel|package|refund|delivery)"
    r"|who am i|do i have any|remind me|what did i)\b"
)
_OPENINGS = re.compile(
    r"(?:and|but|or|so|then|also|yes|yeah|yep|no|nope|ok|okay|sure|thanks|thank you|interesting|great|right|hmm|what about|how about"
    r"|why not|how come|what if|which one|which ones|why|how|really|go on|continue|more|again|what else|anything else|such as|like what)\b"
)
_EXPLETIVES = re.compile(
    r"\b(?:is it (?:possible|safe|ok|okay|legal|necessary|normal|better|worth|free|true)|does it (?:take|cost|matter)|it (?:is|was) possible"
    r"|(?:is|are|was|were) there|there (?:is|are|was|were))\b"
)
_LEANING = frozenset(
    [
        *(
            "it",
            "its",
            "they",
            "them",
            "their",
            "theirs",
            "he",
            "she",
            "his",
            "her",
            "hers",
            "him",
            "himself",
            "herself",
        ),
        *("itself", "themselves", "this", "that", "these", "those", "one", "ones", "there", "such", "same", "other"),
        *(
            "others",
            "another",
            "else",
            "more",
            "latter",
            "former",
            "both",
            "either",
            "neither",
            "instead",
            "again",
            "too",
        ),
        *("above", "previous", "earlier", "mentioned", "said", "here", "rest", "remaining", "differ", "alternative"),
    ]
)
_COMPLEMENTS = frozenset(
    ["of", "in", "for", "from", "between", "to", "that", "with", "on", "at", "about", "by", "behind"]
)
_ENOUGH_CONTENT = 2  # content words without which a follow-up says too little by itself


def is_time_bound(text: str) -> bool:
    """Whether the right answer changes with the day: "latest", "today", prices, status, weather."""
    folded = " ".join(normal(text).casefold().split())
    return _TIME_BOUND.search(_IDIOMS.sub(" ", folded)) is not None


def is_personal(text: str) -> bool:
    """Whether the text introduces a person, or asks for the state of an account."""
    return _PERSONAL.search(" ".join(normal(text).casefold().split())) is not None


def stands_alone(text: str, history_turns: int) -> bool:
    """Whether a text can be understood without the turns before it. In doubt it cannot."""
    if history_turns == 0:
        return True
    plain = normal(text)
    words = words_of(_EXPLETIVES.sub(" ", plain.casefold())).folded
    if _opens_like_a_reply(plain.casefold().lstrip()) or not _LEANING.isdisjoint(words):
        return False
    stop = lexicon().stop
    content = sum(word not in stop for word in words)
    return content >= _ENOUGH_CONTENT and not _names_something_known(words)


def _opens_like_a_reply(folded: str) -> bool:
    """A reply's first word; a bare "why" or "how" only where nothing but a few words follow."""
    match = _OPENINGS.match(folded)
    if match is None:
        return False
    return match.group() not in ("why", "how") or len(folded.split()) <= 3


def _names_something_known(words: tuple[str, ...]) -> bool:
    """ "The sauce", "the impact": a definite thing that nothing in the sentence defines."""
    for index, word in enumerate(words):
        if word == "the" and _COMPLEMENTS.isdisjoint(words[index + 2 : index + 5]):
            return True
    return False
