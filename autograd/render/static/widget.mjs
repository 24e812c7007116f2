// The widget of a notebook. Python computes the layout, every number and every word; this shows
// them and sends back what the user does, as messages. Nothing is written to the model.

import { Controls, make, panAndZoom, parse, picture } from "./stage.mjs";

/** Send one message at a time; of those that wait, only the newest of a kind is sent. */
export function postbox(model) {
  const waiting = new Map();
  let answered = null; // the count of answers when the message on its way was sent

  const next = () => {
    const [key, message] = waiting.entries().next().value ?? [];
    if (key === undefined) return;
    waiting.delete(key);
    answered = model.get("state").answered;
    model.send(message);
  };
  return {
    post(message) {
      const key = `${message.kind} ${message.name ?? ""}`;
      waiting.delete(key); // it goes to the end
      waiting.set(key, message);
      if (answered === null) next();
    },
    receive() {
      if (model.get("state").answered === answered) return;
      answered = null;
      next();
    },
  };
}

/** The sliders and number fields of the leaves. */
function sliders(document, post) {
  const fields = new Map();
  const element = make(document, "div", { className: "leaves" });

  const add = (leaf) => {
    const change = (event) => post({ kind: "set", name: leaf.name, value: event.target.value });
    const title = make(document, "span", { className: "title" }, leaf.title);
    const range = make(document, "input", { type: "range", "aria-label": leaf.title });
    const name = `${leaf.title}, exactly`;
    const number = make(document, "input", { type: "number", step: "any", "aria-label": name });
    range.addEventListener("input", change);
    number.addEventListener("change", change);
    element.append(title, range, number);
    fields.set(leaf.name, { range, number });
    return fields.get(leaf.name);
  };
  const update = (leaves) => {
    const inUse = element.getRootNode().activeElement; // its user knows better
    for (const leaf of leaves) {
      const { range, number } = fields.get(leaf.name) ?? add(leaf);
      [range.min, range.max, range.step] = [leaf.low, leaf.high, leaf.step];
      if (range !== inUse) range.value = leaf.value;
      if (number !== inUse) number.value = leaf.value;
      number.placeholder = leaf.value; // nan and inf, which a number field cannot hold
    }
  };
  return { element, update };
}

/** What is told of the chosen node. */
function details(document) {
  const element = make(document, "div", { className: "details", "aria-live": "polite" });
  const update = (chosen) => {
    const rows = chosen.rows.flatMap(([name, text]) => [
      make(document, "dt", {}, name),
      make(document, "dd", {}, text),
    ]);
    element.replaceChildren(
      make(document, "h4", {}, chosen.title),
      make(document, "dl", {}, ...rows),
    );
  };
  return { element, update };
}

const PRESSABLE = "g.node, g.cluster";

/** Let boxes and frames of scopes be pressed, by mouse and by keys. */
function pressable(svg, press) {
  for (const element of svg.querySelectorAll(PRESSABLE)) {
    const texts = [...element.querySelectorAll("text")].map((text) => text.textContent);
    element.setAttribute("tabindex", "0");
    element.setAttribute("role", "button");
    element.setAttribute("aria-label", texts.join(" "));
  }
  const pressed = (event) => event.target.closest(PRESSABLE)?.getAttribute("id");
  svg.addEventListener("click", (event) => press(pressed(event)));
  svg.addEventListener("keydown", (event) => {
    const isPress = event.key === "Enter" || event.key === " ";
    if (isPress) event.preventDefault();
    if (isPress) press(pressed(event));
  });
}

/** As high as the picture is at the width there is; a wide one opens at half its size at least. */
function height(svg) {
  const [, , wide, high] = svg.getAttribute("viewBox").split(" ").map(Number);
  return `clamp(9em, clamp(${high / 2}pt, ${(100 * high) / wide}cqw, ${high}pt), 32em)`;
}

function render({ model, el }) {
  const document = el.ownerDocument;
  const mail = postbox(model);
  const controls = new Controls(document, (step) => mail.post({ kind: "step", step }));
  const leaves = sliders(document, mail.post);
  const chosen = details(document);
  const stage = make(document, "div", { className: "picture" });
  const tools = make(document, "div", { className: "tools" });
  const error = make(document, "p", { className: "error", role: "alert" });
  const reset = make(document, "button", { type: "button" }, "Reset numbers");
  reset.onclick = () => mail.post({ kind: "reset" });
  let shown = null;
  let moves = null;

  const layOut = () => {
    const svg = parse(document, model.get("svg"));
    shown = picture(svg);
    moves = panAndZoom(document, svg);
    pressable(svg, (name) => {
      if (name !== undefined && !moves.isDragging()) mail.post({ kind: "press", name });
    });
    stage.replaceChildren(svg);
    svg.style.height = height(svg);
    tools.replaceChildren(controls.element, moves.element);
    update(); // the state may have come before the layout
    moves.follow(shown.slot(model.get("state").box));
  };
  const update = () => {
    const state = model.get("state");
    shown.show({ ...model.get("base"), ...state.look });
    if (controls.at !== state.step) moves.follow(shown.slot(state.box));
    controls.update(state.step, state.count, state.caption);
    leaves.update(state.leaves);
    chosen.update(state.chosen);
    reset.hidden = state.leaves.length === 0;
    error.textContent = state.error;
    for (const element of stage.querySelectorAll(PRESSABLE)) {
      const isChosen = element.getAttribute("id") === state.chosen.name;
      element.classList.toggle("chosen", isChosen);
    }
    mail.receive();
  };

  const root = make(document, "div", { className: "autograd autograd-widget" });
  const left = make(document, "div", { className: "left" }, stage, tools);
  const side = make(document, "div", { className: "side" });
  side.append(leaves.element, reset, error, chosen.element);
  root.append(left, side);
  // JupyterLab takes keys first, unless the element that has the focus says that it shall not.
  const claim = (event) => {
    if (event.target.closest?.(".autograd-widget") !== root) return;
    const isOurs = !event.ctrlKey && !event.metaKey; // Ctrl+S saves the notebook
    event.target.toggleAttribute("data-lm-suppress-shortcuts", isOurs);
  };
  document.defaultView.addEventListener("keydown", claim, true); // comes before JupyterLab's
  root.addEventListener("keydown", (event) => {
    const isTyped = event.target.closest("input") !== null;
    if (isTyped || controls.key(event) || moves.key(event)) event.stopPropagation();
  });
  const hidden = make(document, "style", {}, `.${model.get("key")} { display: none !important }`);
  el.append(root, hidden); // hides the picture that is for when there is no widget
  layOut();
  model.on("change:svg", layOut);
  model.on("change:state", update);
  return () => {
    controls.pause();
    document.defaultView.removeEventListener("keydown", claim, true);
    model.off("change:svg", layOut);
    model.off("change:state", update);
  };
}

export default { render };
