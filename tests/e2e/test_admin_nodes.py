"""The console of a cluster: opened at one node, it shows all, and has one of them leave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.accessibility import grave_faults
from tests.console import Talker, begin, console
from tests.nodes import running

OpenPage = Callable[..., Page]


def test_an_operator_sees_all_nodes_from_one_and_drains_another(
    tmp_path: Path, open_page: OpenPage
) -> None:
    with running(tmp_path) as nodes:
        one, two, three = nodes
        room = begin(three, "The common room")
        with Talker(three, room, clumsy=False):
            page = console(two, open_page, "#/nodes")
            rows = page.get_by_role("region", name="The nodes").locator("tbody tr")
            expect(rows).to_have_count(3)
            expect(page.get_by_text("keeps house")).to_have_count(1)
            answering = rows.filter(has_text="two")
            expect(answering).to_contain_text("answers you")
            for row in rows.all():
                expect(row).to_contain_text("in")
            assert grave_faults(page) == []

            page.get_by_role("link", name="Connections").click()
            grid = page.get_by_role("grid", name="Connections")
            expect(grid).to_contain_text("at three")
            grid.get_by_role("link", name=room).click()
            expect(page.locator(".eyebrow")).to_contain_text("owned by node")
            expect(page.get_by_role("region", name="Who is connected")).to_contain_text("at three")
            expect(page.get_by_role("heading", name="Mailbox", exact=True)).to_be_visible()

            page.get_by_role("link", name="Nodes").click()
            row = rows.filter(has_text="one")
            row.get_by_role("button", name="Drain…").click()
            dialog = page.get_by_role("dialog")
            dialog.get_by_role("textbox").fill("drain")
            dialog.get_by_role("button", name="Drain", exact=True).click()
            expect(rows).to_have_count(2)
            assert one.wait() == 0
            page.get_by_role("link", name="Audit").click()
            expect(page.locator("tbody tr", has_text="Drain a node")).to_contain_text("one")
