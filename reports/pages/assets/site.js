"use strict";

// The theme is set before anything is drawn. Where a browser keeps nothing for a file, it lasts as long as the page.
const root = document.documentElement;
const THEMES = ["auto", "dark", "light"];

function keptTheme() {
  try { return localStorage.getItem("theme") || "auto"; } catch { return "auto"; }
}

function setTheme(theme) {
  if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
  try { localStorage.setItem("theme", theme); } catch { /* nothing is kept */ }
}

function startTheme() {
  const button = document.querySelector(".theme");
  let theme = THEMES.includes(keptTheme()) ? keptTheme() : "auto";
  const show = () => { button.textContent = `Theme: ${theme}`; };
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    setTheme(theme);
    show();
  });
  button.hidden = false;
  show();
}

// Sorting: figures from the largest, words from the first; a third click brings the first order back.
function figureIn(text) {
  const found = text.replaceAll(",", "").replaceAll("\u2212", "-").match(/-?\d+(?:\.\d+)?(?:e[+-]?\d+)?([kM](?![a-z]))?/);
  return found ? parseFloat(found[0]) * ({ k: 1e3, M: 1e6 }[found[1]] || 1) : NaN;
}

function compare(a, b, numeric) {
  if (numeric) return a - b;
  return a.localeCompare(b, "en", { numeric: true });
}

function sort(table, column, direction, numeric) {
  const body = table.tBodies[0];
  const keyed = [...body.rows].map((row) => {
    row.dataset.place ??= row.rowIndex;
    const text = row.cells[column].textContent.trim();
    return { row, key: numeric ? figureIn(text) : text, missing: numeric ? isNaN(figureIn(text)) : text === "\u2013" };
  });
  const sign = direction === "descending" ? -1 : 1;
  const first = (a, b) => a.row.dataset.place - b.row.dataset.place;
  keyed.sort((a, b) => direction === "none" ? first(a, b)
    : a.missing - b.missing || (a.missing ? 0 : sign * compare(a.key, b.key, numeric)) || first(a, b));
  body.append(...keyed.map(({ row }) => row));
}

function startSorting(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (head.classList.contains("how")) return;
    const numeric = head.classList.contains("figure");
    const turns = numeric ? ["descending", "ascending", "none"] : ["ascending", "descending", "none"];
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const direction = turns[(turns.indexOf(head.getAttribute("aria-sort") || "none") + 1) % 3];
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      if (direction !== "none") head.setAttribute("aria-sort", direction);
      sort(table, column, direction, numeric);
    });
  });
}

// Filtering: a row or a chart stays where it has every word and what is selected.
function startFilter(form) {
  const rows = [...document.querySelectorAll("tbody tr")];
  const figures = [...document.querySelectorAll("figure")];
  const text = new Map();
  const wordsOf = (item) => {
    if (!text.has(item)) {
      const about = [item.closest(".run").querySelector("h2"), item.closest(".block").querySelector("h3")];
      const own = item.cells
        ? [item.closest("table").caption, ...[...item.cells].filter((cell) => !cell.classList.contains("how"))]
        : [item.querySelector("title"), item.querySelector("figcaption")];
      text.set(item, [...about, ...own].map((part) => part ? part.textContent : "").join(" ").toLowerCase());
    }
    return text.get(item);
  };
  const apply = () => {
    const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = [...form.querySelectorAll("select")].filter((select) => select.value);
    const active = words.length > 0 || chosen.length > 0;
    // A chart is of several frameworks: what it does not name does not hide it.
  const has = (item, select) => item.dataset[select.name] === select.value || (!item.cells && !(select.name in item.dataset));
  const fits = (item) => chosen.every((select) => has(item, select))
      && words.every((word) => wordsOf(item).includes(word));
    for (const item of [...rows, ...figures]) item.hidden = active && !fits(item);
    const shown = (box, inside) => [...box.querySelectorAll(inside)].some((item) => !item.hidden);
    for (const [box, inside] of [[".scroll", "tbody tr"], [".block", "tbody tr, figure"], [".run", "tbody tr, figure"]]) {
      for (const found of document.querySelectorAll(box)) found.hidden = active && !shown(found, inside);
    }
    const n = rows.filter((row) => !row.hidden).length;
    form.querySelector("output").textContent = active ? `${n} of ${rows.length} rows` : "";
    document.querySelector(".nothing").hidden = !active || [...rows, ...figures].some((item) => !item.hidden);
  };
  const clear = () => { form.reset(); apply(); };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.querySelector(".clear").addEventListener("click", clear);
  form.hidden = rows.length + figures.length === 0;
  return clear;
}

// A permanent link shows its row whatever was filtered away.
function showTarget(clear) {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.closest("[hidden]")) clear();
  if (target.tagName === "TR") {
    target.tabIndex = -1;
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: "center" });
  }
}

// Reading a chart: the values nearest to the pointer, or one place after the other with the arrow keys.
function stopsOf(figure) {
  const stops = new Map();
  for (const [label, at] of JSON.parse(figure.dataset.points)) {
    for (let i = 0; i < at.length; i += 2) {
      const place = `${Math.round(at[i])} ${Math.round(at[i + 1])}`;
      if (!stops.has(place)) stops.set(place, { x: at[i], y: at[i + 1], labels: new Set() });
      stops.get(place).labels.add(label);
    }
  }
  return [...stops.values()].sort((a, b) => a.x - b.x || a.y - b.y);
}

function startChart(figure) {
  const canvas = figure.querySelector(".canvas"), svg = canvas.querySelector("svg"), tip = canvas.querySelector(".tip");
  if (figure.dataset.points === "[]") return;
  const mark = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  mark.setAttribute("class", "mark");
  mark.setAttribute("r", 7);
  let stops = null, current = -1;
  const show = (place) => {
    const stop = stops[place], scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    const labels = [...stop.labels];
    const more = labels.length > 8 ? `\nand ${labels.length - 8} more` : "";
    if (place !== current) tip.textContent = labels.slice(0, 8).join("\n") + more;
    current = place;
    tip.hidden = false;
    mark.setAttribute("cx", stop.x);
    mark.setAttribute("cy", stop.y);
    svg.append(mark);
    const left = stop.x * scale + 12, top = stop.y * scale + 12;
    tip.style.left = `${Math.max(0, Math.min(left, canvas.clientWidth - tip.offsetWidth))}px`;
    tip.style.top = `${top + tip.offsetHeight > canvas.clientHeight ? Math.max(0, top - tip.offsetHeight - 24) : top}px`;
  };
  const hide = () => { tip.hidden = true; mark.remove(); current = -1; };
  canvas.addEventListener("pointermove", (event) => {
    stops ??= stopsOf(figure);
    const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
    const x = (event.clientX - box.left) / scale, y = (event.clientY - box.top) / scale;
    const away = stops.map((stop) => (stop.x - x) ** 2 + (stop.y - y) ** 2);
    show(away.indexOf(Math.min(...away)));
  });
  canvas.addEventListener("pointerleave", hide);
  canvas.addEventListener("blur", hide);
  canvas.addEventListener("keydown", (event) => {
    stops ??= stopsOf(figure);
    const last = stops.length - 1;
    const to = { ArrowRight: Math.min(current + 1, last), ArrowDown: Math.min(current + 1, last),
      ArrowLeft: Math.max(current - 1, 0), ArrowUp: Math.max(current - 1, 0), Home: 0, End: last }[event.key];
    if (event.key === "Escape") hide();
    if (to === undefined) return;
    event.preventDefault();
    show(to);
  });
  canvas.tabIndex = 0;
  canvas.setAttribute("aria-label", "Chart: the arrow keys read its values");
  startValues(figure);
}

function startValues(figure) {
  const values = figure.querySelector(".values");
  values.hidden = false;
  values.addEventListener("toggle", () => {
    if (values.querySelector("ol")) return;
    const list = document.createElement("ol");
    for (const [label, at] of JSON.parse(figure.dataset.points)) {
      const line = document.createElement("li");
      line.textContent = at.length > 2 ? `${label}: ${at.length / 2} points` : label;
      list.append(line);
    }
    values.append(list);
  });
}

// A command that is opened can be copied.
function startCommand(details) {
  details.addEventListener("toggle", () => {
    if (!details.open || details.querySelector("button")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "copy";
    button.addEventListener("click", async () => {
      const code = details.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "copied";
      } catch {
        getSelection().selectAllChildren(code);
      }
    });
    details.append(button);
  });
}

if (keptTheme() !== "auto") setTheme(keptTheme());
document.addEventListener("DOMContentLoaded", () => {
  startTheme();
  // On a phone the pages are a line that scrolls: the one that is shown stands in it.
  const shown = document.querySelector("[aria-current]"), line = shown.closest("nav");
  line.scrollLeft = shown.offsetLeft - line.offsetLeft - 16;
  document.querySelectorAll("table").forEach(startSorting);
  document.querySelectorAll("figure").forEach(startChart);
  document.querySelectorAll(".how details").forEach(startCommand);
  const form = document.querySelector(".filter");
  const clear = form ? startFilter(form) : () => {};  // the front page has none
  addEventListener("hashchange", () => showTarget(clear));
  showTarget(clear);
});
