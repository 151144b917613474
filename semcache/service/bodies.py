"""What the admin endpoints are sent, checked field by field."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from semcache.stores.ledger_book import Dimension, LedgerQuery

KindName = Literal["learned", "faq"]


class Strict(BaseModel):
    """Refuses fields it does not know: a misspelt condition must never widen a purge."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class FaqBody(Strict):
    """A curated answer, and where it belongs."""

    question: str
    answer: str
    variants: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    namespace: str = "default"
    model: str | None = None
    system: str | None = None


class EditBody(Strict):
    """What to change of an entry."""

    answer: str | None = Field(default=None, min_length=1)
    tags: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _names_a_change(self) -> Self:
        if self.answer is None and self.tags is None:
            raise ValueError("give answer or tags")
        return self


class PurgeBody(Strict):
    """Conditions that must all hold; at least one."""

    namespace: str | None = None
    tag: str | None = None
    model: str | None = None
    kind: KindName | None = None
    created_before: float | None = None
    older_than_seconds: float | None = Field(default=None, ge=0)
    entry_ids: tuple[str, ...] | None = None
    text: str | None = None
    near: str | None = Field(default=None, min_length=1)
    similarity: float = Field(default=0.85, ge=-1, le=1)
    dry_run: bool = False

    @model_validator(mode="after")
    def _names_a_condition(self) -> Self:
        if not self.model_fields_set - {"similarity", "dry_run"}:
            raise ValueError("name at least one condition; to remove everything, purge by namespace")
        if self.created_before is not None and self.older_than_seconds is not None:
            raise ValueError("give created_before or older_than_seconds, not both")
        return self


class FeedbackBody(Strict):
    """A person's word on an answer, named by its entry, its message or its request."""

    entry: str | None = None
    message: str | None = None
    request: str | None = None
    right: bool | None = None
    verdict: Literal["right", "wrong"] | None = None
    question: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.right is None) == (self.verdict is None):
            raise ValueError("give right (true or false) or verdict (right or wrong), one of the two")
        if sum(name is not None for name in (self.entry, self.message, self.request)) != 1:
            raise ValueError("name the answer by one of entry, message and request: an id from a response")
        return self

    @property
    def reference(self) -> tuple[str, str]:
        """The field that was given, and its id."""
        named = (("entry", self.entry), ("message", self.message), ("request", self.request))
        return next((name, value) for name, value in named if value is not None)

    @property
    def is_right(self) -> bool:
        return self.right if self.right is not None else self.verdict == "right"


class SavingsQuery(Strict):
    """Which rows of the ledger, what they are grouped by, at which prices, and in which form."""

    since: float | None = None
    until: float | None = None
    namespace: str | None = None
    label: str | None = None
    model: str | None = None
    tag: str | None = None
    by: Dimension | None = None
    prices_of: date | None = None
    format: Literal["json", "csv"] = "json"

    def query(self) -> LedgerQuery:
        return LedgerQuery(
            self.since,
            self.until,
            self.namespace,
            self.label,
            self.model,
            self.tag,
            () if self.by is None else (self.by,),
        )
