/** The operator's console. */
import "./style.css";
import { Salon } from "../sdk/salon.ts";
import { byId, fill, h } from "../shared/dom.ts";

const who = await new Salon().me();
fill(byId("admin"), h("h1", {}, "salon: console"), h("p", {}, who?.admin ? `Signed in as ${who.name}` : "For operators."));
