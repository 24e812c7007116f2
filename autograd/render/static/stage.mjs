// What the page of a film and the notebook's widget share: a picture of which texts and colours
// change, moving about in it, and the controls of the steps. All text is set as text, never as
// markup, and a look may change nothing but the attributes listed here.

const SVG = "http://www.w3.org/2000/svg";
const CHANGEABLE = new Set(["fill", "stroke", "stroke-width"]);
const DELAY = 1500; // milliseconds a step while playing
const DRAG = 4; // pixels before a press becomes a drag
const MARGIN = 15; // pixels between a box that is followed and the edge
const READABLE = 1.5; // points a pixel: text of 11 points is 7 pixels high

const ATTRIBUTE = /-|^role$/; // what an element has no property for, not everywhere at least

/** Make an element with properties, attributes and children. */
export function make(document, tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (ATTRIBUTE.test(name)) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Show a look, {slot: {attribute: value}}, in the elements of `root` that carry `data-slot`. */
export function picture(root) {
  const slots = new Map();
  for (const element of root.querySelectorAll("[data-slot]")) {
    slots.set(element.getAttribute("data-slot"), element);
  }
  return {
    slot: (name) => slots.get(name),
    show(look) {
      for (const [slot, changes] of Object.entries(look)) {
        const element = slots.get(slot);
        if (element === undefined) continue;
        for (const [name, value] of Object.entries(changes)) {
          if (name === "text") element.textContent = value;
          else if (CHANGEABLE.has(name)) element.setAttribute(name, value);
        }
      }
    },
  };
}

/** Buttons that play, pause, step and scrub; `show(k)` is asked to show step k, from 0. */
export class Controls {
  #timer = null;

  constructor(document, show) {
    this.at = 0;
    this.count = 1;
    this.show = show;
    const button = (text, label, action) =>
      make(document, "button", { type: "button", "aria-label": label, onclick: action }, text);
    this.first = button("First", "First step", () => this.jump(0));
    this.back = button("Back", "One step back", () => this.jump(this.at - 1));
    this.toggle = button("Play", "Play", () => this.#timer === null ? this.play() : this.pause());
    this.forward = button("Forward", "One step forward", () => this.jump(this.at + 1));
    this.last = button("Last", "Last step", () => this.jump(this.count - 1));
    this.range = make(document, "input", { type: "range", min: 0, step: 1, "aria-label": "Step" });
    this.range.addEventListener("input", () => this.jump(Number(this.range.value)));
    this.caption = make(document, "p", { className: "caption", "aria-live": "polite" });
    this.toggle.className = "toggle";
    const buttons = [this.first, this.back, this.toggle, this.forward, this.last];
    const bar = make(document, "div", { className: "bar" }, ...buttons, this.range);
    this.element = make(document, "div", { className: "controls" }, bar, this.caption);
  }

  /** Go to a step by hand, which ends playing; from either end there is no further one. */
  jump(step) {
    const next = Math.min(Math.max(step, 0), this.count - 1);
    if (next === this.at) return;
    this.pause();
    this.show(next);
  }

  play() {
    if (this.at >= this.count - 1) this.show(0);
    const next = () => {
      if (this.at < this.count - 1) this.show(this.at + 1);
      if (this.at >= this.count - 1) this.pause();
      else this.#timer = setTimeout(next, DELAY);
    };
    this.#timer = setTimeout(next, DELAY);
    this.#say("Pause", "off");
  }

  pause() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#say("Play", "polite");
  }

  #say(text, live) {
    this.toggle.textContent = text;
    this.toggle.setAttribute("aria-label", text);
    this.caption.setAttribute("aria-live", live); // a reader would lag behind a play
  }

  /** Take note of what is shown now. */
  update(at, count, caption) {
    [this.at, this.count] = [at, count];
    this.range.max = count - 1; // before the value, which it limits
    this.range.value = at;
    this.range.setAttribute("aria-valuetext", `step ${at} of ${count - 1}`);
    // Not `disabled`, which takes the focus: keys would go to the page around.
    for (const button of [this.first, this.back]) button.setAttribute("aria-disabled", at === 0);
    for (const button of [this.last, this.forward]) {
      button.setAttribute("aria-disabled", at === count - 1);
    }
    this.caption.textContent = caption;
  }

  /** Handle a key pressed in the film; tell whether it was one of these. */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.target.closest("input, select, textarea")) return false; // they have their own
    const steps = { ArrowLeft: this.at - 1, ArrowRight: this.at + 1, Home: 0, End: this.count - 1 };
    if (event.key === " " && !event.target.closest("button, [role]")) this.toggle.onclick();
    else if (Object.hasOwn(steps, event.key)) this.jump(steps[event.key]);
    else return false;
    event.preventDefault();
    return true;
  }
}

/**
 * Pan by dragging; zoom by buttons, by keys + - 0, and by the wheel with Ctrl or a pinch. A large
 * picture opens at a size at which it can be read, on the box that `follow` was last told of.
 */
export function panAndZoom(document, svg) {
  const [left, top, width, height] = svg.getAttribute("viewBox").split(/[\s,]+/).map(Number);
  let view = { x: left + width / 2, y: top + height / 2, scale: 1 }; // its middle
  let start = null; // where a press began, and the view then
  let followed = null;

  const draw = (next) => {
    view = next;
    const [w, h] = [width / view.scale, height / view.scale];
    const box = [view.x - w / 2, view.y - h / 2, w, h];
    svg.setAttribute("viewBox", box.map((n) => n.toFixed(2)).join(" "));
  };
  const area = () => svg.getBoundingClientRect();
  const unit = () => Math.max(width / area().width, height / area().height) / view.scale; // a pixel
  const place = (x, y) => [
    view.x + (x - area().left - area().width / 2) * unit(),
    view.y + (y - area().top - area().height / 2) * unit(),
  ];
  const zoom = (factor, x = view.x, y = view.y) => {
    const scale = Math.min(Math.max(view.scale * factor, 0.25), 100);
    const ratio = view.scale / scale;
    draw({ x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio, scale });
  };
  const fit = () => draw({ x: left + width / 2, y: top + height / 2, scale: 1 });
  const follow = (element) => {
    if (element === undefined) return;
    followed = element;
    if (area().width === 0) return; // not in the page yet
    const [box, all] = [element.getBoundingClientRect(), area()];
    const x = outside(box.left - all.left, box.right - all.right);
    const y = outside(box.top - all.top, box.bottom - all.bottom);
    draw({ ...view, x: view.x + x * unit(), y: view.y + y * unit() });
  };
  const sizes = new ResizeObserver(() => {
    if (area().width === 0) return;
    sizes.disconnect();
    if (unit() > READABLE) zoom(unit() / READABLE);
    if (followed !== null) follow(followed);
  });
  sizes.observe(svg);

  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), ...place(event.clientX, event.clientY));
  });
  svg.addEventListener("pointerdown", (event) => {
    if (event.button === 0) start = { x: event.clientX, y: event.clientY, view, moved: false };
  });
  svg.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const [dx, dy] = [event.clientX - start.x, event.clientY - start.y];
    if (!start.moved && Math.hypot(dx, dy) < DRAG) return;
    if (!start.moved) svg.setPointerCapture(event.pointerId);
    start.moved = true;
    draw({ ...view, x: start.view.x - dx * unit(), y: start.view.y - dy * unit() });
  });
  for (const end of ["pointerup", "pointercancel"]) {
    svg.addEventListener(end, () => setTimeout(() => (start = null))); // after the click
  }

  const button = (text, label, action) =>
    make(document, "button", { type: "button", "aria-label": label, onclick: action }, text);
  const buttons = [
    button("+", "Zoom in", () => zoom(1.25)),
    button("\u2212", "Zoom out", () => zoom(0.8)),
    button("Fit", "Show all", fit),
  ];
  return {
    element: make(document, "div", { className: "zoom" }, ...buttons),
    follow,
    isDragging: () => start !== null && start.moved,
    key(event) {
      const actions = { "+": () => zoom(1.25), "-": () => zoom(0.8), 0: fit };
      const isOurs = !event.ctrlKey && !event.metaKey && Object.hasOwn(actions, event.key);
      if (!isOurs || event.target.closest("input")) return false;
      actions[event.key]();
      return true;
    },
  };
}

/** How far to move so that what is `before` one edge, or `behind` the other, is in with a margin. */
function outside(before, behind) {
  return before < 0 ? before - MARGIN : behind > 0 ? behind + MARGIN : 0;
}

/** The `<svg>` element of a text of XML. */
export function parse(document, text) {
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  if (parsed.namespaceURI !== SVG) throw new Error("the picture is not an SVG");
  return document.importNode(parsed, true);
}
