// Refresh the parts marked data-live every two seconds; leave them alone while someone uses them.
"use strict";
const inUse = (part) =>
  part.contains(document.activeElement) && document.activeElement.matches("select, input, button") ||
  part.querySelector("details[open]") !== null;
async function refresh() {
  try {
    const parts = [...document.querySelectorAll("[data-live]")].filter((part) => !inUse(part));
    if (parts.length && !document.hidden) {
      const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of parts) {
        const twin = fresh.getElementById(part.id);
        if (answer.ok && twin && twin.innerHTML !== part.innerHTML) part.innerHTML = twin.innerHTML;
      }
    }
  } catch { /* the sandbox may be restarting: try again */ }
  setTimeout(refresh, 2000);
}
setTimeout(refresh, 2000);
