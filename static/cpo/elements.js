// Rows of a form that can be added, copied, and moved where they have an order number.
document.addEventListener("DOMContentLoaded", () => {
  // A form may have 1000 fields, and most of those of an element are empty: they are left out.
  document.getElementById("tariff_form")?.addEventListener("formdata", (event) => {
    const empty = [...event.formData].filter(([name, value]) => value === "" && /^elements-\d+-/.test(name));
    empty.forEach(([name]) => event.formData.delete(name));
  });
  document.querySelectorAll("[data-add]").forEach((add) => {
    const box = add.closest("fieldset");
    const list = box.querySelector("[data-elements]");
    const template = box.querySelector("template[data-element]");
    const total = box.querySelector("input[name$='-TOTAL_FORMS']");
    const cards = () => [...list.querySelectorAll(":scope > [data-card]")];
    const number = () => {
      cards().forEach((card, index) => {
        const order = card.querySelector("input[name$='-order']");
        if (order) order.value = index + 1;
      });
      list.dispatchEvent(new Event("elements-changed", { bubbles: true }));
    };
    const part = (input) => input.name.replace(/^.*?-\d+-/, "");
    const fresh = (after) => {
      const html = template.innerHTML.replaceAll("__prefix__", total.value);
      total.value = Number(total.value) + 1;
      if (after) after.insertAdjacentHTML("afterend", html);
      else list.insertAdjacentHTML("beforeend", html);
      return after ? after.nextElementSibling : cards().at(-1);
    };
    const focus = (card) => card.querySelector("input:not([type=hidden], [type=checkbox], [name$='-order']), select").focus();
    const copy = (card) => {
      const made = fresh(card);
      const targets = [...made.querySelectorAll("input[name], select[name], textarea[name]")];
      card.querySelectorAll("input[name], select[name], textarea[name]").forEach((input) => {
        const box = ["checkbox", "radio"].includes(input.type);
        const target = targets.find((one) => part(one) === part(input) && (!box || one.value === input.value));
        if (!target || part(input) === "DELETE") return;
        if (box) target.checked = input.checked;
        else target.value = input.value;
      });
      made.querySelectorAll("details").forEach((details, index) => { details.open = card.querySelectorAll("details")[index].open; });
      const [from, to] = [card, made].map((one) => one.querySelector("[data-sentence]"));
      if (from && to) to.textContent = from.textContent;
      return made;
    };
    add.addEventListener("click", () => {
      const card = fresh();
      number();
      focus(card);
    });
    list.addEventListener("click", (event) => {
      const card = event.target.closest("[data-card]");
      if (!card) return;
      if (event.target.closest("[data-duplicate]")) {
        const made = copy(card);
        number();
        focus(made);
        return;
      }
      if (event.target.closest("[data-up]") && card.previousElementSibling) card.previousElementSibling.before(card);
      else if (event.target.closest("[data-down]") && card.nextElementSibling) card.nextElementSibling.after(card);
      else return;
      number();
      event.target.focus();
    });
    list.addEventListener("change", (event) => {
      if (event.target.name.endsWith("-DELETE")) event.target.closest("[data-card]").classList.toggle("cpo-removed", event.target.checked);
    });
  });
});
