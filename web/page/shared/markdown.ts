/** What people write, as nodes: basic Markdown through marked, then DOMPurify. Nothing else turns their text into HTML. */
import DOMPurify from "dompurify";
import { Marked, type Tokens } from "marked";

const LONG = 20_000; // UTF-16 units; beyond it text stays plain, whatever limit the server was given

const ALLOWED = {
  ALLOWED_TAGS: [
    ..."a blockquote br code del em h1 h2 h3 h4 h5 h6 hr input li ol p pre strong table tbody td th thead tr ul".split(" "),
  ],
  ALLOWED_ATTR: ["align", "checked", "class", "disabled", "href", "start", "title", "type"],
  ADD_URI_SAFE_ATTR: ["align", "checked", "disabled", "start", "type"], // the next line is for addresses alone
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|tel:)/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true as const,
};

const marked = new Marked({ gfm: true, breaks: true });
marked.use({
  renderer: {
    // Tags that somebody types are text like any other, and so is where a link's name is defined.
    html: ({ raw, block }: Tokens.HTML | Tokens.Tag) => (block ? paragraph(raw) : escaped(raw)),
    def: ({ raw }: Tokens.Def) => paragraph(raw),
    // An image would tell a stranger's server who reads what, and when: it is a link instead.
    image: ({ href, text }: Tokens.Image) => `<a href="${escaped(href)}">${escaped(text || href)}</a>`,
  },
});

const purify = DOMPurify(window);
purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.getAttribute("href")) {
    node.setAttribute("rel", "noopener noreferrer nofollow");
    node.setAttribute("target", "_blank");
  } else {
    node.removeAttribute("href");
  }
  if (node.nodeName === "INPUT") {
    node.setAttribute("type", "checkbox"); // of a task list
    node.setAttribute("disabled", "");
  }
  const className = node.getAttribute("class");
  if (className !== null && !(node.nodeName === "CODE" && /^language-[\w+#.-]{1,40}$/.test(className))) {
    node.removeAttribute("class");
  }
});

/** Nodes for a text, to be put into an element of the class `prose`. */
export function markdown(text: string): DocumentFragment {
  if (text.length > LONG) return plain(text);
  let html: string;
  try {
    html = marked.parse(text, { async: false });
  } catch {
    return plain(text);
  }
  const fragment = purify.sanitize(html, ALLOWED);
  const empty = fragment.textContent?.trim() === "" && fragment.querySelector("hr, input") === null;
  return empty ? plain(text) : fragment; // a lone "#", say
}

function plain(text: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  const block = document.createElement("p");
  text.split("\n").forEach((line, at) => block.append(...(at ? [document.createElement("br")] : []), line));
  fragment.append(block);
  return fragment;
}

function paragraph(text: string): string {
  return `<p>${escaped(text.trim()).replaceAll("\n", "<br>")}</p>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
