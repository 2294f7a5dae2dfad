/** The operator's console: who looks, then what they see. */
import "./style.css";
import { h, render } from "preact";
import { byId } from "../shared/dom.ts";
import { App } from "./app.tsx";
import { identify } from "./operator.ts";

void identify();
const place = byId("admin");
place.replaceChildren();
render(h(App, {}), place);
