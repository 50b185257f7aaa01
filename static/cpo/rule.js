// What a rule in the form looks for, and what it would find now: the server answers, nothing is saved.
document.addEventListener("DOMContentLoaded", () => {
  const panel = document.querySelector("[data-rule-preview]");
  const form = document.getElementById("rule_form");
  if (!form) return;
  const kind = form.querySelector("[name=kind]");
  const about = () => document.querySelectorAll("[data-abouts] [data-kind]").forEach((item) => { item.hidden = item.dataset.kind !== kind?.value; });
  let waiting, running;
  const show = async () => {
    running?.abort();
    running = new AbortController();
    const body = new FormData(form);
    // A field that cannot be changed is not sent by itself.
    if (kind?.disabled) body.set("kind", kind.value);
    try {
      const answer = await fetch(panel.dataset.rulePreview, { method: "POST", body, credentials: "same-origin", signal: running.signal });
      if (answer.ok && !answer.redirected) panel.innerHTML = await answer.text();
    } catch { /* the next change asks again */ }
  };
  const later = () => {
    about();
    clearTimeout(waiting);
    waiting = setTimeout(show, 400);
  };
  form.addEventListener("input", later);
  form.addEventListener("change", later);
  later();
});
