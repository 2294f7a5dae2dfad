/** The chat page: who sits here, then what they see. */
import "./style.css";
import { h, render } from "preact";
import { byId } from "../shared/dom.ts";
import { App } from "./app.tsx";
import { identify } from "./session.ts";
import { standBy } from "./standby.ts";

void identify();
const place = byId("chat");
place.replaceChildren();
render(h(App, {}), place);
standBy();
