// The standalone page of a film: its picture is in the page, what changes a frame in `data`.

import { Controls, make, panAndZoom, picture } from "./stage.mjs";

/** Give a film its controls; `data` has of each frame its caption, box and changes. */
export function film(document, root, data) {
  const svg = root.querySelector("svg");
  const shown = picture(svg);
  const moves = panAndZoom(document, svg);
  const looks = complete(data.frames.map((frame) => frame.changes));
  const controls = new Controls(document, (step) => {
    shown.show(looks[step]);
    controls.update(step, looks.length, data.frames[step].caption);
    moves.follow(shown.slot(data.frames[step].box));
  });
  root.append(make(document, "div", { className: "tools" }, controls.element, moves.element));
  document.addEventListener("keydown", (event) => controls.key(event) || moves.key(event));
  controls.show(0);
  return controls;
}

/** Each frame's whole look, where `changes` has what differs from the frame before. */
function complete(changes) {
  const looks = [];
  for (const change of changes) {
    const look = { ...looks.at(-1) };
    for (const [slot, values] of Object.entries(change)) look[slot] = { ...look[slot], ...values };
    looks.push(look);
  }
  return looks;
}
