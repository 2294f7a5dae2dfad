/** Elements without HTML: what people have written can only ever become text. */

export type Child = Node | string | number | false | null | undefined;

type Properties<E extends Element> = {
  class?: string;
  dataset?: Record<string, string>;
  style?: never; // the policy of the page blocks the attribute: set `element.style` or a class
} & { [name: `aria-${string}` | `data-${string}`]: string | number | boolean | null | undefined } & {
  [name: `on${string}`]: ((event: any) => void) | undefined;
} & Partial<Omit<E, "dataset" | "style" | "children" | "innerHTML" | "outerHTML" | "srcdoc" | `on${string}` | `aria${string}`>> & {
    role?: string;
    for?: string;
    list?: string;
  };

/**
 * An element: `h("button", { class: "button", type: "button", onclick: send }, "Send")`.
 *
 * A name that begins with `on` is an event's; `class`, `role`, `for`, `list`, `aria-…` and `data-…` are attributes (null or
 * undefined leave them out); everything else is a property.
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties<HTMLElementTagNameMap[K]> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2).toLowerCase(), value as EventListener);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (isAttribute(name)) element.setAttribute(name, String(value));
    else Reflect.set(element, name, value);
  }
  append(element, children);
  return element;
}

/** Put these children in the place of all that is there. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren();
  append(element, children);
}

/** The element with this id, which the page has to have. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no element with the id ${id}`);
  return element as E;
}

const SVG = "http://www.w3.org/2000/svg";

/** An element of a drawing; everything is an attribute. */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | number> = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  append(element, children);
  return element;
}

function isAttribute(name: string): boolean {
  return /^(class|role|for|list|aria-.*|data-.*)$/.test(name);
}

function append(element: Element, children: Child[]): void {
  for (const child of children) {
    if (child === false || child === null || child === undefined) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}
