// Who is in a conversation, and what they are called.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Roster } from "../../../web/page/sdk/roster.ts";

const member = (participantId) => ({ participantId, displayName: participantId, type: "human", role: "member", joinedAt: "", isOnline: true });
const updated = (id, name, type = "human") => ({ type: "participant_updated", sequence_id: 4, participant: { id, name, type } });

function roster(...ids) {
  const made = new Roster();
  made.list(ids.map(member), ids.length);
  return made;
}

test("who is called something else keeps role, place and presence", () => {
  const of = roster("ada", "bob");
  const before = of.participants;
  assert.equal(of.apply(updated("ada", "Countess", "agent")), true);
  assert.deepEqual(of.participants, [{ ...member("ada"), displayName: "Countess", type: "agent" }, member("bob")]);
  assert.equal(of.count, 2);
  assert.equal(before[0].displayName, "ada"); // what was given out is never changed in place
});

test("a new name of somebody who is not listed brings nobody in", () => {
  const of = roster("ada");
  of.apply(updated("zoe", "Zoe"));
  assert.deepEqual(of.participants, [member("ada")]);
});

test("a changed title changes nobody", () => {
  const of = roster("ada");
  assert.equal(of.apply({ type: "conversation_updated", sequence_id: 5, title: "Supper", by: "ada" }), false);
});

test("who has another role keeps the rest, and who was removed or banned is gone", () => {
  const of = roster("ada", "bob", "cleo");
  of.apply({ type: "participant_role_changed", sequence_id: 5, participant_id: "bob", role: "moderator", by: "ada" });
  assert.deepEqual(of.participants[1], { ...member("bob"), role: "moderator" });
  const person = (id) => ({ id, name: id, type: "human" });
  of.apply({ type: "participant_removed", sequence_id: 6, participant: person("bob"), participant_count: 2, by: "ada" });
  of.apply({ type: "participant_banned", sequence_id: 7, participant: person("cleo"), participant_count: 1, by: "ada" });
  assert.deepEqual([of.participants.map(({ participantId }) => participantId), of.count], [["ada"], 1]);
  assert.equal(of.apply({ type: "participant_muted", sequence_id: 8, participant: person("ada"), by: "ada" }), false);
});
