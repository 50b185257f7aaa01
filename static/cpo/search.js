// The search of everything: Ctrl-K, ⌘K, "/" or its button open it; arrows choose, Enter goes there.
"use strict";
(() => {
  const dialog = document.getElementById("cpo-find");
  if (!dialog) return;
  const input = dialog.querySelector("input");
  const list = dialog.querySelector("#cpo-found");
  const note = dialog.querySelector(".cpo-found-note");
  const status = dialog.querySelector("[role=status]");
  const DEBOUNCE = 150;
  let timer, asking, chosen = -1;

  const options = () => [...list.querySelectorAll("[role=option]")];
  const open = () => {
    if (dialog.open) return;
    dialog.showModal();
    input.select();
    input.focus();
    if (!list.childElementCount) ask();
  };
  const choose = (place) => {
    const all = options();
    chosen = all.length ? (place + all.length) % all.length : -1;
    all.forEach((one, at) => one.setAttribute("aria-selected", at === chosen));
    if (chosen < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", all[chosen].id);
    all[chosen].scrollIntoView({ block: "nearest" });
  };
  const show = (html) => {
    list.innerHTML = html;
    // A list may hold options only: what is said where there are none stands beside it.
    const none = list.querySelector("[data-none]");
    note.replaceChildren(...(none ? [none] : []));
    const count = options().length;
    list.hidden = !count;
    note.hidden = !none;
    input.setAttribute("aria-expanded", count > 0);
    status.textContent = none ? none.textContent : `${dialog.dataset.count} ${count}`;
    choose(0);
  };
  const ask = async () => {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    const url = `${dialog.dataset.url}?${new URLSearchParams({ q: input.value })}`;
    try {
      const answer = await fetch(url, { signal, headers: { Accept: "text/html" } });
      // Signed out meanwhile: the page as it is would lead nowhere.
      if (answer.redirected) return location.reload();
      if (!answer.ok) throw new Error(answer.status);
      show(await answer.text());
    } catch {
      if (signal.aborted) return;
      list.replaceChildren();
      list.hidden = true;
      note.hidden = false;
      status.textContent = note.textContent = dialog.dataset.failed;
    }
  };
  const isField = (element) =>
    element.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(element.tagName);

  document.addEventListener("keydown", (event) => {
    const isShortcut = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey);
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const isSlash = event.key === "/" && plain && !isField(event.target);
    if (event.isComposing || !(isShortcut || isSlash)) return;
    event.preventDefault();
    open();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-search-open]")) open();
    if (event.target === dialog || event.target.closest(".cpo-find-close")) dialog.close();
  });
  // Or "/" would be taken for what is written into it.
  dialog.addEventListener("close", () => input.blur());
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, DEBOUNCE);
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps) {
      event.preventDefault();
      choose(chosen + steps[event.key]);
    } else if (event.key === "Enter" && options()[chosen]) {
      event.preventDefault();
      const { href } = options()[chosen];
      if (event.ctrlKey || event.metaKey) window.open(href, "_blank", "noopener");
      else location.assign(href);
    } else if (event.key === "Escape") {
      // A search field would be emptied first.
      event.preventDefault();
      dialog.close();
    }
  });
})();
