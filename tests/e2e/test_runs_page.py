"""Answers in the making on the chat page: an agent streams over its socket, and people read, reload and stop."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.accessibility import grave_faults
from tests.console import console
from tests.server import ServerProcess
from tests.visitor import Visitor

from .socket_agent import Agent

OpenPage = Callable[..., Page]
PIECES = ["Fish ", "and **chips**. ", "With peas, ", "too."]


@pytest.fixture
def ada(server: ServerProcess, open_page: OpenPage) -> Visitor:
    """Somebody in a conversation of their own."""
    return Visitor.host(open_page(server.url), "Ada", "Dinner")


@pytest.fixture
def agent(server: ServerProcess, ada: Visitor) -> Iterator[Agent]:
    made = Agent(server, ada.conversation_id)
    yield made
    made.close()


def making(who: Visitor) -> Locator:
    """The answers in the making."""
    return who.log.get_by_role("article", name="Agent, is answering")


def answer(who: Visitor, text: str) -> Locator:
    """The agent's messages that say this."""
    return who.log.locator(".message:not(.making)").filter(has_text=text)


def top(place: Locator) -> float:
    """Where it begins, in pixels from the top of the window."""
    box = place.bounding_box()
    assert box is not None
    return box["y"]


def test_an_answer_grows_on_the_page_and_becomes_its_message_in_place(
    ada: Visitor, agent: Agent
) -> None:
    ada.say("What is for dinner?")
    ada.expect_settled()
    agent.start("r1")
    row = making(ada)
    expect(row).to_have_count(1)
    expect(row.locator(".sender-name")).to_have_text("Agent")
    expect(row.locator(".doing-words")).to_have_text("Thinking")
    agent.status("r1", "tool", "Reading the menu")
    expect(row.locator(".doing-words")).to_have_text("Reading the menu")
    assert grave_faults(ada.page) == []
    for upto in range(1, len(PIECES) + 1):
        agent.say("r1", PIECES[upto - 1])
        said = "".join(PIECES[:upto]).replace("**", "").strip()
        expect(row.locator(".prose")).to_have_text(said)
    expect(row.locator(".prose strong")).to_have_text("chips")
    expect(row.locator(".doing-words")).to_have_count(0)
    assert grave_faults(ada.page) == []
    row.evaluate("(element) => (globalThis.growing = element)")
    before = row.bounding_box()
    agent.end("r1", usage={"input_tokens": 100, "output_tokens": 32})

    expect(making(ada)).to_have_count(0)
    message = answer(ada, "Fish and chips. With peas, too.")
    expect(message).to_have_count(1)
    assert message.evaluate("(element) => element === growing")  # it is the row that was there
    after = message.bounding_box()
    assert before is not None
    assert after is not None
    assert (after["y"], after["height"]) == (before["y"], before["height"])
    expect(message.locator(".used")).to_have_text("132 tokens")
    expect(message.locator(".end")).to_have_count(0)
    assert ada.everything() == ["What is for dinner?", "Fish and chips. With peas, too."]
    assert grave_faults(ada.page) == []


def test_another_answer_is_asked_for_with_a_button(ada: Visitor, agent: Agent) -> None:
    ada.say("What is for dinner?")
    ada.expect_settled()
    first = agent.requested()
    agent.start(first["run_id"], reply_to=first["message_id"])
    agent.say(first["run_id"], "Fish")
    agent.end(first["run_id"])
    button = answer(ada, "Fish").get_by_role("button", name="Ask Agent again")
    answer(ada, "Fish").hover()
    button.click()
    again = agent.requested()
    assert (again["message_id"], again["why"]) == (first["message_id"], "regenerate")
    agent.start(again["run_id"], reply_to=again["message_id"])
    expect(button).to_have_count(0)
    agent.say(again["run_id"], "Chips")
    agent.end(again["run_id"])
    expect(answer(ada, "Chips").get_by_role("button", name="Ask Agent again")).to_have_count(1)
    assert ada.everything() == ["What is for dinner?", "Fish", "Chips"]
    assert grave_faults(ada.page) == []


def test_a_reload_in_the_midst_shows_all_that_was_said_and_then_the_rest(
    ada: Visitor, agent: Agent
) -> None:
    ada.say("What is for dinner?")
    ada.expect_settled()
    agent.start("r1", reply_to=f"{ada.conversation_id}-3")
    agent.say("r1", *PIECES[:2])
    expect(making(ada).locator(".prose")).to_have_text("Fish and chips.")
    for forgets in (False, True):
        if forgets:
            ada.forget_storage()
        else:
            ada.page.reload()
        expect(making(ada)).to_have_count(1)
        expect(making(ada).locator(".prose")).to_have_text("Fish and chips.")
        expect(making(ada).get_by_role("button", name="Stop Agent")).to_be_visible()
    agent.say("r1", *PIECES[2:])
    expect(making(ada).locator(".prose")).to_have_text("Fish and chips. With peas, too.")
    agent.end("r1")
    expect(answer(ada, "Fish and chips. With peas, too.")).to_have_count(1)
    expect(making(ada)).to_have_count(0)
    ada.page.reload()
    expect(answer(ada, "Fish and chips. With peas, too.")).to_have_count(1)
    expect(making(ada)).to_have_count(0)


def test_stop_leaves_what_was_said_for_everybody(
    server: ServerProcess, ada: Visitor, agent: Agent, open_page: OpenPage
) -> None:
    bob = Visitor.known(open_page(server.url), "Bob", f"/c/{ada.conversation_id}")
    ada.say("What is for dinner?")
    ada.expect_settled()
    agent.start("r1")
    agent.say("r1", "Fish and")
    expect(making(bob).locator(".prose")).to_have_text("Fish and")
    expect(bob.page.get_by_role("button", name="Stop Agent")).to_have_count(0)  # it is not his
    button = making(ada).get_by_role("button", name="Stop Agent")
    button.focus()
    ada.page.keyboard.press("Enter")
    for each in (ada, bob):
        expect(answer(each, "Fish and")).to_have_count(1)
        expect(answer(each, "Fish and").locator(".end")).to_have_text("Stopped")
        expect(making(each)).to_have_count(0)
    expect(answer(ada, "Fish and")).to_be_focused()
    assert agent.end("r1")["status"] == "cancelled"
    assert grave_faults(ada.page) == []


def test_whoever_asked_may_stop_the_answer(
    server: ServerProcess, ada: Visitor, agent: Agent, open_page: OpenPage
) -> None:
    room = ada.conversation_id
    bob = Visitor.known(open_page(server.url), "Bob", f"/c/{room}")
    bob.say("What is for dinner?")
    bob.expect_settled()
    asked = bob.history(room)[-1]["message"]["message_id"]
    agent.start("r1", reply_to=asked)
    making(bob).get_by_role("button", name="Stop Agent").click()
    for each in (ada, bob):
        expect(each.log.get_by_text("Agent was stopped before it said anything.")).to_be_visible()
        expect(making(each)).to_have_count(0)


def test_what_was_interrupted_or_failed_is_said_plainly(ada: Visitor, agent: Agent) -> None:
    agent.start("r1")
    agent.say("r1", "Fish and")
    agent.end("r1", status="interrupted")
    expect(answer(ada, "Fish and").locator(".end")).to_have_text("Interrupted")
    for run_id, reason, words in (
        ("r2", "timeout", "Agent could not answer: it took too long."),
        ("r3", "upstream", "Agent could not answer: a service that it needs has failed."),
        ("r4", "budget", "Agent could not answer: its budget is used up."),
    ):
        agent.start(run_id)
        expect(making(ada)).to_have_count(1)
        agent.end(run_id, reason=reason)
        expect(ada.log.get_by_text(words)).to_be_visible()
        expect(making(ada)).to_have_count(0)
    assert grave_faults(ada.page) == []


def test_a_screen_reader_is_told_the_start_and_then_whole_sentences(
    ada: Visitor, agent: Agent
) -> None:
    ada.page.evaluate(
        """() => {
          const region = document.querySelector("p.visually-hidden[aria-live=polite]");
          globalThis.told = [];
          new MutationObserver(() => told.push(region.textContent.trim()))
            .observe(region, { childList: true, characterData: true, subtree: true });
        }"""
    )
    agent.start("r1")
    for text in ("Fi", "sh and **chi", "ps**. With"):
        agent.say("r1", text)
    expect(making(ada).locator(".prose")).to_have_text("Fish and chips. With")
    agent.say("r1", " peas, too.")
    agent.end("r1")
    expect(answer(ada, "With peas, too.")).to_have_count(1)
    told = ada.page.evaluate("told")
    assert told == ["Agent is answering.", "Fish and chips.", "With peas, too."]


def test_the_log_follows_who_is_at_its_end_and_moves_for_nobody_else(
    ada: Visitor, agent: Agent
) -> None:
    agent.start("r1")
    agent.say("r1", *(f"Line {number}.\n\n" for number in range(80)))
    expect(ada.log.get_by_text("Line 79.")).to_be_in_viewport()
    ada.log.hover()
    ada.page.mouse.wheel(0, -900)
    ada.scroll_to(None)
    line = ada.log.get_by_text("Line 45.", exact=True)
    expect(line).to_be_in_viewport()
    before = top(line)
    line.evaluate("(element) => (globalThis.line = element)")
    agent.say("r1", *(f"More {number}.\n\n" for number in range(40)))
    expect(ada.log.get_by_text("More 39.")).to_have_count(1)
    ada.scroll_to(None)
    assert top(line) == pytest.approx(before, abs=1)
    assert line.evaluate("(element) => element === globalThis.line")  # with what is selected in it
    agent.end("r1")
    expect(making(ada)).to_have_count(0)
    ada.scroll_to(None)
    assert top(line) == pytest.approx(before, abs=1)
    ada.page.get_by_role("button", name=re.compile("To the end|new")).click()
    expect(ada.log.get_by_text("More 39.")).to_be_in_viewport()


def test_what_an_answer_holds_is_text_while_it_grows(ada: Visitor, agent: Agent) -> None:
    agent.start("r1")
    agent.say("r1", "<img src=x onerror=alert(1)>", "[link](javascript:alert(1)) <b>")
    prose = making(ada).locator(".prose")
    expect(prose).to_contain_text("<img src=x onerror=alert(1)>")
    expect(prose.locator("img, b, a[href]")).to_have_count(0)


def test_every_tab_shows_the_answer_and_a_conversation_that_is_opened_in_its_midst(
    server: ServerProcess, ada: Visitor, agent: Agent
) -> None:
    room = ada.conversation_id
    other = Visitor(ada.page.context.new_page(), "Ada")
    other.page.goto(f"{server.url}/c/{room}")
    other.expect_last(2)
    ada.begin("Elsewhere")
    agent.start("r1")
    agent.say("r1", "Fish and")
    expect(making(other).locator(".prose")).to_have_text("Fish and")
    expect(making(ada)).to_have_count(0)
    ada.line("Dinner").click()
    expect(making(ada).locator(".prose")).to_have_text("Fish and")
    making(other).get_by_role("button", name="Stop Agent").click()
    for each in (ada, other):
        expect(answer(each, "Fish and").locator(".end")).to_have_text("Stopped")
        expect(making(each)).to_have_count(0)
        assert each.everything() == ["Fish and"]


def test_the_console_has_words_for_a_run(
    server: ServerProcess, ada: Visitor, agent: Agent, open_page: OpenPage
) -> None:
    agent.start("r1")
    agent.end("r1", reason="budget")
    page = console(server, open_page, f"#/conversation/{ada.conversation_id}")
    page.get_by_role("button", name="Read the log").click()
    log = page.get_by_role("region", name="The log")
    expect(log).to_contain_text("test_agent began to answer")
    expect(log).to_contain_text("test_agent gave no answer: budget")


def test_an_operator_sees_who_answers_why_and_ends_it(
    server: ServerProcess, ada: Visitor, agent: Agent, open_page: OpenPage
) -> None:
    ada.say("What is for dinner?")
    ada.expect_settled()
    request = agent.requested()
    agent.start(request["run_id"], reply_to=request["message_id"])
    agent.say(request["run_id"], "Fish")
    page = console(server, open_page, f"#/conversation/{ada.conversation_id}")
    why = page.get_by_role("region", name="Who was asked to answer")
    expect(why.get_by_role("listitem")).to_have_text(
        "3 test_agent asked: it is alone with one person", use_inner_text=True
    )
    answering = page.get_by_role("region", name="Answering")
    expect(answering.get_by_role("listitem")).to_contain_text("4 characters")
    assert grave_faults(page) == []
    answering.get_by_role("button", name="Cancel the answer of test_agent…").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the answer").click()
    expect(answering).to_contain_text("No agent is answering.")
    expect(answer(ada, "Fish").locator(".end")).to_have_text("Stopped")
