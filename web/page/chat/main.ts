/** The chat page. */
import "./style.css";
import { Salon } from "../sdk/salon.ts";
import { byId, fill, h } from "../shared/dom.ts";
import { markdown } from "../shared/markdown.ts";

const salon = new Salon();
const who = await salon.me();
const greeting = h("div", { class: "prose" });
greeting.append(markdown(who ? `You are **signed in**.` : "You are *not* signed in. The interface is described at [/docs](/docs)."));
fill(byId("chat"), h("h1", {}, "salon"), who && h("p", {}, who.name), greeting);
