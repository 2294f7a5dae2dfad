"""An agent at salon.js as it is served, in node, against a real server: what it says is there once, whatever happens."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.node import NODE
from tests.patience import PATIENCE
from tests.script_person import ScriptError, ScriptPerson
from tests.server import ServerProcess

DRIVER = Path(__file__).with_name("agent.mjs")


class ScriptAgent:
    """The test's agent, in one conversation."""

    def __init__(self, folder: Path, url: str, conversation_id: str) -> None:
        script = folder / "salon.mjs"
        self._process = subprocess.Popen(
            [NODE, "--no-warnings", DRIVER, script, url, "agent_token", conversation_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, *command: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def wait(self, *start: Any) -> Any:
        """Until it tells what begins like this; what it tells last of it."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if told[: len(start)] == list(start):
                return told[-1]
        raise AssertionError(f"it has ended, and never told {start}")

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def ada(tmp_path: Path, own_server: ServerProcess) -> Iterator[ScriptPerson]:
    """Somebody who has begun a conversation with the agent."""
    person = ScriptPerson(tmp_path, own_server.url, "test_token_1")
    created = person.call("create", {"title": "Dinner"})
    room = created["conversation_id"]
    headers = {"Authorization": "Bearer agent_token"}
    assert httpx2.post(f"{own_server.url}/chat/{room}/join", headers=headers, json={}).is_success
    person.open(room)
    person.wait_state("live")
    yield person
    person.close()


@pytest.fixture
def agent(tmp_path: Path, own_server: ServerProcess, ada: ScriptPerson) -> Iterator[ScriptAgent]:
    made = ScriptAgent(tmp_path, own_server.url, ada.get("id"))
    made.wait("state", "live")
    yield made
    made.close()


def until(ada: ScriptPerson, condition: Callable[[list[dict[str, Any]]], bool]) -> None:
    """Until the open runs are such, as Ada has them."""
    end = time.monotonic() + PATIENCE
    while not condition(runs := ada.get("runs")):
        assert time.monotonic() < end, runs


def waiting(ada: ScriptPerson) -> dict[str, Any]:
    """The tool call that waits for Ada."""
    until(ada, lambda runs: [bool(run.get("approval")) for run in runs] == [True])
    call: dict[str, Any] = ada.get("runs")[0]["approval"]
    return call


def said(text: str) -> Callable[[list[dict[str, Any]]], bool]:
    return lambda runs: [run["text"] for run in runs] == [text]


def test_an_answer_survives_a_server_that_is_killed_in_its_midst(
    own_server: ServerProcess, ada: ScriptPerson, agent: ScriptAgent
) -> None:
    agent.do("run", "r1")
    agent.do("say", "r1", "Fish 🐟 ")
    until(ada, said("Fish 🐟 "))
    own_server.kill()
    agent.do("say", "r1", "and ")
    agent.wait("state", "offline")
    agent.do("say", "r1", "chips")
    own_server.start()
    agent.wait("state", "live")
    until(ada, said("Fish 🐟 and chips"))
    agent.do("end", "r1", {"usage": {"tokens": 3}})
    receipt = agent.wait("receipt")
    assert (receipt["status"], receipt["offset"]) == ("complete", 16)
    ada.wait("heard it", lambda: bool(ada.contents))
    assert ada.contents == ["Fish 🐟 and chips"]
    assert ada.get("runs") == []
    assert ada.values("event")[-1]["message"]["usage"] == {"tokens": 3}


def test_whoever_reads_sees_what_it_does_and_may_stop_it(
    ada: ScriptPerson, agent: ScriptAgent
) -> None:
    ada.do("send", "What is for dinner?")
    ada.wait("had the receipt", lambda: bool(ada.values("receipt")))
    agent.do("run", "r1", ada.values("receipt")[0]["message_id"])
    agent.do("status", "r1", "tool", "Reading the menu")
    until(ada, lambda runs: [run.get("label") for run in runs] == ["Reading the menu"])
    assert ada.get("runs")[0]["asked_by"] == "test_user_1"
    agent.do("say", "r1", "Fish and")
    until(ada, said("Fish and"))
    ada.do("cancel", "r1")
    assert agent.wait("aborted", "r1") == "RUN_ENDED"
    agent.do("say", "r1", " chips")
    assert agent.wait("refused") == "RUN_ENDED"
    agent.do("end", "r1")
    assert agent.wait("receipt")["status"] == "cancelled"
    ada.wait("heard it", lambda: len(ada.contents) > 1)
    assert ada.contents == ["What is for dinner?", "Fish and"]
    assert ada.get("runs") == []


def test_a_tool_call_waits_for_a_person_through_a_server_that_is_killed(
    own_server: ServerProcess, ada: ScriptPerson, agent: ScriptAgent
) -> None:
    agent.do("run", "r1")
    agent.do("ask", "r1", "pay", {"amount": 5})
    before = waiting(ada)
    assert (before["tool"], before["arguments"]) == ("pay", {"amount": 5})
    own_server.kill()
    ada.wait_state("offline")
    own_server.start()
    ada.wait_state("live")
    assert waiting(ada) == before
    ada.call("approve", ada.get("id"), "r1", before["approval_id"], True)
    assert agent.wait("decided") is True
    until(ada, lambda runs: [run.get("state") for run in runs] == ["tool"])
    assert "approval" not in ada.get("runs")[0]
    with pytest.raises(ScriptError) as caught:
        ada.call("approve", ada.get("id"), "r1", before["approval_id"], False)
    assert caught.value.thrown["refusal"]["code"] == "APPROVAL_NOT_FOUND"
    results = [{"url": "https://example.com/fish", "name": "Fish", "score": 0.5}]
    agent.do("say", "r1", "Paid.")
    agent.do("end", "r1", {"results": results})
    assert agent.wait("receipt")["status"] == "complete"
    ada.wait("heard it", lambda: bool(ada.contents))
    assert ada.values("event")[-1]["message"]["results"] == results


def test_a_tool_call_may_be_refused_and_one_that_is_too_large_is_said_so(
    ada: ScriptPerson, agent: ScriptAgent
) -> None:
    agent.do("run", "r1")
    agent.do("ask", "r1", "pay", {"note": "x" * 5000})
    assert agent.wait("refused") == "INVALID_FORMAT"
    agent.do("ask", "r1", "pay", {"amount": 5})
    ada.do("approve", "r1", waiting(ada)["approval_id"], False)
    assert agent.wait("decided") is False
    until(ada, lambda runs: [run.get("state") for run in runs] == ["thinking"])


def test_a_tool_call_of_a_run_that_is_stopped_is_decided_by_nobody(
    ada: ScriptPerson, agent: ScriptAgent
) -> None:
    agent.do("run", "r1")
    agent.do("ask", "r1", "pay", {})
    waiting(ada)
    ada.do("cancel", "r1")
    assert agent.wait("refused") == "RUN_ENDED"


def test_what_cannot_be_stopped_is_refused(ada: ScriptPerson) -> None:
    with pytest.raises(ScriptError) as caught:
        ada.call("cancel", ada.get("id"), "none")
    assert caught.value.thrown["refusal"]["code"] == "RUN_NOT_FOUND"
