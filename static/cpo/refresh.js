// Refresh the parts marked data-live every two seconds, or as often as data-seconds says, as long as
// one says data-live="running".
"use strict";
const pause = 1000 * (document.querySelector("[data-live][data-seconds]")?.dataset.seconds ?? 2);
const refresh = async () => {
  try {
    if (!document.hidden) {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of answer.ok ? document.querySelectorAll("[data-live]") : []) {
        const twin = fresh.getElementById(part.id);
        if (!twin || part.contains(document.activeElement)) continue;
        if (twin.innerHTML !== part.innerHTML) part.innerHTML = twin.innerHTML;
        part.dataset.live = twin.dataset.live;
      }
    }
  } catch { /* the server may be restarting: try again */ }
  if (document.querySelector('[data-live="running"]')) setTimeout(refresh, pause);
};
setTimeout(refresh, pause);
