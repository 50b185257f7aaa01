// Tick "this is to be changed" of a group as soon as one of its fields is written in.
"use strict";
for (const group of document.querySelectorAll("[data-bulk]")) {
  const box = group.querySelector("input[name^='change-']");
  const tick = (event) => { if (event.target !== box) box.checked = true; };
  group.addEventListener("input", tick);
  group.addEventListener("change", tick);
}
