"""Data files that come with semcache: the operator's own, the copy inside the package, or the repository's."""

from __future__ import annotations

from pathlib import Path

from semcache.errors import ManifestError


def find_shipped(name: str, models_dir: Path | None) -> Path:
    """The file in `models_dir`, else the one shipped in the package, else the repository's. Raises `ManifestError`."""
    package = Path(__file__).resolve().parent
    places = [package / "data" / name, package.parent / "models" / name]
    if models_dir is not None:
        places.insert(0, models_dir / name)
    for place in places:
        if place.is_file():
            return place
    raise ManifestError(f"{name}: not found; looked at {', '.join(map(str, places))}")
