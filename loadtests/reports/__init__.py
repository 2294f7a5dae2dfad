"""Reports of runs, for people and for machines: tables, JSON, pages, and the figures that later benches compare with."""

from .report import advices, as_json, page, table
from .results import Row, load, machine, save, save_cluster, save_search

__all__ = [
    "Row",
    "advices",
    "as_json",
    "load",
    "machine",
    "page",
    "save",
    "save_cluster",
    "save_search",
    "table",
]
