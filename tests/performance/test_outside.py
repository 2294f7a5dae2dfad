"""The client in C: what it finds at a real server, and what its figures are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from salon.loadtests.outside import Figures, Outside, OutsideCase, compare, recorded, save, tools
from salon.loadtests.users import RunError

if TYPE_CHECKING:
    from pathlib import Path

CASE = OutsideCase("two rooms of 12", 2, 12, 3, window=2)


BARE = Figures(2.0, 9000.0, 0.1, 0.2, well=True, others=0.3)


def row(cpu: float, *, name: str = "a", well: bool = True) -> Outside:
    return Outside(name, Figures(cpu, 1000.0, 1.0, 2.0, well, 0.3), BARE)


def test_salon_and_the_floor_deliver_everything_once_and_in_order_to_a_client_in_c() -> None:
    with tools() as programs:
        ours, bare = programs.salon(CASE, 3.0), programs.bare(CASE, 0.3)
    for each in (ours, bare):
        assert each.well
        assert min(each.cpu, each.deliveries_per_second, each.p50) > 0


def test_a_room_in_which_the_server_lets_nobody_in_is_an_error() -> None:
    crowd = OutsideCase("nobody", 1, 0, 1, window=1)
    with tools() as programs, pytest.raises(RunError):
        programs.bare(crowd, 0.1)


def test_what_costs_three_times_the_recorded_ratio_or_loses_something_is_told(
    tmp_path: Path,
) -> None:
    page = tmp_path / "RESULTS.outside.md"
    with pytest.raises(RunError, match="run 'salon bench'"):
        recorded(page)
    save(page, [row(10.0)])
    before = recorded(page)
    assert before == {"a": 5.0}
    assert (
        "| a | 10.00 µs | 2.00 µs | 1,000 | 9,000 | 1.0 / 2.0 ms | 0.3 | yes |" in page.read_text()
    )
    assert compare([row(29.9)], before) == []
    assert compare([row(30.1)], before) == ["a: 15.05 times the floor, recorded 5.00"]
    assert "lost" in compare([row(10.0, well=False)], before)[0]
    assert "no recorded figure" in compare([row(10.0, name="b")], before)[0]
