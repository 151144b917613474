"""`semcache serve` and `semcache simulate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from semcache.cli.output import store_options


@click.command()
@click.option("--host", help="Address to listen on; see SEMCACHE_HOST.")
@click.option("--port", type=int, help="Port to listen on; see SEMCACHE_PORT.")
@click.option("--upstream", help="claude, simulator, or a base URL; see SEMCACHE_UPSTREAM.")
@click.option("--mode", type=click.Choice(["off", "shadow", "exact", "semantic"]), help="How far the cache may go.")
@click.option("--embedder", help="Embedding model; see SEMCACHE_EMBEDDER.")
@click.option("--log-level", type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]), help="How much is logged.")
@store_options
def serve(data_dir: str | None, mode: str | None, **options: Any) -> None:
    """Start the service. It never falls back to the simulator by itself."""
    from semcache.request import Mode
    from semcache.service.serving import serve as run_service
    from semcache.settings import load_settings

    options["data_dir"] = Path(data_dir) if data_dir else None
    options["mode"] = Mode(mode) if mode else None
    run_service(load_settings(**options))


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8081, show_default=True, help="Port to listen on.")
@click.option(
    "--answers", type=click.Path(exists=True, dir_okay=False), help='JSONL of {"question": …, "answer": …}; else echo.'
)
@click.option("--head-delay", default=0.0, help="Seconds before an answer begins.")
@click.option("--chunk-delay", default=0.0, help="Seconds between two pieces of a stream.")
def simulate(host: str, port: int, answers: str | None, head_delay: float, chunk_delay: float) -> None:
    """Serve the simulator of the Messages API alone. Faults on demand: header x-simulator-fault."""
    import uvicorn

    from semcache.assembly import find_models_dir
    from semcache.pricing import PriceBook, find_claude_manifest
    from semcache.settings import load_settings
    from semcache.upstream.simulator import Conduct, Simulator, simulator_app

    prices = PriceBook.load(find_claude_manifest(find_models_dir(load_settings())))
    conduct = Conduct(head_delay_seconds=head_delay, chunk_delay_seconds=chunk_delay)
    simulator = Simulator(prices, answers=_table(answers) if answers else None, conduct=conduct)
    click.echo(f"simulator of the Messages API on http://{host}:{port} (no answer comes from Claude)")
    uvicorn.run(simulator_app(simulator), host=host, port=port, log_level="warning")


def _table(path: str) -> dict[str, str]:
    table = {}
    for number, line in enumerate(Path(path).read_text("utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            table[row["question"]] = row["answer"]
        except (ValueError, KeyError, TypeError):
            raise click.ClickException(f'{path}: line {number}: expected {{"question": …, "answer": …}}') from None
    return table
