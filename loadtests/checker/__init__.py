"""Judges what users received from a server: histories, their reader, and every anomaly by name."""

from .anomaly import Anomaly
from .checker import Checker, Report
from .command import judge_file
from .fold import Fold
from .history import HistoryError, HistoryFile, Line, Received, Record, Recorder, as_line
from .order import Order, span, spans
from .presence import Presence
from .recorded import RecordedClient
from .run_log import ended_run
from .version import agree, constant, same, without_names

__all__ = [
    "Anomaly",
    "Checker",
    "Fold",
    "HistoryError",
    "HistoryFile",
    "Line",
    "Order",
    "Presence",
    "Received",
    "Record",
    "RecordedClient",
    "Recorder",
    "Report",
    "agree",
    "as_line",
    "constant",
    "ended_run",
    "judge_file",
    "same",
    "span",
    "spans",
    "without_names",
]
