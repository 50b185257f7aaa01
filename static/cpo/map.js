// The map of locations: the server clusters, this draws, and lists what is in view for keyboards.
"use strict";
window.addEventListener("DOMContentLoaded", async () => {
  const place = document.getElementById("cpo-map");
  const form = document.getElementById("cpo-map-form");
  const list = document.getElementById("cpo-map-list");
  const none = document.getElementById("cpo-map-none");
  const site = document.getElementById("cpo-map-site");
  const count = document.getElementById("cpo-map-count");
  const said = place.dataset;
  const EVERY = 15000;
  const [west, south, east, north] = said.bbox.split(",").map(Number);
  const map = L.map(place, { maxZoom: 19, minZoom: 1, worldCopyJump: false, zoomControl: false });
  L.control.zoom({ zoomInTitle: said.zoomIn, zoomOutTitle: said.zoomOut }).addTo(map);
  map.attributionControl.setPrefix(false);
  map.fitBounds([[south, west], [north, east]], { maxZoom: 16 });
  const marks = L.layerGroup().addTo(map);
  let asking, shown = "";

  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.textContent = text;
    return made;
  };
  const titleOf = (mark) =>
    `${mark.name ?? `${mark.locations} ${said.cluster}`}: ${mark.evses} ${said.evses} (${mark.status})`;

  const openSite = async (id) => {
    const answer = await fetch(said.site.replace("/0/", `/${id}/`));
    if (!answer.ok) return;
    site.innerHTML = await answer.text();
    site.hidden = false;
    site.dataset.id = id;
  };
  const go = (mark) => {
    if (mark.id) return openSite(mark.id);
    const [w, s, e, n] = mark.bbox;
    const before = map.getZoom();
    map.fitBounds([[s, w], [n, e]], { maxZoom: Math.min(before + 4, 19), padding: [30, 30] });
    if (map.getZoom() === before) map.setView([mark.lat, mark.lon], before + 2);
  };
  const draw = (data) => {
    // What has focus in the list is not taken away by what is the same as before.
    const key = JSON.stringify(data.marks);
    if (key === shown) return;
    shown = key;
    marks.clearLayers();
    for (const mark of data.marks) {
      const inside = element("span", `cpo-mark cpo-${mark.tone}${mark.id ? "" : " cpo-cluster"}`,
        mark.id ? mark.sign : `${mark.sign} ${mark.locations}`);
      const icon = L.divIcon({ html: inside, className: "cpo-mark-box", iconSize: null });
      L.marker([mark.lat, mark.lon], { icon, keyboard: false, title: titleOf(mark) })
        .on("click", () => go(mark)).addTo(marks);
    }
    const had = list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    list.replaceChildren(...data.marks.map((mark) => {
      const row = document.createElement("li");
      const button = element("button", "cpo-link", mark.name ?? `${mark.locations} ${said.cluster}`);
      button.type = "button";
      button.dataset.key = mark.id ?? mark.bbox;
      button.addEventListener("click", () => go(mark));
      row.append(element("span", `cpo-pill cpo-${mark.tone}`, mark.sign), " ", button, " ",
        element("span", "cpo-map-status", mark.status));
      return row;
    }));
    if (had) [...list.querySelectorAll("button")].find((one) => one.dataset.key === had)?.focus();
    none.hidden = data.marks.length > 0;
    count.textContent = `${said.counted} ${data.locations}`;
  };
  const refresh = async () => {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    const view = map.getBounds();
    const bbox = [view.getWest(), view.getSouth(), view.getEast(), view.getNorth()];
    const query = new URLSearchParams(new FormData(form));
    query.set("bbox", bbox.map((edge) => edge.toFixed(5)).join(","));
    query.set("zoom", map.getZoom());
    try {
      const answer = await fetch(`${said.points}?${query}`, { signal });
      if (answer.redirected) return location.reload();
      if (!answer.ok) throw new Error(answer.status);
      draw(await answer.json());
    } catch {
      if (!signal.aborted) count.textContent = said.failed;
    }
  };

  form.addEventListener("change", refresh);
  form.addEventListener("submit", (event) => event.preventDefault());
  map.on("moveend", refresh);
  setInterval(() => {
    if (document.hidden) return;
    refresh();
    if (!site.hidden && !site.contains(document.activeElement)) openSite(site.dataset.id);
  }, EVERY);
  refresh();
  if (said.location) openSite(said.location);
  if (said.tiles) {
    L.tileLayer(said.tiles, { maxZoom: 19, attribution: said.attribution }).addTo(map);
    return;
  }
  const outlines = await fetch(said.outlines);
  L.geoJSON(await outlines.json(), {
    interactive: false,
    renderer: L.svg({ padding: 0.5 }),
    style: { className: "cpo-country", weight: 1 },
  }).addTo(map);
});
