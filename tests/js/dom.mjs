// As much of a browser's document as the scripts under test use, so that `node --test` needs no
// package. Setting markup from text throws: the scripts may set text only.

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'", "#45": "-", "#160": "\u00a0" };
const decode = (text) => text.replace(/&(#?\w+);/g, (all, name) => ENTITIES[name] ?? all);

/** One part of a selector: a tag, [attribute], [attribute="value"] or .class, or the like. */
function fits(element, selector) {
  return selector.split(",").some((part) => {
    const [, tag, rest] = part.trim().match(/^(\w*)(.*)$/);
    if (tag && element.tagName.toLowerCase() !== tag.toLowerCase()) return false;
    const tests = rest.match(/\[[^\]]+\]|\.[\w-]+/g) ?? [];
    return tests.every((test) => {
      if (test.startsWith(".")) return element.classList.contains(test.slice(1));
      const [, name, value] = test.match(/^\[([\w-]+)(?:="([^"]*)")?\]$/);
      return value === undefined ? element.hasAttribute(name) : element.getAttribute(name) === value;
    });
  });
}

class Text {
  constructor(text) {
    this.textContent = text;
  }
}

class Element {
  #attributes = new Map();
  #listeners = new Map();

  constructor(document, tagName, namespaceURI) {
    Object.assign(this, { ownerDocument: document, tagName, namespaceURI });
    Object.assign(this, { parentNode: null, childNodes: [], hidden: false, disabled: false });
    this.style = {};
    const names = () => (this.getAttribute("class") ?? "").split(/\s+/).filter(Boolean);
    this.classList = {
      contains: (name) => names().includes(name),
      toggle: (name, on) => {
        const rest = names().filter((other) => other !== name);
        this.setAttribute("class", (on ? [...rest, name] : rest).join(" "));
      },
    };
  }

  get children() {
    return this.childNodes.filter((child) => child instanceof Element);
  }

  get className() {
    return this.getAttribute("class") ?? "";
  }

  set className(value) {
    this.setAttribute("class", value);
  }

  get textContent() {
    return this.childNodes.map((child) => child.textContent).join("");
  }

  set textContent(text) {
    this.childNodes = text === "" ? [] : [new Text(String(text))];
  }

  set innerHTML(_) {
    throw new Error("innerHTML is not for these scripts");
  }

  set outerHTML(_) {
    throw new Error("outerHTML is not for these scripts");
  }

  insertAdjacentHTML() {
    throw new Error("insertAdjacentHTML is not for these scripts");
  }

  append(...children) {
    for (const child of children) {
      const node = child instanceof Element ? child : new Text(String(child));
      if (node instanceof Element) node.parentNode = this;
      this.childNodes.push(node);
    }
  }

  replaceChildren(...children) {
    this.childNodes = [];
    this.append(...children);
  }

  getAttribute(name) {
    return this.#attributes.get(name) ?? null;
  }

  hasAttribute(name) {
    return this.#attributes.has(name);
  }

  setAttribute(name, value) {
    this.#attributes.set(name, String(value));
  }

  toggleAttribute(name, on) {
    if (on) this.#attributes.set(name, "");
    else this.#attributes.delete(name);
  }

  get attributes() {
    return Object.fromEntries(this.#attributes);
  }

  querySelectorAll(selector) {
    const below = this.children.flatMap((child) => [child, ...child.querySelectorAll("*")]);
    return selector === "*" ? below : below.filter((element) => fits(element, selector));
  }

  querySelector(selector) {
    return this.querySelectorAll(selector)[0] ?? null;
  }

  closest(selector) {
    return fits(this, selector) ? this : (this.parentNode?.closest?.(selector) ?? null);
  }

  getRootNode() {
    return this.ownerDocument;
  }

  getBoundingClientRect() {
    return this.area ?? { left: 0, top: 0, right: 100, bottom: 50, width: 100, height: 50 };
  }

  setPointerCapture(id) {
    this.captured = id;
  }

  addEventListener(type, listener) {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  removeEventListener(type, listener) {
    this.#listeners.set(type, this.#listeners.get(type).filter((other) => other !== listener));
  }

  /** Send an event of a type, with these properties, to this element and those around it. */
  dispatch(type, properties = {}) {
    let isStopped = false;
    const event = {
      ...{ type, target: this, prevented: false, ctrlKey: false, metaKey: false, altKey: false },
      preventDefault: () => (event.prevented = true),
      stopPropagation: () => (isStopped = true),
      ...properties,
    };
    for (let at = this; at && !isStopped; at = at.parentNode) {
      for (const listener of at.#listeners.get(type) ?? []) listener(event);
      at[`on${type}`]?.(event);
    }
    return event;
  }
}

/** Parse XML without doctype or CDATA, as Graphviz and Python write it. */
export function parseXML(document, text) {
  const root = new Element(document, "#root", null);
  const stack = [root];
  for (const [token] of text.matchAll(/<!--[^]*?-->|<\?[^]*?\?>|<[^>]*>|[^<]+/g)) {
    if (/^<[!?]/.test(token)) continue;
    if (token.startsWith("</")) stack.pop();
    else if (token.startsWith("<")) {
      const element = new Element(document, token.match(/^<([\w:-]+)/)[1]);
      for (const [, name, value] of token.matchAll(/([\w:-]+)="([^"]*)"/g)) {
        element.setAttribute(name, decode(value));
      }
      const own = element.getAttribute("xmlns");
      element.namespaceURI = own ?? stack.at(-1).namespaceURI;
      stack.at(-1).append(element);
      if (!token.endsWith("/>")) stack.push(element);
    } else stack.at(-1).append(decode(token));
  }
  if (stack.length !== 1) throw new Error("the XML does not close what it opens");
  return root.children[0];
}

const observers = [];

/** Tell who waits for it that elements have a size now. */
export function resize() {
  for (const observer of [...observers]) observer.action();
}

/** A new empty document; also sets what the scripts take from a window. */
export function newDocument() {
  const document = new Element(null, "#document", null);
  document.activeElement = null;
  document.defaultView = new Element(document, "#window", null);
  document.createElement = (tag) => new Element(document, tag.toUpperCase(), "http://www.w3.org/1999/xhtml");
  document.importNode = (node) => node;
  document.body = document.createElement("body");
  document.append(document.body);
  globalThis.ResizeObserver = class {
    constructor(action) {
      this.action = action;
      observers.push(this);
    }
    observe() {}
    disconnect() {
      observers.splice(observers.indexOf(this), 1);
    }
  };
  globalThis.DOMParser = class {
    parseFromString(text) {
      return { documentElement: parseXML(document, text) };
    }
  };
  return document;
}
