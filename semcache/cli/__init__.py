"""The command line: arguments in, tables or JSON out; every act is done by the library or the service."""

from __future__ import annotations

import click

from semcache import __version__
from semcache.cli.asking import ask, lookup
from semcache.cli.batches import batch
from semcache.cli.bench import bench
from semcache.cli.curating import feedback, import_, purge, stats
from semcache.cli.demo import demo
from semcache.cli.deploying import deployment
from semcache.cli.examining import doctor
from semcache.cli.metrics import metrics
from semcache.cli.modelling import models
from semcache.cli.optimizing import optimize
from semcache.cli.output import CommandLine
from semcache.cli.quality import quality
from semcache.cli.replaying import replay
from semcache.cli.savings import savings
from semcache.cli.serving import serve, simulate
from semcache.cli.storing import store
from semcache.cli.warming import warm


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="semcache", prog_name="semcache")
@click.option("--debug", is_flag=True, help="Show the trace of an error.")
@click.pass_context
def main(context: click.Context, debug: bool) -> None:
    """A semantic response cache for the Claude API: right, or not served.

    Settings come from semcache.toml, the environment (SEMCACHE_…) and options, the later winning.
    """
    context.obj = debug


COMMANDS = (
    serve, demo, ask, lookup, import_, stats, savings, replay, quality, purge, feedback, simulate, models, doctor,
    batch, optimize, store, warm, metrics, deployment, bench,
)  # fmt: skip
for command in COMMANDS:
    main.add_command(command)
