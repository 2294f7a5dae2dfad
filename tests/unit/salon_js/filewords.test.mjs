// How the page speaks of files, and how much room it keeps for them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { gist, heightOf, kindOf, placeOf, previewFor, sizeOf } from "../../../web/page/chat/filewords.ts";
import { arrange } from "../../../web/page/chat/timeline.ts";

const AT = "2026-03-01T12:00:00.000Z";
const VIEW = { me: "ada", readBefore: null, more: true, starts: new Set(), names: new Map() };
const PDF = { file_id: "f1", name: "menu.pdf", media_type: "application/pdf", size: 81_234 };
const CAT = { file_id: "f2", name: "cat.png", media_type: "image/png", size: 10, width: 4000, height: 3000, alt: "A cat" };
const said = (more) => ({
  type: "message", sequence_id: 1,
  message: { message_id: "m1", sequence_id: 1, sender_id: "bob", sender_name: "Bob", sender_type: "human", content: "", timestamp: AT, ...more },
});
const row = (event, outbox = []) => arrange(event ? [event] : [], outbox, VIEW).find((each) => each.kind === "said");

test("sizes are said in thousands, with a figure behind the point where that says something", () => {
  assert.deepEqual([0, 999, 1000, 81_234, 2_500_000, 25_000_000, 3e9].map((size) => sizeOf(size, "en")), ["0 bytes", "999 bytes", "1 kB", "81 kB", "2.5 MB", "25 MB", "3 GB"]);
});

test("kinds are said in words, and what is not known is a file", () => {
  assert.deepEqual(["image/png", "application/pdf", "text/plain", "application/vnd.oasis.opendocument.spreadsheet", "application/x-unheard", undefined].map(kindOf), ["Picture", "PDF", "Text", "Spreadsheet", "File", "File"]);
});

test("a picture's place is known before it comes: never larger than it is, and in its proportions", () => {
  assert.deepEqual(placeOf(CAT), { width: 384, height: 288 });
  assert.deepEqual(placeOf({ width: 100, height: 3200 }), { width: 10, height: 320 });
  assert.deepEqual(placeOf({ width: 50, height: 40 }), { width: 50, height: 40 });
  assert.deepEqual(placeOf({ width: 100_000, height: 1 }), { width: 384, height: 1 });
  assert.equal(placeOf(PDF), null);
  assert.deepEqual([previewFor({ width: 384, height: 288 }, 1), previewFor({ width: 384, height: 288 }, 2), previewFor({ width: 384, height: 288 }, 4)], [640, 1280, 1280]);
  assert.ok(heightOf([CAT, PDF]) > heightOf([CAT]));
  assert.equal(heightOf(undefined), 0);
});

test("where there is one line, a message without words is told by what it shows", () => {
  assert.equal(gist({ content: "Look", files: [CAT] }), "Look");
  assert.equal(gist({ content: " ", files: [CAT] }), "Picture: A cat");
  assert.equal(gist({ content: "", files: [PDF, CAT, CAT] }), "PDF: menu.pdf, and 2 more");
  assert.equal(gist({ content: "" }), "");
});

test("a row has the files of its message, also while it waits, and none once that is deleted", () => {
  assert.deepEqual(row(said({ files: [CAT] })).files, [CAT]);
  assert.equal(row(said({})).files, undefined);
  assert.equal(row(said({ files: [CAT], deleted: true })).files, undefined);
  assert.deepEqual(row(null, [{ key: "k", content: "", queued_at: 0, state: "waiting", files: [PDF] }]).files, [PDF]);
});
