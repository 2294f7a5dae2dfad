"""Hypercorn and Quart-Trio as they come: what the attacks do where salon is not in between. Prints its address."""

from __future__ import annotations

import json
import signal
import sys
from functools import partial

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import websocket
from quart_trio import QuartTrio

app = QuartTrio(__name__)
sent: list[None] = []  # one for each frame that the flood got rid of


@app.get("/health")
async def health() -> dict[str, int]:
    return {"sent": len(sent)}


@app.websocket("/echo")
async def echo() -> None:
    while True:
        await websocket.send(await websocket.receive())


@app.websocket("/flood")
async def flood() -> None:
    while True:
        await websocket.send(f'"{"x" * 10_000}"')
        sent.append(None)


async def wait_terminated() -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            return


async def main() -> None:
    config = Config.from_mapping(bind=["127.0.0.1:0"], **json.loads(sys.argv[1]))
    async with trio.open_nursery() as nursery:
        run = partial(serve, app, config, shutdown_trigger=wait_terminated)
        (address,) = await nursery.start(run)
        print(address, flush=True)  # noqa: T201


if __name__ == "__main__":
    trio.run(main)
