import assert from "node:assert/strict";
import { test } from "node:test";
import { Controls, panAndZoom, parse, picture } from "../../autograd/render/static/stage.mjs";
import { newDocument, resize } from "./dom.mjs";

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0.00 0.00 200.00 100.00">
<g id="n0" class="node"><polygon data-slot="n0" fill="#fff"/><text data-slot="n0.0">2</text></g>
</svg>`;

function newPicture() {
  const document = newDocument();
  const svg = parse(document, SVG);
  document.body.append(svg);
  return { document, svg };
}

function newControls(count) {
  const document = newDocument();
  const shown = [];
  const controls = new Controls(document, (step) => {
    shown.push(step);
    controls.update(step, count, `caption ${step}`);
  });
  document.body.append(controls.element);
  controls.update(0, count, "caption 0");
  return { controls, shown, document };
}

/** A clock that stands still but for the steps that one waits. */
function clockOf(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  return (steps) => {
    for (let i = 0; i < steps; i++) t.mock.timers.tick(1500);
  };
}

test("a look changes texts and colours of the slots it names", () => {
  const { svg } = newPicture();
  picture(svg).show({ n0: { fill: "#abcdef", "stroke-width": "3" }, "n0.0": { text: "3" } });
  assert.equal(svg.querySelector("text").textContent, "3");
  assert.equal(svg.querySelector("polygon").getAttribute("fill"), "#abcdef");
  assert.equal(svg.querySelector("polygon").getAttribute("stroke-width"), "3");
});

test("markup in a text stays text", () => {
  const { svg } = newPicture();
  picture(svg).show({ "n0.0": { text: "<script>alert(1)</script>" } });
  assert.equal(svg.querySelector("script"), null);
  assert.equal(svg.querySelector("text").textContent, "<script>alert(1)</script>");
});

test("a look can set no other attribute, and an unknown slot is passed over", () => {
  const { svg } = newPicture();
  picture(svg).show({ n0: { onclick: "alert(1)", href: "javascript:1" }, n9: { text: "x" } });
  assert.deepEqual(Object.keys(svg.querySelector("polygon").attributes), ["data-slot", "fill"]);
});

test("a text that is no SVG is refused", () => {
  assert.throws(() => parse(newDocument(), "<html></html>"), /not an SVG/);
});

/** What its buttons say of themselves, and whether one could lose the focus. */
function disabled(controls) {
  const buttons = [controls.first, controls.back, controls.forward, controls.last];
  assert.ok(buttons.every((button) => !button.disabled));
  return buttons.map((button) => button.getAttribute("aria-disabled") === "true");
}

test("buttons step within the film, say where they end, and keep the focus", () => {
  const { controls, shown } = newControls(3);
  assert.deepEqual(disabled(controls), [true, true, false, false]);
  for (const button of ["forward", "forward", "forward", "back", "first", "last"]) {
    controls[button].dispatch("click");
  }
  assert.deepEqual(shown, [1, 2, 1, 0, 2]);
  assert.deepEqual(disabled(controls), [false, false, true, true]);
  assert.equal(controls.caption.textContent, "caption 2");
});

test("every button and the slider have a name, and the caption is announced", () => {
  const { controls } = newControls(3);
  for (const element of controls.element.querySelectorAll("button, input")) {
    assert.ok(element.getAttribute("aria-label"));
  }
  assert.equal(controls.caption.getAttribute("aria-live"), "polite");
  assert.equal(controls.range.getAttribute("aria-valuetext"), "step 0 of 2");
});

test("the slider scrubs", () => {
  const { controls, shown } = newControls(5);
  controls.range.value = "3";
  controls.range.dispatch("input");
  assert.deepEqual(shown, [3]);
});

test("play goes on to the end, stops there, and begins again", (t) => {
  const wait = clockOf(t);
  const { controls, shown } = newControls(3);
  controls.toggle.dispatch("click");
  assert.equal(controls.toggle.textContent, "Pause");
  assert.equal(controls.caption.getAttribute("aria-live"), "off");
  wait(9);
  assert.deepEqual(shown, [1, 2]);
  assert.equal(controls.toggle.textContent, "Play");
  controls.toggle.dispatch("click");
  assert.deepEqual(shown, [1, 2, 0]);
  controls.toggle.dispatch("click");
  wait(9);
  assert.deepEqual(shown, [1, 2, 0]);
});

test("a step by hand ends playing", (t) => {
  const wait = clockOf(t);
  const { controls, shown } = newControls(9);
  controls.play();
  wait(1);
  controls.forward.dispatch("click");
  wait(9);
  assert.deepEqual(shown, [1, 2]);
});

test("a press of a button that is off does nothing, also while playing", (t) => {
  const wait = clockOf(t);
  const { controls, shown } = newControls(3);
  controls.play();
  for (const button of ["first", "back"]) controls[button].dispatch("click");
  assert.deepEqual(shown, []);
  wait(9);
  assert.deepEqual(shown, [1, 2]);
  for (const button of ["forward", "last"]) controls[button].dispatch("click");
  assert.deepEqual(shown, [1, 2]);
});

test("keys step, jump and play, and leave what is typed elsewhere alone", () => {
  const { controls, shown, document } = newControls(4);
  const press = (key, target = document.body, more = {}) => {
    const event = { key, target, preventDefault: () => {}, ...more };
    return controls.key(event);
  };
  for (const key of ["ArrowRight", "End", "ArrowLeft", "Home"]) assert.ok(press(key));
  assert.deepEqual(shown, [1, 3, 2, 0]);
  assert.ok(press(" "));
  assert.equal(controls.toggle.textContent, "Pause");
  controls.pause();
  assert.ok(!press("x"));
  assert.ok(!press("ArrowRight", controls.range));
  assert.ok(!press(" ", controls.forward)); // the button's own
  assert.ok(!press("ArrowRight", document.body, { altKey: true })); // the browser's
  assert.deepEqual(shown, [1, 3, 2, 0]);
});

const box = (svg) => svg.getAttribute("viewBox").split(" ").map(Number);

test("buttons and keys zoom about the middle, and back", () => {
  const { document, svg } = newPicture();
  const moves = panAndZoom(document, svg);
  const [zoomIn, , fit] = moves.element.querySelectorAll("button");
  zoomIn.dispatch("click");
  assert.deepEqual(box(svg), [20, 10, 160, 80]);
  moves.key({ key: "-", target: document.body });
  assert.deepEqual(box(svg), [0, 0, 200, 100]);
  for (let i = 0; i < 99; i++) zoomIn.dispatch("click");
  assert.equal(box(svg)[2], 2); // no further
  fit.dispatch("click");
  assert.deepEqual(box(svg), [0, 0, 200, 100]);
});

test("the wheel zooms about the pointer with Ctrl, and scrolls the page without", () => {
  const { document, svg } = newPicture();
  panAndZoom(document, svg);
  const wheel = { clientX: 25, clientY: 25, deltaY: -300 * Math.log(2) };
  assert.ok(!svg.dispatch("wheel", wheel).prevented);
  assert.deepEqual(box(svg), [0, 0, 200, 100]);
  assert.ok(svg.dispatch("wheel", { ...wheel, ctrlKey: true }).prevented);
  assert.deepEqual(box(svg), [25, 25, 100, 50]); // the point (50, 50) stays where it was
});

test("a drag pans and is no click", async () => {
  const { document, svg } = newPicture();
  const moves = panAndZoom(document, svg);
  svg.dispatch("pointerdown", { button: 0, clientX: 10, clientY: 10 });
  svg.dispatch("pointermove", { clientX: 12, clientY: 10, pointerId: 7 });
  assert.deepEqual(box(svg), [0, 0, 200, 100]); // a hand trembles
  assert.ok(!moves.isDragging());
  svg.dispatch("pointermove", { clientX: 20, clientY: 5, pointerId: 7 });
  assert.deepEqual(box(svg), [-20, 10, 200, 100]);
  svg.dispatch("pointerup");
  assert.ok(moves.isDragging()); // for the click that follows
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(!moves.isDragging());
});

const at = (left, top, width, height) => {
  return { left, top, width, height, right: left + width, bottom: top + height };
};

test("a large picture opens at a readable size, on the box that is followed", () => {
  const { document, svg } = newPicture();
  svg.area = at(0, 0, 0, 0);
  const moves = panAndZoom(document, svg);
  moves.follow(svg.querySelector("polygon"));
  resize();
  assert.deepEqual(box(svg), [0, 0, 200, 100]); // it is not in the page yet
  svg.area = at(0, 0, 20, 40); // pixels: 10 points each, limited by the width
  svg.querySelector("polygon").area = at(40, 18, 4, 4);
  resize();
  const [, , width, height] = box(svg);
  assert.deepEqual([width, height], [30, 15]); // 1.5 points a pixel
});

test("a picture that fits opens whole", () => {
  const { document, svg } = newPicture();
  svg.area = at(0, 0, 300, 150);
  panAndZoom(document, svg);
  resize();
  assert.deepEqual(box(svg), [0, 0, 200, 100]);
});

test("following moves the picture only if the box is out of sight", () => {
  const { document, svg } = newPicture();
  const moves = panAndZoom(document, svg);
  const element = svg.querySelector("polygon");
  element.area = at(10, 10, 20, 20);
  moves.follow(element);
  assert.deepEqual(box(svg), [0, 0, 200, 100]);
  element.area = at(110, 10, 20, 20); // 30 pixels of 2 points beyond the right edge
  moves.follow(element);
  assert.deepEqual(box(svg), [90, 0, 200, 100]); // and 15 of margin
  element.area = at(10, -5, 20, 20);
  moves.follow(element);
  assert.deepEqual(box(svg), [90, -40, 200, 100]);
  moves.follow(undefined);
  assert.deepEqual(box(svg), [90, -40, 200, 100]);
});

test("a tall picture is measured by its height", () => {
  const { document, svg } = newPicture();
  svg.area = at(0, 0, 400, 50); // 2 points a pixel, and 100 pixels wide in the middle
  panAndZoom(document, svg);
  svg.dispatch("wheel", { ctrlKey: true, clientX: 200, clientY: 25, deltaY: -300 * Math.log(2) });
  assert.deepEqual(box(svg), [50, 25, 100, 50]);
  svg.dispatch("pointerdown", { button: 0, clientX: 0, clientY: 0 });
  svg.dispatch("pointermove", { clientX: 10, clientY: 0, pointerId: 1 });
  assert.deepEqual(box(svg), [40, 25, 100, 50]);
});
