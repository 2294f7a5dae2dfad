// When what was refused for load goes out again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Mail } from "../../../web/page/sdk/mail.ts";

const shelf = { person: "ada", keep() {}, drop() {}, adopt: () => () => {} };

test("a pause that ends between two looks at the clock is not forgotten", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let clock = 0;
  let step = 0; // milliseconds between two looks
  t.mock.method(performance, "now", () => (clock += step) - step);
  const written = [];
  const mail = new Mail(shelf, "c", (frame) => written.push(frame) > 0, () => {});
  mail.up();
  const { key } = mail.send("Hello", {});
  assert.equal(written.length, 1);
  mail.refuse({ code: "RATE_LIMITED", error: "", temporary: true, client_message_id: key, retry_after: 0.1 });
  [clock, step] = [99.8, 0.4];
  t.mock.timers.tick(101);
  [clock, step] = [110, 0];
  t.mock.timers.tick(10);
  assert.equal(written.length, 2);
});
