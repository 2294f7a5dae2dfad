"""Members' reports of messages, as the memory store keeps them."""

from __future__ import annotations

from salon.actors.store import Report, ReportPage


class MemoryReports:
    """The reports; the one with position n is at index n - 1."""

    def __init__(self) -> None:
        self._reports: list[Report] = []
        self._known: dict[tuple[object, ...], int] = {}

    def save(self, report: Report) -> Report:
        """Keep a report, unless the same member has reported the message; the one that is kept."""
        position = self._known.setdefault(report[1:4], len(self._reports) + 1)
        if position > len(self._reports):
            self._reports.append(report._replace(position=position))
        return self._reports[position - 1]

    def close(self, position: int, by: str, outcome: str, at: int) -> Report | None:
        """Close a report, unless it is closed."""
        report = self.find(position)
        if report is not None and report.closed_at is None:
            report = report._replace(closed_at=at, closed_by=by, outcome=outcome)
            self._reports[position - 1] = report
        return report

    def find(self, position: int) -> Report | None:
        """The report at a position."""
        return self._reports[position - 1] if 0 < position <= len(self._reports) else None

    def by(self, reporter_id: str) -> tuple[Report, ...]:
        """The reports of a member."""
        return tuple(each for each in self._reports if each.reporter_id == reporter_id)

    def forget(self, reporter_id: str) -> None:
        """Forget what a member has given as reasons."""
        for each in self.by(reporter_id):
            self._reports[each.position - 1] = each._replace(reason="")

    def page(self, *, is_open: bool, before: int | None, limit: int) -> ReportPage:
        """A page, as `Store.reports` describes it."""
        end = len(self._reports) if before is None else max(before - 1, 0)
        found = [
            each for each in reversed(self._reports[:end]) if (each.closed_at is None) == is_open
        ]
        rest = found[limit - 1].position if len(found) > limit else None
        return ReportPage(tuple(found[:limit]), rest)
