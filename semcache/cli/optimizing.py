"""`semcache optimize`: shorter system prompts, examined before anybody uses them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semcache.cli.opening import opened
from semcache.cli.optimizing_calls import Calls
from semcache.cli.optimizing_inputs import prompts_of, workshop_of
from semcache.cli.optimizing_tables import print_examination, print_versions
from semcache.cli.output import json_option, money, print_json, store_options

if TYPE_CHECKING:
    from semcache.client import SemanticCache
    from semcache.optimizing.drafts import Draft
    from semcache.optimizing.examining import Examination, Prompt, Workshop
    from semcache.strategies.approved_prompts import Sides

DEFAULT_CONTROL_SHARE = 0.1


class PromptCommands(click.Group):
    """What is none of its commands is the file of a prompt to be examined."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["examine", *args]
        return super().parse_args(ctx, args)


@click.group(cls=PromptCommands)
def optimize() -> None:
    """Shorten system prompts: `semcache optimize FILE`, or `--costliest N`.

    Proposes shorter versions with a Claude model, checks that no instruction is lost, asks recorded requests with both,
    and compares the answers. A version is used once it is approved; `revert` takes it back.
    """


@optimize.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--costliest", type=click.IntRange(min=1), help="The N system prompts that have cost most.")
@click.option(
    "--requests",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Requests to try it on: JSONL as `serve --record` writes it, Messages bodies, or prompts.",
)
@click.option("--most-requests", type=click.IntRange(min=1), default=50, show_default=True, help="Tried of them.")
@click.option("--model", help="Claude model that proposes; default: the judge_model of the settings, or Sonnet.")
@click.option("--target", default="claude-sonnet-5-5", show_default=True, help="Model of requests that name none.")
@click.option("--versions", type=click.IntRange(1, 8), default=3, show_default=True, help="How many are asked for.")
@click.option("--review", is_flag=True, help="Let Claude look for lost instructions too.")
@click.option("--requests-per-month", type=click.FloatRange(min=0), help="How often the prompt is sent.")
@click.option("--batch", is_flag=True, help="Try them in one Message Batch: half the price, done within a day.")
@click.option("--approve", is_flag=True, help="Approve the shortest version that nothing speaks against.")
@click.option(
    "--control-share",
    type=click.FloatRange(0, 1),
    default=DEFAULT_CONTROL_SHARE,
    show_default=True,
    help="Share of conversations that keep the original once a version is approved.",
)
@click.option("--upstream", help="claude, simulator, or a base URL; see SEMCACHE_UPSTREAM.")
@store_options
@json_option
def examine(file: Path | None, costliest: int | None, as_json: bool, **options: Any) -> None:
    """Examine shorter versions of the system prompt in FILE. Every call is paid for and booked as overhead.

    With --batch the trials, and what Claude judges of them, wait for batches. After an interrupt the same command goes
    on where it was, and pays for nothing twice.

    With --approve the exit code is 1 where something speaks against every version.
    """
    if (file is None) == (costliest is None):
        raise click.UsageError("give the file of a system prompt, or --costliest N")
    with opened(**{name: options.pop(name) for name in ("data_dir", "store", "upstream")}) as cache:
        calls = Calls(cache, waits=options["batch"], is_quiet=as_json)
        workshop = workshop_of(cache, options, calls)
        prompts = prompts_of(cache, file, costliest, options, workshop)
        views = [_kept(cache, examination, options) for examination in _examinations(workshop, prompts, calls)]
        calls.end(is_done=True)
    if as_json:
        print_json({"prompts": views, "spent_usd": calls.spent_usd})
    else:
        for view in views:
            print_examination(view)
        unpriced = f" {calls.unpriced} calls have no known price." if calls.unpriced else ""
        click.echo(f"This has cost ${money(calls.spent_usd)}.{unpriced}")
    if options["approve"] and not all(view["approved"] for view in views):
        raise click.exceptions.Exit(1)


@optimize.command("list")
@store_options
@json_option
def list_(as_json: bool, **where: str | None) -> None:
    """Versions that are in use, were reverted, or wait for approval."""
    from semcache.optimizing.drafts import read_drafts
    from semcache.optimizing.reporting import approved_view, draft_view
    from semcache.strategies.approved_prompts import read_approved

    with opened(**where) as cache:
        store = cache.parts.assembly.store
        sides = _sides(cache)
        approved = read_approved(store)
        known = {version.id for version in approved}
        waiting = [draft for draft in read_drafts(store) if draft.version.id not in known]
        views = [*(approved_view(each, sides) for each in approved), *(draft_view(each) for each in waiting)]
    if as_json:
        print_json({"versions": views})
    elif views:
        print_versions(views)
    else:
        click.echo("No version of a system prompt was examined yet: semcache optimize FILE")


@optimize.command()
@click.argument("hash")
@click.option("--control-share", type=click.FloatRange(0, 1), help="Share of conversations that keep the original.")
@click.option("--force", is_flag=True, help="Although something speaks against it.")
@store_options
@json_option
def approve(hash: str, control_share: float | None, force: bool, as_json: bool, **where: str | None) -> None:
    """Use the version with this HASH, or its beginning, in the place of its original."""
    from semcache.errors import InvalidRequest
    from semcache.optimizing.drafts import find_draft

    with opened(**where) as cache:
        draft = find_draft(cache.parts.assembly.store, hash)
        if draft.objections and not force:
            raise InvalidRequest(f"{draft.version.id}: {'; '.join(draft.objections)}; --force approves it all the same")
        _approve(cache, draft, control_share)
        is_on = "prompt_optimisation" in cache.parts.settings.strategies
    _tell(
        {"approved": draft.version.id, "is_on": is_on},
        f"{draft.version.id} is approved: {draft.version.tokens_before - draft.version.tokens_after} tokens less each "
        "time. A running service uses it within half a minute."
        + ("" if is_on else "\nNothing uses it yet: add prompt_optimisation to `strategies` in the settings."),
        as_json=as_json,
    )


@optimize.command()
@click.argument("hash")
@store_options
@json_option
def revert(hash: str, as_json: bool, **where: str | None) -> None:
    """Use the original again; HASH is that of the version or of the prompt, or its beginning."""
    from semcache.errors import InvalidRequest
    from semcache.strategies.approved_prompts import ApprovedPrompts, read_approved

    with opened(**where) as cache:
        store = cache.parts.assembly.store
        in_use = [each for each in read_approved(store) if each.reverted_at is None]
        found = [each for each in in_use if hash and (each.id.startswith(hash) or each.original.startswith(hash))]
        if len(found) != 1:
            raise InvalidRequest(f"{hash or 'hash'}: not one version in use is called so; see `semcache optimize list`")
        ApprovedPrompts(store, clock=cache.parts.assembly.cache.now).revert(found[0].original)
    said = f"{found[0].id} is reverted: new conversations get the original within half a minute."
    _tell({"reverted": found[0].id}, said, as_json=as_json)


def _examinations(workshop: Workshop, prompts: list[Prompt], calls: Calls) -> Iterable[Examination]:
    """One after the other; where they wait, all together."""
    from semcache.errors import UpstreamError

    if not calls.waits:
        return map(workshop.examined, prompts)
    try:
        return workshop.examined_all(prompts)
    except UpstreamError:  # the same command is to ask anew, and not to find this again
        calls.end(is_done=False)
        raise


def _kept(cache: SemanticCache, examination: Examination, options: dict[str, Any]) -> dict[str, Any]:
    from semcache.optimizing.drafts import keep_drafts
    from semcache.optimizing.reporting import drafts_of, examination_view

    drafts = drafts_of(examination, now=time.time(), control_share=options["control_share"])
    keep_drafts(cache.parts.assembly.store, drafts)
    chosen = next((draft for draft in drafts if not draft.objections), None) if options["approve"] else None
    if chosen is not None:
        _approve(cache, chosen, None)
    return {**examination_view(examination, drafts), "approved": None if chosen is None else chosen.version.id}


def _approve(cache: SemanticCache, draft: Draft, control_share: float | None) -> None:
    from dataclasses import replace

    from semcache.strategies.approved_prompts import ApprovedPrompts

    version = replace(draft.version, approved_at=cache.parts.assembly.cache.now(), reverted_at=None)
    if control_share is not None:
        version = replace(version, control_share=control_share)
    ApprovedPrompts(cache.parts.assembly.store, clock=cache.parts.assembly.cache.now).approve(version)


def _sides(cache: SemanticCache) -> Sides:
    """As the service last wrote them; nothing where they cannot be read."""
    from semcache.strategies.approved_prompts import SIDES_DOCUMENT, Sides

    sides, content = Sides(), cache.parts.assembly.store.load_document(SIDES_DOCUMENT)
    try:
        sides.restore(content or b"{}")
    except (ValueError, TypeError, KeyError):
        return Sides()
    return sides


def _tell(view: dict[str, Any], said: str, *, as_json: bool) -> None:
    if as_json:
        print_json(view)
    else:
        click.echo(said)
