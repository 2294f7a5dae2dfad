"""An agent's tools, results and costs on the chat page: people allow and refuse, follow links, and read what it has used."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from salon.web.client import Request, Run
from tests.accessibility import grave_faults
from tests.control_states import faint
from tests.server import ServerProcess
from tests.visitor import Visitor

from .program_agent import Answer, ProgramAgent

OpenPage = Callable[..., Page]
DESCRIPTION = "A <b>dish</b> of the north, with peas. " * 10
RESULTS: list[dict[str, Any]] = [
    {"url": f"https://example.com/{number}?a=1&b=2", "name": f"Fish {number}"}
    for number in range(1, 7)
]
RESULTS[0] |= {"site": "The kitchen", "description": DESCRIPTION, "score": 0.9}
RESULTS[1] |= {"name": "<img src=x onerror=alert(1)>", "schema_object": {"@type": "Recipe"}}
AMOUNT = {"amount": 5, "note": "\u202eot yap"}  # the first character turns what follows it round
PHONE = {"width": 360, "height": 740}


@pytest.fixture
def ada(server: ServerProcess, open_page: OpenPage) -> Visitor:
    """Somebody in a conversation of their own."""
    return Visitor.host(open_page(server.url), "Ada", "Dinner")


def paying(*tools: str) -> Answer:
    """Asks for each of these tools, and says what came of it."""

    async def answer(request: Request, run: Run) -> None:
        who = request.message["sender_id"]
        for tool in tools:
            allowed = await run.ask(tool, AMOUNT if tool == "pay" else {})
            await run.say(f"{tool}: {'done' if allowed else 'left alone'}. ")
            if allowed:
                run.metadata = {
                    "tools": [
                        {"tool": tool, "by": who},
                        {"tool": "look_up", "by": "configuration"},
                    ]
                }
        run.usage = {
            "model": "test-model",
            "input_tokens": 100,
            "output_tokens": 32,
            "cost": 0.00123,
            "currency": "USD",
        }

    return answer


async def finding(request: Request, run: Run) -> None:
    """Has found six things."""
    await run.say("See what I have found [1].")
    run.results = RESULTS


def card(who: Visitor, tool: str = "pay") -> Locator:
    """What waits for a person."""
    return who.log.get_by_role("group", name=f"Agent wants to use {tool}")


def answer(who: Visitor, text: str) -> Locator:
    """The agent's messages that say this."""
    return who.log.locator(".message:not(.making)").filter(has_text=text)


def listening(page: Page) -> None:
    """Notes what a screen reader is told from now on."""
    page.evaluate(
        """() => {
          const region = document.querySelector("p.visually-hidden[aria-live=polite]");
          globalThis.told = [];
          new MutationObserver(() => told.push(region.textContent.trim()))
            .observe(region, { childList: true, characterData: true, subtree: true });
        }"""
    )


def test_a_tool_call_waits_for_the_person_whom_the_answer_is_for_and_the_others_see_for_whom(
    server: ServerProcess, ada: Visitor, open_page: OpenPage
) -> None:
    room = ada.conversation_id
    bob, cleo = (
        Visitor.known(open_page(server.url), name, f"/c/{room}") for name in ("Bob", "Cleo")
    )
    with ProgramAgent(server, room, paying("pay")):
        bob.expect_live()
        bob.say("@Agent pay the bill")
        for each in (ada, bob, cleo):
            expect(card(each)).to_contain_text("Agent wants to use pay")
            expect(card(each).get_by_role("region")).to_have_text(
                '{ "amount": 5, "note": "\\u202eot yap" }'
            )
        expect(card(cleo)).to_contain_text("Waits until Bob or an owner decides.")
        expect(card(cleo).get_by_role("button")).to_have_count(0)
        for each in (ada, bob):
            expect(card(each).get_by_role("button")).to_have_text(["Refuse", "Allow"])
            assert grave_faults(each.page) == []
        assert grave_faults(cleo.page) == []
        bob.page.reload()
        allow = card(bob).get_by_role("button", name="Allow")
        allow.focus()
        bob.page.keyboard.press("Enter")
        for each, who in ((ada, "Bob"), (bob, "you"), (cleo, "Bob")):
            message = answer(each, "pay: done.")
            expect(message).to_have_count(1)
            expect(card(each)).to_have_count(0)
            expect(message.locator(".tools")).to_have_text(
                f"Used pay (allowed by {who}), look_up (allowed by the configuration)"
            )
            expect(message.locator(".used")).to_have_text("132 tokens")
            expect(message.locator(".cost")).to_have_text("$0.0012")
            expect(message.locator(".model")).to_have_text("test-model")
            assert grave_faults(each.page) == []
        expect(answer(bob, "pay: done.")).to_be_focused()


def test_each_call_is_decided_by_itself_and_a_refusal_is_told_to_the_agent(
    server: ServerProcess, ada: Visitor
) -> None:
    with ProgramAgent(server, ada.conversation_id, paying("pay", "send")):
        ada.say("Pay the bill")
        refuse = card(ada).get_by_role("button", name="Refuse")
        refuse.focus()
        ada.page.keyboard.press("Enter")
        expect(card(ada, "send")).to_be_visible()
        expect(card(ada)).to_have_count(0)
        expect(card(ada, "send").get_by_role("region")).to_have_count(0)  # it has no arguments
        # A key that was meant for the first decides nothing about the second.
        expect(ada.log.locator(".message.making")).to_be_focused()
        card(ada, "send").get_by_role("button", name="Allow").click()
        message = answer(ada, "pay: left alone. send: done.")
        expect(message.locator(".tools")).to_contain_text("Used send (allowed by you)")


def test_it_takes_nobodys_focus_and_a_screen_reader_is_told_once(
    server: ServerProcess, ada: Visitor
) -> None:
    with ProgramAgent(server, ada.conversation_id, paying("pay")):
        listening(ada.page)
        ada.say("Pay the bill")
        ada.field.press_sequentially("And ")
        expect(card(ada)).to_be_visible()
        ada.field.press_sequentially("then")
        expect(ada.field).to_be_focused()
        expect(ada.field).to_have_value("And then")
        card(ada).get_by_role("button", name="Allow").click()
        expect(answer(ada, "pay: done.")).to_have_count(1)
        told = " ".join(ada.page.evaluate("told"))
        assert told.count("Agent wants to use pay. Allow it or refuse it.") == 1


def test_who_decides_after_somebody_else_is_told_so(
    server: ServerProcess, ada: Visitor, open_page: OpenPage
) -> None:
    room = ada.conversation_id
    bob = Visitor.known(open_page(server.url), "Bob", f"/c/{room}")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    bob.page.route(re.compile("/approval$"), hold)
    with ProgramAgent(server, room, paying("pay", "send")):
        bob.expect_live()
        bob.say("@Agent pay the bill")
        with bob.page.expect_request(re.compile("/approval$")):
            card(bob).get_by_role("button", name="Allow").click()
        card(ada).get_by_role("button", name="Refuse").click()
        expect(card(bob, "send")).to_be_visible()
        held[0].continue_()
        expect(bob.page.get_by_text("It is decided already")).to_be_visible()
        bob.page.unroute_all()
        card(bob, "send").get_by_role("button", name="Allow").click()
        expect(answer(bob, "pay: left alone. send: done.")).to_have_count(1)


def test_results_are_links_in_a_list_of_which_the_rest_is_folded(
    server: ServerProcess, ada: Visitor
) -> None:
    with ProgramAgent(server, ada.conversation_id, finding):
        ada.say("What is there?")
        message = answer(ada, "See what I have found [1].")
        items = message.get_by_role("list", name="What Agent points to").get_by_role("listitem")
        expect(items).to_have_count(4)
        first = items.first.get_by_role("link", name="Fish 1")
        expect(first).to_have_attribute("href", RESULTS[0]["url"])
        expect(first).to_have_attribute("target", "_blank")
        expect(first).to_have_attribute("rel", "noopener noreferrer nofollow")
        expect(items.first).to_contain_text("The kitchen")
        expect(items.first).to_contain_text("A <b>dish</b> of the north")
        expect(items.nth(1).get_by_role("link")).to_have_text(RESULTS[1]["name"])
        expect(items.nth(2)).to_contain_text("example.com")
        expect(items.locator("img, b")).to_have_count(0)
        more = message.get_by_role("button", name="All 6 results")
        more.focus()
        ada.page.keyboard.press("Enter")
        expect(items).to_have_count(6)
        names = [each["name"] for each in RESULTS]
        assert items.get_by_role("link").all_text_contents() == names
        expect(items.nth(4).get_by_role("link")).to_be_focused()
        expect(more).to_have_count(0)
        for scheme in ("light", "dark"):
            ada.page.emulate_media(color_scheme=scheme)
            assert grave_faults(ada.page) == [], scheme
        ada.page.set_viewport_size(PHONE)
        assert ada.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        ada.page.reload()
        expect(items).to_have_count(4)


def test_what_was_unfolded_stays_so_while_one_scrolls_away_and_back(
    server: ServerProcess, ada: Visitor
) -> None:
    with ProgramAgent(server, ada.conversation_id, finding):
        ada.say("What is there?")
        message = answer(ada, "See what I have found [1].")
        message.get_by_role("button", name="All 6 results").click()
        expect(message.get_by_role("listitem")).to_have_count(6)
        height = message.evaluate("(element) => element.clientHeight")
    ada.say(*(f"Line {number}" for number in range(60)))
    expect(ada.message("Line 59")).to_be_in_viewport()
    ada.expect_settled()
    expect(message).to_have_count(0)
    ada.scroll_to(0)
    assert message.evaluate("(element) => element.clientHeight") == height


@pytest.mark.timeout(240)
def test_every_control_of_an_answer_can_be_read_in_every_state(
    server: ServerProcess, ada: Visitor
) -> None:
    found: list[str] = []

    async def both(request: Request, run: Run) -> None:
        how = paying("pay") if "bill" in request.message["content"] else finding
        await how(request, run)

    with ProgramAgent(server, ada.conversation_id, both):
        ada.say("Pay the bill")
        expect(card(ada)).to_be_visible()
        found += faint(ada.page, "a tool call that waits")
        card(ada).get_by_role("button", name="Allow").click()
        expect(answer(ada, "pay: done.")).to_have_count(1)
        ada.say("What is there?")
        expect(ada.page.get_by_role("button", name="All 6 results")).to_be_visible()
        found += faint(ada.page, "results")
    assert found == []


def test_a_new_conversation_has_ai_from_the_start_where_somebody_wants_it(
    start_server: Callable[..., ServerProcess], open_page: OpenPage
) -> None:
    agents = [
        {"id": "cook", "name": "Cook", "kind": "echo", "default": True},
        {"id": "other", "name": "Other", "kind": "echo"},
    ]
    server = start_server(AGENTS=json.dumps(agents))
    ada = Visitor.host(open_page(server.url), "Ada", "Alone")
    page = ada.page
    page.get_by_role("button", name="New").click()
    page.get_by_label("What is it about?").fill("Dinner")
    with_ai = page.get_by_role("checkbox", name="With AI")
    expect(page.get_by_role("dialog")).to_contain_text("Cook is here from the start")
    expect(with_ai).not_to_be_checked()
    with_ai.check()
    assert grave_faults(page) == []
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("heading", name="Dinner", level=1)).to_be_visible()
    ada.say("Fish?")
    expect(answer(ada, "Fish?").locator(".sender-name")).to_have_text("Cook")
    ada.line("Alone").click()
    ada.say("Is nobody here?")
    ada.expect_settled()
    members = page.context.request.get(f"/chat/conversations/{ada.conversation_id}").json()
    assert members["participant_count"] == 1


def test_where_the_server_has_no_agents_none_are_offered(
    ada: Visitor,
) -> None:
    with ada.page.expect_response(re.compile("/auth/ways")) as answered:
        ada.page.get_by_role("button", name="New").click()
    assert answered.value.json()["agents"] == []
    expect(ada.page.get_by_role("radio")).to_have_count(2)
    expect(ada.page.get_by_role("checkbox")).to_have_count(0)
