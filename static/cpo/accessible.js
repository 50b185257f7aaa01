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
// The admin's own choosers. A chooser of many would put a button among the entries of its list, which
// is then no list: that is said before they begin, with the page.
document.addEventListener("DOMContentLoaded", () => {
  for (const chooser of document.querySelectorAll("select[multiple][data-allow-clear]")) {
    chooser.dataset.allowClear = "false";
  }
});
// They begin with the same event, after this script: so it waits for all of them.
window.addEventListener("load", () => setTimeout(nameTheChoosers));
function nameTheChoosers() {
  for (const hint of document.querySelectorAll(".help-tooltip[aria-label]")) {
    hint.setAttribute("role", "img");
  }
  for (const field of document.querySelectorAll(".select2-search__field:not([aria-label])")) {
    const chooser = field.closest(".select2-container").previousElementSibling;
    const label = chooser?.labels?.[0]?.textContent.trim();
    if (label) field.setAttribute("aria-label", label);
  }
}
