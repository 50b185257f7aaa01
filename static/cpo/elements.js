// Rows of a form that can be added, and moved where they have an order number.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-add]").forEach((add) => {
    const box = add.closest("fieldset");
    const list = box.querySelector("[data-elements]");
    const template = box.querySelector("template[data-element]");
    const total = box.querySelector("input[name$='-TOTAL_FORMS']");
    const cards = () => [...list.querySelectorAll(":scope > [data-card]")];
    const number = () => cards().forEach((card, index) => {
      const order = card.querySelector("input[name$='-order']");
      if (order) order.value = index + 1;
    });
    add.addEventListener("click", () => {
      const html = template.innerHTML.replaceAll("__prefix__", total.value);
      list.insertAdjacentHTML("beforeend", html);
      total.value = Number(total.value) + 1;
      number();
      const card = cards().at(-1);
      card.querySelector("input:not([type=hidden], [type=checkbox], [name$='-order']), select").focus();
    });
    list.addEventListener("click", (event) => {
      const card = event.target.closest("[data-card]");
      if (!card) return;
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
