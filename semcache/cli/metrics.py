"""`semcache metrics`: a dashboard for Grafana and alert rules for Prometheus, made for the metrics of this version."""

from __future__ import annotations

from importlib.resources import files

import click


@click.group()
def metrics() -> None:
    """Print what makes the service's /metrics useful."""


@metrics.command()
def grafana() -> None:
    """Print a dashboard: `semcache metrics grafana > semcache.json`, then import the file in Grafana."""
    click.echo(_shipped("grafana.json"), nl=False)


@metrics.command()
def rules() -> None:
    """Print alert rules: `semcache metrics rules > semcache.yml`, then name the file under rule_files."""
    click.echo(_shipped("alerts.yml"), nl=False)


def _shipped(name: str) -> str:
    return files("semcache.service").joinpath(name).read_text("utf-8")
