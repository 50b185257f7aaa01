// What the admin's pages lack for people who work by keyboard, or listen to them.
"use strict";
// A page is hidden until its library has started (x-cloak). What is hidden cannot be focused, so the
// browser gives up on `autofocus`: it is done here as soon as the page is shown.
document.addEventListener("alpine:initialized", () => {
  requestAnimationFrame(() => {
    if (document.activeElement && document.activeElement !== document.body) return;
    document.querySelector("[autofocus]")?.focus();
  });
});
// An icon is a word of its font: "home Home" would be read. Where an icon is all there is, the title
// of the link says it.
document.addEventListener("DOMContentLoaded", () => {
  for (const icon of document.querySelectorAll(".material-symbols-outlined:not([aria-hidden])")) {
    const link = icon.closest("a, button");
    const alone = link && link.textContent.trim() === icon.textContent.trim();
    if (alone && !link.title && !link.ariaLabel) continue;
    icon.setAttribute("aria-hidden", "true");
  }
});
