// The bell: how many incidents nobody sees to yet, beside the entry of the list and in the head of
// the page. Whoever may not see incidents has no entry, and nothing is asked.
document.addEventListener("DOMContentLoaded", () => {
  const entry = document.querySelector('a[href$="/alerting/incident/"]');
  const head = document.getElementById("header-inner");
  if (!entry || !head) return;
  const bell = document.createElement("a");
  bell.className = "cpo-bell";
  bell.href = entry.getAttribute("href");
  bell.hidden = true;
  bell.innerHTML = '<span class="material-symbols-outlined" aria-hidden="true">notifications</span><b></b>';
  (head.querySelector(".ml-auto") ?? head).append(bell);
  const ask = async () => {
    try {
      if (document.hidden) return;
      const answer = await fetch(`${entry.getAttribute("href")}count/`, { credentials: "same-origin", headers: { Accept: "application/json" } });
      if (!answer.ok || answer.redirected) return;
      const found = await answer.json();
      bell.hidden = false;
      bell.title = found.label;
      bell.setAttribute("aria-label", found.label);
      bell.classList.toggle("cpo-bell-critical", found.critical > 0);
      bell.querySelector("b").textContent = found.count || "";
    } catch { /* the server may be restarting */ }
  };
  ask();
  setInterval(ask, 60000);
});
