// An agent at salon.js for the tests: what it is to say comes in as lines of JSON, what it learns goes out likewise.
//   node agent.mjs SALON_JS URL TOKEN CONVERSATION
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [script, url, token, id] = process.argv.slice(2);
const { Salon } = await import(pathToFileURL(script).href);
const conversation = new Salon({ url, token, storage: null }).open(id);
const tell = (...told) => process.stdout.write(`${JSON.stringify(told)}\n`);
const runs = new Map();
conversation.on("state", ({ status }) => tell("state", status));

const commands = {
  run: (runId, replyTo) => {
    const run = conversation.run({ runId, ...(replyTo && { replyTo }) });
    run.signal.addEventListener("abort", () => tell("aborted", runId, run.signal.reason.refusal.code));
    runs.set(runId, run);
  },
  say: (runId, text) => runs.get(runId).say(text),
  status: (runId, state, label) => runs.get(runId).status(state, label),
  ask: (runId, tool, args) => runs.get(runId).ask(tool, args).then((approved) => tell("decided", approved)),
  end: (runId, more) => runs.get(runId).end(more).then((receipt) => tell("receipt", receipt)),
};
for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...given] = JSON.parse(line);
  Promise.resolve(commands[command](...given)).catch(({ refusal }) => tell("refused", refusal.code));
}
process.exit();
