// A real OpenID Connect provider for the tests, from npm, with its own login form: whoever types a name is that person.
// usage: provider.mjs NODE_MODULES '{"client_id": …}'…; it prints its issuer once it can be asked.
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [modules, ...clients] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));

const server = createServer();
await new Promise((listening) => server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const names = new Map(); // people's names change, and /call?id=ID&name=NAME does it
const provider = new Provider(issuer, {
  clients: clients.map((each) => JSON.parse(each)),
  claims: { profile: ["name", "groups"], email: ["email", "email_verified"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      name: names.get(id) ?? id,
      groups: id.startsWith("lead") ? ["people", "chat-admins"] : ["people"],
      email: `${id}@example.org`,
      email_verified: !id.startsWith("unsure"),
    }),
  }),
  pkce: { required: () => true },
  cookies: { keys: ["for tests alone"] },
});
const answer = provider.callback();
server.on("request", (request, response) => {
  const { pathname, searchParams } = new URL(request.url, issuer);
  if (pathname !== "/call") return answer(request, response);
  names.set(searchParams.get("id"), searchParams.get("name"));
  return response.end();
});
console.log(issuer);
