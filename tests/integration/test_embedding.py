"""The backends of docs/embedding.md, as they stand there: in FastAPI under uvicorn, in Django, and as scripts."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from salon.web.client import SyncClient
from tests.patience import PATIENCE
from tests.server import ServerProcess

MANUAL = Path(__file__).parents[2] / "docs" / "embedding.md"
ADA, ADA_ID = "test_token_1", "test_user_1"  # of the tests' configuration
SECRET = "a-secret-of-the-shop-and-its-chat-1"
ISSUER = {
    "issuer": "https://shop.example",
    "audience": "chat",
    "algorithms": ["HS256"],
    "key_env": "SALON_TEST_SHOP_SECRET",
}
DJANGO = """
import sys
from django.conf import settings

settings.configure(
    ROOT_URLCONF="shop", ALLOWED_HOSTS=["*"], SECRET_KEY="x", MIDDLEWARE=["shop.ChatErrors"]
)
import django
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

django.setup()
server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
server.set_app(get_wsgi_application())
print(f"running on http://127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    pass
"""


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", MANUAL.read_text(), re.DOTALL | re.M)
    assert len(found) == {"python": 7, "sh": 3}[language], (
        "each is run: the first ones by e2e/test_into_your_product.py and make release-check, the others below"
    )
    return found


def block(about: str) -> str:
    [found] = [each for each in blocks("python") if about in each]
    return found


@pytest.fixture(scope="module")
def environment(own: ServerProcess) -> dict[str, str]:
    """What the manual has a backend set; the token comes from its own line."""
    line = blocks("sh")[-1]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    given = {**os.environ, "PATH": path, "SALON_URL": own.url, "SALON_STORE__URL": own.store}
    given["SHOP_CHAT_KEY"] = SECRET
    done = subprocess.run(
        ["sh", "-e"],
        input=f"{line}\nprintf %s $SALON_TOKEN",
        env=given,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return given | {"SALON_TOKEN": done.stdout}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that knows no backend yet."""
    server = ServerProcess(
        tmp_path_factory.mktemp("embedding"),
        AUTH__JWT=json.dumps([ISSUER]),
        TEST_SHOP_SECRET=SECRET,
    )
    yield server
    server.stop()


@pytest.fixture
def ada(own: ServerProcess) -> Iterator[SyncClient]:
    with SyncClient(own.url, token=ADA) as client:
        yield client


@pytest.fixture
def backend(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., httpx2.Client]]:
    """Starts a backend of this source; each must end in order when it is interrupted, without a word about an error."""
    started: list[tuple[subprocess.Popen[str], httpx2.Client]] = []

    def start(source: str, *command: str, **more: str) -> httpx2.Client:
        (tmp_path / "shop.py").write_text(source)
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment | more,
            stderr=subprocess.PIPE,
            text=True,
        )
        client = httpx2.Client(trust_env=False, timeout=PATIENCE)
        started.append((process, client))
        client.base_url = announced(process)
        return client

    yield start
    for process, client in started:
        client.close()
        process.send_signal(signal.SIGINT)
        try:
            _, log = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            process.communicate()
        assert "Traceback" not in log, log


def announced(process: subprocess.Popen[str]) -> str:
    """Where it listens, by its log."""
    assert process.stderr is not None
    log = ""
    for line in process.stderr:
        if found := re.search(r"running on (http://[\d.:]+)", line, re.IGNORECASE):
            return found[1]
        log += line
    raise AssertionError(log)


def said(client: SyncClient, conversation_id: str) -> list[str]:
    events = client.history(conversation_id)["events"]
    return [event["message"]["content"] for event in events if event["type"] == "message"]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_fastapi_backend_opens_a_chat_answers_in_it_and_tells_once_what_has_happened(
    loop: str, backend: Callable[..., httpx2.Client], ada: SyncClient
) -> None:
    command = ("-m", "uvicorn", "shop:app", "--port", "0", "--loop", loop)
    shop = backend(block("FastAPI(lifespan"), *command)
    who = {"customer_id": ADA_ID, "customer_name": "Ada"}
    room = shop.post("/orders/17/chat", params=who).json()["conversation_id"]
    assert shop.post("/orders/17/chat", params=who).json() == {"conversation_id": room}
    with ada.conversation(room, 0, timeout=PATIENCE) as conversation:
        conversation.send("Where is it?")
        answers = (event for event in conversation if event["type"] == "message")
        assert next(answers)["message"]["content"] == "Where is it?"
        answer = next(answers)["message"]
        assert answer["content"] == "You asked: Where is it? I have passed it on."
        assert (answer["sender_id"], answer["status"]) == ("orders", "complete")
        first = shop.post("/orders/17/sent").json()
        assert shop.post("/orders/17/sent").json() == first
        assert next(answers)["message"]["content"] == "Order 17 is on its way."
    assert said(ada, room)[2:] == ["Order 17 is on its way."]
    assert shop.post("/orders/18/sent").status_code == 404
    refused = shop.post("/orders/18/chat", params={"customer_id": " ", "customer_name": "Ada"})
    assert (refused.status_code, refused.json()["code"]) == (400, "MALFORMED_REQUEST")


def test_a_backend_whose_chat_is_away_says_so(backend: Callable[..., httpx2.Client]) -> None:
    command = ("-m", "uvicorn", "shop:app", "--port", "0")
    shop = backend(block("FastAPI(lifespan"), *command, SALON_URL="http://127.0.0.1:1")
    who = {"customer_id": ADA_ID, "customer_name": "Ada"}
    away = shop.post("/orders/17/chat", params=who)
    assert (away.status_code, away.headers["retry-after"]) == (503, "5")


def test_a_django_backend_opens_a_chat_and_passes_a_file_on(
    backend: Callable[..., httpx2.Client], ada: SyncClient
) -> None:
    pdf = b"%PDF-1.7\n" + os.urandom(200_000)
    shop = backend(block("django.urls"), "-c", DJANGO)
    who = {"customer_id": ADA_ID, "customer_name": "Ada"}
    room = shop.post("/orders/17/chat", data=who).json()["conversation_id"]
    file = {"invoice": ("invoice.pdf", pdf, "application/pdf")}
    receipt = shop.post("/orders/17/invoice", files=file).json()
    event = ada.history(room, after=receipt["sequence_id"] - 1)["events"][0]
    [attached] = event["message"]["files"]
    assert attached["name"] == "invoice.pdf"
    with ada.download(room, attached["file_id"]) as found:
        assert b"".join(found.pieces) == pdf
    refused = shop.post("/orders/17/chat", data={"customer_id": " ", "customer_name": "Ada"})
    assert (refused.status_code, refused.json()["code"]) == (400, "MALFORMED_REQUEST")


def test_the_scripts_tell_everybody_once_and_wait_for_an_answer(
    environment: dict[str, str], ada: SyncClient
) -> None:
    with SyncClient(environment["SALON_URL"], token=environment["SALON_TOKEN"]) as backend:
        customer = {"user_id": ADA_ID, "name": "Ada"}
        rooms = [backend.create(f"Order {n}", [customer])["conversation_id"] for n in range(3)]
    everybody = [sys.executable, "-c", block("closed-monday")]
    for _ in range(2):
        told = subprocess.check_output(everybody, env=environment, text=True, timeout=PATIENCE)
        assert int(told.removeprefix("told ")) >= 3
    assert [said(ada, room) for room in rooms] == [["We are closed on Monday."]] * 3
    with running(block("neighbour"), rooms[0], environment=environment) as asking:
        with ada.conversation(rooms[0], timeout=PATIENCE) as conversation:
            for event in conversation:
                if "neighbour" in event.get("message", {}).get("content", ""):
                    break
            conversation.send("Yes, please")
        answer, _ = asking.communicate(timeout=PATIENCE)
    assert (answer, asking.returncode) == ("Yes, please\n", 0)


@contextmanager
def running(
    program: str, room: str, *, environment: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """One of the manual's programs in a conversation."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, room], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_program_that_signs_its_own_tokens_hears_what_is_said(
    environment: dict[str, str], ada: SyncClient
) -> None:
    room = str(ada.create("Order 17", [{"user_id": "reports"}])["conversation_id"])
    ada.post(room, "Hello?")
    with running(block("renew=sign"), room, environment=environment) as listening:
        assert listening.stdout is not None
        assert listening.stdout.readline() == "Hello?\n"
        ada.post(room, "Anybody?")
        assert listening.stdout.readline() == "Anybody?\n"


def test_the_agent_without_a_loop_answers_one_after_another(
    environment: dict[str, str], ada: SyncClient
) -> None:
    with SyncClient(environment["SALON_URL"], token=environment["SALON_TOKEN"]) as backend:
        customer = {"user_id": ADA_ID, "name": "Ada"}
        room = str(backend.create("Order 18", [customer])["conversation_id"])
    answering = running(block("def tokens("), room, environment=environment)
    with answering as agent, ada.conversation(room, 0, timeout=PATIENCE) as conversation:
        assert agent.stdout is not None
        for question in ("Is it there?", "And now?"):
            conversation.send(question)
            assert agent.stdout.readline() == "complete\n"
        answers = [
            event["message"]
            for event in ada.history(room)["events"]
            if event["type"] == "message" and event["message"]["sender_id"] == "orders"
        ]
        assert [each["content"].strip() for each in answers] == ["Is it there?", "And now?"]
        assert [each["usage"] for each in answers] == [{"output_tokens": 3}, {"output_tokens": 2}]
