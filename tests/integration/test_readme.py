"""The README's first conversation, run as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.server import ServerProcess

README = Path(__file__).parents[2] / "README.md"


def block(language: str, about: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)
    return next(text for text in blocks if about in text)


def run(command: list[str], text: str, server: ServerProcess) -> str:
    there = text.replace("http://127.0.0.1:8000", server.url)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        check=False,
        input=there,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_the_shell_commands_make_a_conversation(server: ServerProcess) -> None:
    said = run(["sh", "-e"], block("sh", "curl"), server)
    assert '"durability":"committed"' in said
    assert '"events":[{"type":"conversation_created","sequence_id":1,' in said
    assert '"content":"Hello"' in said


async def test_the_python_program_prints_what_it_was_sent(server: ServerProcess) -> None:
    said = run([sys.executable, "-"], block("python", "Client"), server)
    assert said == "1 conversation_created\n2 message\n"
