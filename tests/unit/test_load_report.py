"""What is told of a run: a table, figures for machines, and a page that stands alone."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from salon.loadtests.bench.agents import Figures
from salon.loadtests.bench.command import _compare
from salon.loadtests.reports.plot import nice, plot
from salon.loadtests.reports.report import advices, as_json, figures, page, table
from salon.loadtests.reports.results import Row, load, save, save_search
from salon.loadtests.scenarios.runner import Result
from salon.loadtests.scenarios.scenario import Scenario
from salon.loadtests.users import RunError
from salon.loadtests.users.figures import Sample, Tally


def result(**changes: object) -> Result:
    """Two seconds in which a hundred deliveries came, and none in the third half-second."""
    tally = Tally(sent=30, accepted=25, deliveries=100, cpu=0.4, busiest=0.4)
    tally.samples = [
        Sample(at, deliveries=n) for at, n in ((0.0, 40), (0.5, 40), (1.0, 0), (1.5, 20))
    ]
    for sample in tally.samples:
        sample.delivery.add(0.020, sample.deliveries)
        sample.receipt.add(0.010, 5)
        sample.receipts = 5
    plan = Scenario("mine", about='to <see> & "try"', seconds=2.0)
    made = Result(plan, "http://127.0.0.1:1", 4, tally, 25, 1, server_cpu=0.1, server_memory=2**20)
    return replace(made, **changes)  # type: ignore[arg-type]


def spoiled() -> Result:
    found = result()
    found.tally.anomaly("lost", "<script>alert(1)</script>")
    return found


class Page(HTMLParser):
    """Reads a page: every tag that is opened is closed; what it would load; its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open[-1] == "p" != tag:  # HTML closes a paragraph by itself
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


class TestThePage:
    @pytest.mark.parametrize("shown", [result(), spoiled()])
    def test_is_whole_and_loads_nothing(self, shown: Result) -> None:
        text = page(shown)
        read = Page(text)
        assert read.open == []
        assert not {tag for tag, _ in read.tags} & {"script", "link", "img", "iframe"}
        assert not [a for _, attributes in read.tags for a in attributes if a in ("src", "href")]
        assert not re.search(r"url\(|@import", text)
        assert "$" not in text

    def test_says_what_was_tried_and_that_all_was_well(self) -> None:
        text = Page(page(result())).text
        assert 'to <see> & "try"' in text
        assert "Every message arrived everywhere, once and in order." in text
        for name, value in figures(result()):
            assert name in text
            assert value in text

    def test_says_what_was_wrong(self) -> None:
        text = Page(page(spoiled())).text
        assert "Not all is well." in text
        assert "lost: <script>alert(1)</script>" in text

    def test_shows_a_stall_as_nothing(self) -> None:
        """An interval without deliveries is a point at the bottom, and no line across it."""
        first = next(a for tag, a in Page(page(result())).tags if tag == "polyline")
        heights = [float(point.split(",")[1]) for point in (first["points"] or "").split()]
        assert len(heights) == 4
        assert max(heights) == heights[2] > heights[3] > heights[0]

    def test_marks_the_burst_and_the_storm(self) -> None:
        plan = Scenario(
            "x", seconds=2.0, storm=1.0, burst_from=0.5, burst_until=1.5, burst_factor=3
        )
        text = Page(page(result(scenario=plan))).text
        assert "all drop" in text
        assert "3 times the load" in text


class TestForMachines:
    def test_is_json_with_all_figures(self) -> None:
        read = json.loads(json.dumps(as_json(result())))
        assert read["deliveries"] == 100
        assert read["deliveries_per_second"] == 50.0
        assert read["cpu_us_per_delivery"] == 1000.0
        assert read["load_cpu_us_per_delivery"] == 4000.0
        assert (read["accepted"], read["stored"]) == (25, 25)
        assert read["delivery_ms"]["p50"] == pytest.approx(20, rel=0.05)
        assert read["delivery_ms"]["max"] == 20.0
        assert read["well"] is True
        assert json.loads(json.dumps(as_json(spoiled())))["wrong"] == {"lost": 1}

    def test_nothing_delivered_is_not_well(self) -> None:
        empty = result(tally=Tally())
        assert not empty.well
        assert as_json(empty)["advice"] == ["nothing was delivered in the measured time"]
        assert Page(page(empty)).open == []


class TestForPeople:
    def test_a_table_has_every_figure(self) -> None:
        out = io.StringIO()
        Console(file=out, width=120).print(table(result()))
        for name, value in figures(result()):
            assert name in out.getvalue()
            assert value in out.getvalue()

    def test_comings_and_goings_are_told_where_there_were_any(self) -> None:
        assert not any("reconnects" in name for name, _ in figures(result()))
        tally = Tally(reconnects=1200, rejoins=3, lagging=2, resets=1)
        tally.closes[4003] = 2
        rows = dict(figures(result(tally=tally)))
        assert rows["1,200 reconnects p50 / p99 / max"] == "–"
        assert rows["left and joined again"] == "3"
        assert rows["closed, by code"] == "2 4003"

    def test_the_limit_that_stood_in_the_way_is_named(self) -> None:
        shown = result()
        shown.tally.refused.update({"RATE_LIMITED": 7, "INTERNAL_ERROR": 1})
        (advice,) = advices(shown)
        assert "limits.message_rate" in advice

    def test_a_load_tool_at_its_end_says_so(self) -> None:
        shown = result()
        shown.tally.busiest = 1.95
        (advice,) = advices(shown)
        assert "--processes 2" in advice


class TestPlots:
    @given(st.floats(1e-6, 1e12))
    def test_ticks_are_round_few_and_reach_the_top(self, top: float) -> None:
        ticks = nice(top)
        assert ticks[0] == 0
        assert top * 0.99 <= ticks[-1] <= top * 2.1
        assert 3 <= len(ticks) <= 7
        assert all(one < other for one, other in pairwise(ticks))
        assert f"{ticks[1]:.1e}"[0] in "125"

    def test_of_nothing_is_drawn_too(self) -> None:
        drawn = plot("Nothing", [], {"none": []}, 1.0)
        assert Page(drawn).open == []

    def test_of_a_long_run_has_no_point_for_each_moment(self) -> None:
        times = [float(n) for n in range(7200)]
        assert "<circle" not in plot("Long", times, {"one": times}, 7200.0)


class TestBench:
    def row(self, name: str, cpu: float, *, well: bool = True) -> Row:
        return Row(name, "salon load", 1000, cpu, 2.0, 1.0, 2.0, 1.0, 2.0, 600, 5.0, 6200.0, well)

    def compared(self, *rows: Row) -> tuple[int, str]:
        out = io.StringIO()
        recorded = {"a": {"cpu": 10.0, "floor_cpu": 2.0}, "b": {"cpu": 10.0, "floor_cpu": 0.0}}
        code = _compare(Console(file=out, width=200), list(rows), recorded)
        return code, out.getvalue()

    @pytest.mark.parametrize(
        ("name", "cpu", "well", "code", "verdict"),
        [
            ("a", 29.9, True, 0, "ok"),
            ("a", 30.1, True, 1, "TOO MUCH"),
            ("a", 10.0, False, 1, "NOT WELL"),
            ("b", 10.0, True, 1, "NOT RECORDED"),
            ("c", 10.0, True, 1, "NOT RECORDED"),
        ],
    )
    def test_compares_with_what_was_recorded(
        self, name: str, cpu: float, well: bool, code: int, verdict: str
    ) -> None:
        found, text = self.compared(self.row(name, cpu, well=well))
        assert found == code
        assert text.strip().endswith(verdict)

    def test_writes_a_page_and_reads_it_again(self, tmp_path: Path) -> None:
        results = tmp_path / "RESULTS.md"
        rows = [self.row("a", 10.0), self.row("b", 3.0)]
        answers = [Figures(0).as_rows(), Figures(200, core=0.5, token_p99=9.0).as_rows()]
        save(results, rows, {"a send": 123.4}, {"a room": 2.5}, answers)
        assert load(results)["a"]["cpu"] == 10.0
        text = results.read_text()
        assert "| a | 10.00 µs | 2.00 µs | 1,000 | 1.0 / 2.0 ms |" in text
        assert "| a send | 123 µs |" in text
        assert "| a room | 2.5 KiB |" in text
        assert "| none | 0 % | – | – | – | 0.0 / 0.0 ms | – |" in text
        assert "| 200 | 50 % | 0 µs | 0.0 µs | 0.0 / 9.0 ms | 0.0 / 0.0 ms | 0.0 KiB |" in text
        assert "a: the last is live again after 6.2 s." in text

    def test_keeps_what_was_measured_of_search_until_it_is_measured_again(
        self, tmp_path: Path
    ) -> None:
        results = tmp_path / "RESULTS.md"
        kind = {"name": "a word", "p50": 1.0, "p95": 2.0, "p99": 3.0, "most": 4.0, "hits": 5.0}
        with pytest.raises(RunError, match="run 'salon bench' first"):
            save_search(results, 1_000, [kind])
        save(results, [self.row("a", 10.0)], {}, {"a room": 2.5}, [])
        assert "Searches" not in results.read_text()
        save_search(results, 1_000, [kind])
        save(results, [self.row("a", 11.0)], {}, {"a room": 2.5}, [])
        text = results.read_text()
        assert "| a | 11.00 µs |" in text
        assert "Searches in a store of 1,000 messages" in text
        assert "| a word | 1.0 | 2.0 | 3.0 | 4.0 | 5.0 |" in text
