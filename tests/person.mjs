// Somebody at salon.js for the tests: commands come in as lines of JSON, what happens goes out likewise.
//   node person.mjs SALON_JS URL [TOKEN]
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [script, url, token] = process.argv.slice(2);
const { Salon } = await import(pathToFileURL(script).href);
const stored = new Map();
const storage = {
  get length() { return stored.size; },
  key: (at) => [...stored.keys()][at] ?? null,
  getItem: (name) => stored.get(name) ?? null,
  setItem: (name, text) => void stored.set(name, text),
  removeItem: (name) => void stored.delete(name),
};
const salon = new Salon({ url, storage, ...(token && { token }) });
let conversation;
const tell = (signal, value = null) => process.stdout.write(`${JSON.stringify({ signal, value })}\n`);

const commands = {
  call: async ([name, ...given]) => tell("answer", (await salon[name](...given)) ?? null),
  upload: async ([id, text, name]) => tell("answer", await salon.upload(id, new File([text], name), { onProgress: (progress) => tell("progress", progress) })),
  download: async ([id, file]) => tell("answer", await (await salon.download(id, file)).text()),
  open: async ([id, options]) => {
    conversation = salon.open(id, options);
    for (const name of ["event", "state", "outbox", "preferences", "receipt", "participants", "presence", "typing", "read", "reset", "refused", "runs", "changes", "message"]) {
      conversation.on(name, (value) => tell(name, value));
    }
    tell("opened");
  },
  do: async ([name, ...given]) => tell("done", conversation[name](...given) ?? null),
  get: async ([name]) => tell("got", conversation[name] ?? null),
  stored: async () => tell("stored", Object.fromEntries(stored)),
  store: async ([name, text]) => { stored.set(name, text); tell("kept"); },
};
for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...given] = JSON.parse(line);
  try {
    await commands[command](given);
  } catch (error) {
    tell("failed", { name: error.name, text: error.message, refusal: error.refusal, status: error.status });
  }
}
