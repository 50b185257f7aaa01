// Photos on the page of a location: one after the other, so that a page asks little of the server.
// Where there is none, the place says why.
async function showPhoto(place) {
  const url = place.dataset.photo;
  const answer = await fetch(url, { credentials: "same-origin" });
  if ((answer.headers.get("Content-Type") || "").startsWith("image/")) {
    const image = document.createElement("img");
    image.alt = place.dataset.alt;
    image.src = url;
    place.replaceChildren(image);
    return;
  }
  place.textContent = answer.ok ? (await answer.json()).reason : `HTTP ${answer.status}`;
  place.classList.add("cpo-photo-none");
}

document.addEventListener("DOMContentLoaded", async () => {
  for (const place of document.querySelectorAll("[data-photo]")) {
    try { await showPhoto(place); } catch { place.textContent = "\u2013"; }
  }
});
