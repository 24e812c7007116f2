import assert from "node:assert/strict";
import { test } from "node:test";
import { film } from "../../autograd/render/static/film.mjs";
import { parse } from "../../autograd/render/static/stage.mjs";
import { newDocument } from "./dom.mjs";

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 100">
<g><polygon data-slot="n0"/><text data-slot="n0.0">?</text><text data-slot="n1.0">?</text></g></svg>`;

const DATA = {
  frames: [
    { caption: "first", box: "n0", changes: { n0: { fill: "#111111" }, "n0.0": { text: "–" } } },
    { caption: "second", box: "n0", changes: { "n0.0": { text: "1" } } },
    { caption: "third", box: "n0", changes: { n0: { fill: "#333333" } } },
  ],
};

function newFilm() {
  const document = newDocument();
  const root = document.createElement("main");
  root.append(parse(document, SVG));
  document.body.append(root);
  const controls = film(document, root, DATA);
  const look = () => [
    root.querySelector("polygon").getAttribute("fill"),
    root.querySelector("text").textContent,
    root.querySelector(".caption").textContent,
  ];
  return { document, root, controls, look };
}

const LOOKS = [
  ["#111111", "–", "first"],
  ["#111111", "1", "second"],
  ["#333333", "1", "third"],
];

test("a film opens on its first frame", () => {
  assert.deepEqual(newFilm().look(), LOOKS[0]);
});

test("any order of frames shows each as it is", () => {
  const { controls, look } = newFilm();
  for (const step of [2, 0, 1, 2, 1, 0]) {
    controls.jump(step);
    assert.deepEqual(look(), LOOKS[step]);
  }
});

test("keys anywhere in the page step and zoom", () => {
  const { document, root, look } = newFilm();
  document.body.dispatch("keydown", { key: "ArrowRight" });
  assert.deepEqual(look(), LOOKS[1]);
  document.body.dispatch("keydown", { key: "+" });
  assert.equal(root.querySelector("svg").getAttribute("viewBox"), "20.00 10.00 160.00 80.00");
});
