import assert from "node:assert/strict";
import { test } from "node:test";
import widget, { postbox } from "../../autograd/render/static/widget.mjs";
import { newDocument } from "./dom.mjs";

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" height="100pt" viewBox="0 0 200 100">
<g id="n0" class="node"><polygon data-slot="n0"/><text data-slot="n0.0">a</text></g>
<g id="n1" class="node"><polygon data-slot="n1"/><text data-slot="n1.0">b</text></g></svg>`;

const BASE = { "n0.0": { text: "a" }, "n1.0": { text: "b" } };

const STATE = {
  answered: 0,
  look: { "n1.0": { text: "0.5" } },
  box: "n1",
  step: 2,
  count: 3,
  caption: "done",
  leaves: [
    { name: "n0", title: "a", value: "2.0", low: -5, high: 5 },
    { name: "n2", title: "<b>", value: "nan", low: -1, high: 1 },
  ],
  chosen: { name: "n1", title: "tanh", rows: [["data", "0.5"]] },
  error: "",
};

/** A model as anywidget hands one to a view, and what was sent. */
function newModel(state = STATE) {
  const values = { svg: SVG, base: BASE, state, key: "autograd-key" };
  const listeners = new Map();
  const sent = [];
  return {
    sent,
    listeners,
    get: (name) => values[name],
    set: () => assert.fail("the view writes nothing to the model"),
    save_changes: () => assert.fail("the view writes nothing to the model"),
    send: (message) => sent.push(message),
    on: (name, action) => listeners.set(name, action),
    off: (name) => listeners.delete(name),
    /** As if Python had set a trait. */
    receive(name, value) {
      values[name] = value;
      listeners.get(`change:${name}`)();
    },
  };
}

function newView(state) {
  const document = newDocument();
  const model = newModel(state);
  const close = widget.render({ model, el: document.body });
  const all = (selector) => document.body.querySelectorAll(selector);
  const answer = (changes = {}) => {
    const old = model.get("state");
    model.receive("state", { ...old, answered: old.answered + 1, ...changes });
  };
  return { document, model, close, all, answer };
}

test("the view shows what Python says, as text", () => {
  const { all } = newView();
  assert.equal(all('[data-slot="n1.0"]')[0].textContent, "0.5");
  assert.equal(all(".caption")[0].textContent, "done");
  assert.equal(all("h4")[0].textContent, "tanh");
  assert.deepEqual(all("dt, dd").map((e) => e.textContent), ["data", "0.5"]);
  assert.deepEqual(all(".title").map((e) => e.textContent), ["a", "<b>"]);
  assert.deepEqual(all("g.node").map((e) => e.classList.contains("chosen")), [false, true]);
});

test("a slider and a field send the number of their leaf", () => {
  const { model, all, answer } = newView();
  const [range, number] = all(".leaves")[0].querySelectorAll("input");
  range.value = "1.25";
  range.dispatch("input");
  answer();
  number.value = "1e-3";
  number.dispatch("change");
  assert.deepEqual(model.sent, [
    { kind: "set", name: "n0", value: "1.25" },
    { kind: "set", name: "n0", value: "1e-3" },
  ]);
});

test("numbers from Python move the sliders, but not the one in use", () => {
  const { document, model, all } = newView();
  const [range, number] = all(".leaves")[0].querySelectorAll("input");
  document.activeElement = range;
  const leaves = [{ ...STATE.leaves[0], value: "3.0", high: 10 }, STATE.leaves[1]];
  model.receive("state", { ...STATE, leaves });
  assert.deepEqual([number.value, range.value, range.max], ["3.0", "2.0", 10]);
});

test("while Python computes, only the newest of each slider waits", () => {
  const model = newModel();
  const mail = postbox(model);
  mail.post({ kind: "set", name: "a", value: "1" });
  for (const value of ["2", "3"]) mail.post({ kind: "set", name: "a", value });
  mail.post({ kind: "set", name: "b", value: "7" });
  mail.post({ kind: "set", name: "a", value: "4" });
  mail.receive(); // of another view's change: nothing was answered
  assert.deepEqual(model.sent.map((m) => m.value), ["1"]);
  for (const answered of [1, 2, 3]) {
    model.listeners.set("change:state", mail.receive);
    model.receive("state", { ...STATE, answered });
  }
  assert.deepEqual(model.sent.map((m) => m.value), ["1", "7", "4"]);
  mail.post({ kind: "set", name: "a", value: "5" });
  assert.equal(model.sent.length, 4);
});

test("a press or Enter on a box sends its name, elsewhere nothing", () => {
  const { model, all, answer } = newView();
  const [, text] = all("text");
  text.dispatch("click");
  answer();
  text.dispatch("keydown", { key: "Enter" });
  answer();
  all("svg")[0].dispatch("click");
  assert.deepEqual(model.sent, [
    { kind: "press", name: "n1" },
    { kind: "press", name: "n1" },
  ]);
});

test("boxes can be reached by keys and have a name", () => {
  const { all } = newView();
  const [box] = all("g.node");
  assert.deepEqual(
    ["tabindex", "role", "aria-label"].map((name) => box.getAttribute(name)),
    ["0", "button", "a"],
  );
});

test("steps are asked of Python", () => {
  const { model, all, answer } = newView();
  const [first, back] = all("button").filter((e) => e.textContent.match(/First|Back/));
  back.dispatch("click");
  answer({ step: 1 });
  first.dispatch("click");
  assert.deepEqual(model.sent, [
    { kind: "step", step: 1 },
    { kind: "step", step: 0 },
  ]);
});

test("a new layout replaces the picture and keeps the rest", () => {
  const { model, all } = newView();
  model.receive("svg", SVG.replaceAll("n1", "n7"));
  model.receive("state", { ...STATE, box: "n7", look: { "n7.0": { text: "8" } } });
  assert.equal(all("svg").length, 1);
  assert.equal(all('[data-slot="n7.0"]')[0].textContent, "8");
  assert.equal(all(".leaves").length, 1);
});

test("a new layout shows the numbers that came before it", () => {
  const { model, all } = newView();
  const svg = SVG.replaceAll("n1", "n7");
  model.receive("state", { ...STATE, box: "n7", look: { "n7.0": { text: "8" } } });
  model.receive("svg", svg);
  assert.equal(all('[data-slot="n7.0"]')[0].textContent, "8");
});

test("an error is shown, and taken back", () => {
  const { model, all } = newView();
  model.receive("state", { ...STATE, error: "not a number" });
  assert.equal(all(".error")[0].textContent, "not a number");
  assert.equal(all(".error")[0].getAttribute("role"), "alert");
  model.receive("state", STATE);
  assert.equal(all(".error")[0].textContent, "");
});

test("keys pressed in the widget do not reach the notebook", () => {
  const { document, all } = newView();
  let reached = 0;
  document.addEventListener("keydown", () => (reached += 1));
  all(".picture")[0].dispatch("keydown", { key: "ArrowLeft" });
  assert.equal(reached, 0);
  all(".picture")[0].dispatch("keydown", { key: "q" });
  assert.equal(reached, 1);
  for (const input of all("input")) {
    for (const key of ["Enter", "ArrowLeft", "-", "a"]) {
      assert.ok(!input.dispatch("keydown", { key }).prevented); // the field's own
    }
  }
  assert.equal(reached, 1);
});

test("what has the focus keeps JupyterLab's shortcuts away, but for those with Ctrl", () => {
  const { document, all, close } = newView();
  const mark = "data-lm-suppress-shortcuts";
  const press = (target, more = {}) => document.defaultView.dispatch("keydown", { target, ...more });
  for (const element of [all("input")[0], all("button")[0], all("g.node")[0]]) {
    press(element);
    assert.ok(element.hasAttribute(mark));
    press(element, { ctrlKey: true });
    assert.ok(!element.hasAttribute(mark));
  }
  press(document.body);
  assert.ok(!document.body.hasAttribute(mark));
  close();
  press(all("input")[0]);
  assert.ok(!all("input")[0].hasAttribute(mark));
});

test("a closed view listens no more", () => {
  const { model, close } = newView();
  close();
  assert.equal(model.listeners.size, 0);
});
