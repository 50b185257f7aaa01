// The preview of a tariff follows the form. What the server answers is shown as it is; while the
// form is wrong, the last good picture stays and says that it is old.
document.addEventListener("DOMContentLoaded", () => {
  const panel = document.querySelector("[data-preview]");
  const form = document.getElementById("tariff_form");
  if (!panel || !form) return;
  const picture = panel.querySelector("[data-preview-picture]");
  const mistakes = panel.querySelector("[data-preview-mistakes]");
  const inputs = panel.querySelector(".cpo-preview-inputs");
  const zone = panel.querySelector("[name='preview-time_zone']");
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && zone.value === zone.defaultValue && [...zone.list.options].some((option) => option.value === here)) zone.value = here;

  let waiting, running;
  const later = () => {
    clearTimeout(waiting);
    waiting = setTimeout(show, 350);
  };

  const show = async () => {
    running?.abort();
    running = new AbortController();
    try {
      const answer = await fetch(panel.dataset.preview, {
        method: "POST",
        body: new FormData(form),
        headers: { "X-Preview": "fragment" },
        credentials: "same-origin",
        signal: running.signal,
      });
      // A redirect leads to the sign-in: whoever was away too long keeps the form.
      if (answer.redirected || (!answer.ok && answer.status !== 422)) throw new Error(String(answer.status));
      take(await answer.text(), answer.ok);
    } catch (error) {
      if (error.name !== "AbortError") panel.classList.add("cpo-old");
    }
  };

  const take = (html, good) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    page.querySelectorAll("[data-sentences] > li").forEach((item) => {
      const card = document.querySelector(`[data-card="${item.dataset.for}"] [data-sentence]`);
      if (card) card.textContent = item.textContent;
    });
    page.querySelector("[data-sentences]")?.remove();
    panel.classList.toggle("cpo-old", !good);
    if (!good) {
      mistakes.replaceChildren(...page.body.childNodes);
      mistakes.querySelectorAll(".cpo-before").forEach((note) => { note.hidden = !picture.childElementCount; });
      return;
    }
    // What was unfolded stays so.
    const open = new Set([...picture.querySelectorAll("details[open][data-keep]")].map((item) => item.dataset.keep));
    page.querySelectorAll("details[data-keep]").forEach((item) => { item.open = open.has(item.dataset.keep); });
    page.querySelectorAll("[data-take-texts]").forEach((button) => { button.hidden = false; });
    mistakes.replaceChildren();
    picture.replaceChildren(...page.body.childNodes);
  };

  panel.addEventListener("click", (event) => {
    const button = event.target.closest("[data-take-texts]");
    if (!button) return;
    const field = form.querySelector("[name=texts]");
    const lines = [...picture.querySelectorAll("[data-driver-text]")].map((item) => `${item.dataset.driverText}: ${item.textContent}`);
    // Texts in other languages are somebody's own work.
    const own = field.value.split("\n").filter((line) => line.trim() && !/^\s*(en|de|ja)\s*:/i.test(line));
    field.value = [...lines, ...own].join("\n");
    field.rows = Math.max(field.rows, lines.length + own.length);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    button.textContent = button.dataset.done;
  });
  // Questions are no changes of the form.
  ["input", "change"].forEach((kind) => inputs.addEventListener(kind, (event) => {
    event.stopPropagation();
    later();
  }));
  // Enter asks anew; the form is saved by its own buttons.
  inputs.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  form.addEventListener("input", later);
  form.addEventListener("change", later);
  form.addEventListener("elements-changed", later);
  // An empty form is no mistake.
  if ([...form.querySelectorAll("input[name$='_price']")].some((input) => input.value)) show();
});
