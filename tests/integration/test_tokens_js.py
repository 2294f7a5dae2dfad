"""salon.js in node with a token that ends: the page's `renew` gives another one, on the open socket or before a new one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import trio

from tests.node import NODE
from tests.person import Person, admin
from tests.server import ServerProcess

SCRIPT = """
const [file, url, id, first, second, revoke] = process.argv.slice(2);
let sockets = 0;
globalThis.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    sockets += 1;
    this.addEventListener("message", ({ data }) => {
      if (JSON.parse(data).type === "auth_ack") tell("renewed");
    });
  }
};
const { Salon } = await import(file);
let asked = 0;
const renew = async () => ((asked += 1), second);
const salon = new Salon({ url, token: first, renew, storage: null });
const tell = (what) => {
  console.log(JSON.stringify({ what, sockets, asked, changed: salon.token === second }));
  process.exit();
};
salon.open(id).on("state", ({ status }) => {
  if (status === "ended") tell("ended");
  if (status !== "live") return;
  if (asked) tell("live");
  if (revoke) fetch(revoke, { method: "DELETE", headers: { Authorization: "Bearer admin_token" } });
});
"""


# Three calls at once and an upload, whose token has ended; the first time `renew` fails.
CALLS = """
const [file, url, id, first, second] = process.argv.slice(2);
const { Salon } = await import(file);
let asked = 0;
const renew = async () => {
  asked += 1;
  if (asked === 1) throw new Error("the backend is away");
  return second;
};
const salon = new Salon({ url, token: first, renew, storage: null });
const problem = await salon.me().catch((error) => error.message);
const [me, page, ticket] = await Promise.all([salon.me(), salon.conversations(), salon.ticket()]);
const after = asked;
salon.token = first;
const kept = await salon.upload(id, new Blob(["notes"]), { name: "notes.txt" });
const nobody = await salon.request("GET", "/auth/me", undefined, null).catch(({ status }) => status);
const mine = page.conversations.some((each) => each.conversation_id === id);
const seen = { problem, id: me.id, mine, ticket: typeof ticket, after, kept: kept.name, asked, nobody };
console.log(JSON.stringify(seen));
"""


async def told(folder: Path, server: ServerProcess, *words: str, script: str = SCRIPT) -> Any:
    """What the script has seen."""
    module, program = folder / "salon.mjs", folder / "script.mjs"
    module.write_text(httpx2.get(f"{server.url}/salon.js").text)
    program.write_text(script)
    command = [NODE, "--no-warnings", program, module, server.url, *words]
    done = await trio.run_process(
        [str(word) for word in command], capture_stdout=True, stderr=subprocess.STDOUT
    )
    return json.loads(done.stdout)


async def issue(boss: Person, **fields: Any) -> tuple[str, str]:
    given = await boss.ask("POST", "/admin/tokens", {"id": "jo", "name": "Jo", **fields})
    return given["token"], given["token_id"]


async def test_an_open_connection_goes_on_with_a_new_token(
    server: ServerProcess, tmp_path: Path
) -> None:
    boss = admin(server)
    conversation_id = await boss.create(participants=[{"user_id": "jo"}])
    (first, _), (second, _) = await issue(boss, expires_in=20), await issue(boss)
    seen = await told(tmp_path, server, conversation_id, first, second)
    assert seen == {"what": "renewed", "sockets": 1, "asked": 1, "changed": True}


async def test_a_connection_is_made_with_a_new_token_where_the_first_has_ended(
    server: ServerProcess, tmp_path: Path
) -> None:
    boss = admin(server)
    conversation_id = await boss.create(participants=[{"user_id": "jo"}])
    (first, first_id), (second, _) = await issue(boss), await issue(boss)
    await boss.call("DELETE", f"/admin/tokens/{first_id}")
    seen = await told(tmp_path, server, conversation_id, first, second)
    assert seen == {"what": "live", "sockets": 1, "asked": 1, "changed": True}


async def test_a_connection_whose_token_is_revoked_is_made_again_with_a_new_one(
    server: ServerProcess, tmp_path: Path
) -> None:
    boss = admin(server)
    conversation_id = await boss.create(participants=[{"user_id": "jo"}])
    (first, first_id), (second, second_id) = await issue(boss), await issue(boss)
    of_each = [f"{server.url}/admin/tokens/{each}" for each in (first_id, second_id)]
    seen = await told(tmp_path, server, conversation_id, first, second, of_each[0])
    assert seen == {"what": "live", "sockets": 2, "asked": 1, "changed": True}
    seen = await told(tmp_path, server, conversation_id, second, second, of_each[1])
    assert seen["what"] == "ended", "the same token again would be refused again"


async def test_calls_are_made_again_with_a_new_token_which_is_asked_for_once(
    server: ServerProcess, tmp_path: Path
) -> None:
    boss = admin(server)
    conversation_id = await boss.create(participants=[{"user_id": "jo"}])
    (first, first_id), (second, _) = await issue(boss), await issue(boss)
    await boss.call("DELETE", f"/admin/tokens/{first_id}")
    seen = await told(tmp_path, server, conversation_id, first, second, script=CALLS)
    assert seen == {
        "problem": "the backend is away",
        "id": "jo",
        "mine": True,
        "ticket": "string",
        "after": 2,
        "kept": "notes.txt",
        "asked": 3,
        "nobody": 401,
    }
