"""`semcache serve` and `semcache simulate`."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from semcache.cli.output import Duration, store_options


@click.command()
@click.option("--host", help="Address to listen on; see SEMCACHE_HOST.")
@click.option("--port", type=int, help="Port to listen on; see SEMCACHE_PORT.")
@click.option("--upstream", help="claude, simulator, or a base URL; see SEMCACHE_UPSTREAM.")
@click.option("--mode", type=click.Choice(["off", "shadow", "exact", "semantic"]), help="How far the cache may go.")
@click.option("--embedder", help="Embedding model; see SEMCACHE_EMBEDDER.")
@click.option("--record", type=click.Path(dir_okay=False), help="Append every request and answer to this file.")
@click.option("--workers", type=click.IntRange(1), help="Worker processes that share the store; see SEMCACHE_WORKERS.")
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
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8081, show_default=True, help="Port to listen on; 0: any free one."
)
@click.option(
    "--answers", type=click.Path(exists=True, dir_okay=False), help='JSONL of {"question": …, "answer": …}; else echo.'
)
@click.option(
    "--head-delay", type=Duration(), default="0s", show_default=True, help="Before an answer begins: 50ms, 2s, …"
)
@click.option("--chunk-delay", type=Duration(), default="0s", show_default=True, help="Between two pieces of a stream.")
@click.option(
    "--batch-seconds", type=click.FloatRange(min=0), default=60, show_default=True, help="Until a batch has ended."
)
def simulate(host: str, port: int, answers: str | None, batch_seconds: float, **delays: float) -> None:
    """Serve the simulator of the Messages API alone. Faults on demand: header x-simulator-fault."""
    import uvicorn

    from semcache.opening import find_models_dir
    from semcache.pricing import PriceBook, find_claude_manifest
    from semcache.settings import load_settings
    from semcache.upstream.simulator import BatchConduct, Conduct, Simulator, simulator_app

    prices = PriceBook.load(find_claude_manifest(find_models_dir(load_settings())))
    conduct = Conduct(head_delay_seconds=delays["head_delay"], chunk_delay_seconds=delays["chunk_delay"])
    with _bound(host, port) as listener, suppress(KeyboardInterrupt):
        where = f"{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        # Clients fetch a batch's results where it says they are: here, and not at Claude, with the caller's key.
        batches = BatchConduct(seconds=batch_seconds, results_base_url=f"http://{where}")
        conduct = replace(conduct, batches=batches)
        simulator = Simulator(prices, answers=_table(answers) if answers else None, conduct=conduct)
        click.echo(f"simulator of the Messages API on http://{where} (no answer comes from Claude)")
        config = uvicorn.Config(simulator_app(simulator), log_level="warning", ws="none", proxy_headers=False)
        uvicorn.Server(config).run(sockets=[listener])


def _bound(host: str, port: int) -> socket.socket:
    """A listening socket: a port that is taken is one line, before anything is said to be served."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        problem = (error.strerror or str(error)).partition(" (while")[0]
        raise click.ClickException(
            f"cannot listen on {host}:{port}: {problem}; choose another --host or --port"
        ) from None


def _table(path: str) -> dict[str, str]:
    table = {}
    for number, line in enumerate(_lines(Path(path)), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            question, answer = row["question"], row["answer"]
        except (ValueError, KeyError, TypeError, RecursionError):
            question = answer = None
        if not isinstance(question, str) or not isinstance(answer, str):
            raise click.ClickException(f'{path}: line {number}: expected {{"question": "…", "answer": "…"}}')
        table[question] = answer
    return table


def _lines(path: Path) -> list[str]:
    """Split at line feeds only: JSON texts may hold other separators as they are."""
    try:
        return path.read_text("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise click.ClickException(f"{path}: not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise click.ClickException(f"{path}: cannot be read: {error.strerror}") from None
