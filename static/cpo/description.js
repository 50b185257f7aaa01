// Search: what does not hold every word that was typed is put away. Without scripts all is shown.
const search = document.getElementById("search");
const nothing = document.getElementById("nothing");
const articles = [...document.querySelectorAll("article")].map((element) => ({
  element,
  entry: document.querySelector(`nav li[data-for="${CSS.escape(element.id)}"]`),
  text: element.textContent.toLowerCase(),
}));
const groups = [...document.querySelectorAll("section")];

function show() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const { element, entry, text } of articles) {
    const found = words.every((word) => text.includes(word));
    element.hidden = !found;
    if (entry) entry.hidden = !found;
  }
  for (const group of groups) group.hidden = !group.querySelector("article:not([hidden]), li:not([hidden])");
  nothing.hidden = articles.some(({ element }) => !element.hidden);
}

search.addEventListener("input", show);
// A link to something that is put away brings everything back.
window.addEventListener("hashchange", () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target || !target.closest("[hidden]")) return;
  search.value = "";
  show();
  target.scrollIntoView();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target === search) return;
  event.preventDefault();
  search.focus();
});
show();
