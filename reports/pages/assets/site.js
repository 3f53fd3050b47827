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

// What a reader chose stands in the address, behind "#?": a link restores it, and the back button takes it back.
function chosen() {
  return new URLSearchParams(location.hash.startsWith("#?") ? location.hash.slice(2) : "");
}

// What a link leads to; null where its address was cut short or is of something that is gone.
function targetOf(hash) {
  try { return document.getElementById(decodeURIComponent(hash.slice(1))); } catch { return null; }
}

function choose(state, isTyped) {
  const address = `#?${state}`;
  if (isTyped) location.replace(address); else location.hash = address;
}

// What an item may be selected by: its own word, its column's, or that of what it stands in.
const FACETS = { run: "Run", dataset: "Data set", metric: "Metric", model: "Model", framework: "Framework", index: "Index" };

function facetOf(item, name) {
  if (name in item.dataset) return item.dataset[name].split(name === "framework" ? " " : "\n");
  if (item.cells) {
    const head = item.closest("table").querySelector(`thead [data-facet="${name}"]`);
    // The first word of a name: what follows it in a cell explains it.
    if (head) return [item.cells[head.cellIndex].firstChild.textContent.trim().replace(/ (?:●|\(.*)$/, "")];
  }
  const around = item.closest(`[data-${name}]`);
  return around ? [around.dataset[name]] : [];
}

function startFilter(form) {
  const items = [...document.querySelectorAll("main tbody tr, main figure")];
  const sets = [...document.querySelectorAll(".set[data-group]")];
  const fields = [], kind = items.some((item) => item.cells) ? "rows" : "charts";
  const facets = new Map(items.map((item) => [item, {}]));
  for (const [name, label] of Object.entries(FACETS)) {
    if (sets.length > 1 && name !== "index") continue;  // a set is chosen as a whole
    const values = new Set();
    for (const item of items) {
      facets.get(item)[name] = facetOf(item, name).filter((value) => value && value !== "\u2013");
      facets.get(item)[name].forEach((value) => values.add(value));
    }
    if (values.size > 1) fields.push(addField(form, name, label, [["", "all"], ...[...values].sort().map((value) => [value, value])]));
  }
  if (sets.length > 1) {
    fields.unshift(addField(form, "set", "Vectors", sets.map((set) => [set.id, set.querySelector(".name").textContent, set.dataset.group])));
    form.querySelector("[name=set]").closest("label").after(document.createElement("br"));
  }
  const texts = new Map();
  const textOf = (item) => {
    if (!texts.has(item)) {
      const about = [item.closest(".run").querySelector("h2"), item.closest(".block").querySelector("h2, h3, .name")];
      const own = item.cells ? [item.closest("table").caption, ...[...item.cells].filter((cell) => !cell.classList.contains("how"))]
        : [item.querySelector("title"), item.querySelector("figcaption")];
      texts.set(item, [...about, ...own].map((part) => part ? part.textContent : "").join(" ").toLowerCase());
    }
    return texts.get(item);
  };
  const apply = (state = chosen()) => {
    if (form.elements.words.value !== (state.get("words") || "")) form.elements.words.value = state.get("words") || "";
    for (const field of fields) {
      const value = state.get(field.name);
      field.value = [...field.options].some((option) => option.value === value) ? value : field.options[0].value;
    }
    const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = fields.filter((field) => field.name !== "set" && field.value);
    const shownSet = sets.length > 1 ? form.elements.set.value : "";
    const isActive = words.length + wanted.length > 0;
    // A chart is of several frameworks, some tables are of all models: what they do not name does not hide them.
    const fits = (item) => wanted.every(({ name, value }) => {
      const own = facets.get(item)[name];
      return own.includes(value) || own.length === 0;
    }) && words.every((word) => textOf(item).includes(word));
    for (const item of items) item.hidden = isActive && !fits(item);
    const isShown = (box) => [...box.querySelectorAll("tbody tr, figure")].some((item) => !item.hidden);
    for (const box of document.querySelectorAll("main .box:has(table), main .block, main .run, main .details, main .more")) {
      box.hidden = isActive && !isShown(box);
    }
    for (const set of sets) {
      set.hidden = set.hidden || (shownSet && set.id !== shownSet);
      if (set.id === shownSet) set.open = true;
    }
    for (const details of document.querySelectorAll(".details, .more, .set:not([data-group])")) if (isActive && !details.hidden) details.open = true;
    const isElsewhere = (set) => shownSet && set && set.id !== shownSet;
    const counted = items.filter((item) => Boolean(item.cells) === (kind === "rows") && !isElsewhere(item.closest(".set[data-group]")));
    const n = counted.filter((row) => !row.hidden).length;
    form.querySelector("output").textContent = isActive ? `${n} of ${counted.length} ${kind}` : `${counted.length} ${kind}`;
    document.querySelector(".nothing").hidden = !isActive || items.some((item) => !item.hidden);
    measure();
  };
  const read = (isTyped) => {
    const state = new URLSearchParams();
    for (const field of [...fields, form.elements.words]) {
      const first = field.options && field.name === "set" ? field.options[0].value : "";
      if (field.value !== first) state.set(field.name, field.value);
    }
    choose(state, isTyped);
  };
  form.addEventListener("change", (event) => { if (event.target !== form.elements.words) read(false); });
  form.elements.words.addEventListener("input", () => read(true));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.querySelector(".clear").addEventListener("click", () => {
    const state = chosen();
    choose(state.has("set") ? new URLSearchParams({ set: state.get("set") }) : "", false);
  });
  form.hidden = items.length === 0;
  const bar = () => root.style.setProperty("--bar", getComputedStyle(form).position === "sticky" ? `${form.offsetHeight}px` : "0px");
  new ResizeObserver(bar).observe(form);
  bar();
  // A permanent link shows what it leads to, whatever was filtered away or closed.
  const reveal = (target) => {
    const set = target.closest(".set[data-group]");
    if (target.closest("[hidden]")) apply(new URLSearchParams(set ? { set: set.id } : ""));
    for (let box = target; box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
    if (target.tagName === "TR") {
      target.tabIndex = -1;
      target.focus({ preventScroll: true });
    }
    measure();
    target.scrollIntoView({ block: ["TR", "LI"].includes(target.tagName) ? "center" : "start", inline: "nearest" });
  };
  const go = () => {
    const target = location.hash.startsWith("#?") ? null : targetOf(location.hash);
    if (target && target.closest("main") && target.id !== "main") reveal(target);
    else if (location.hash.startsWith("#?") || location.hash === "") apply();
  };
  addEventListener("hashchange", go);
  apply();
  go();
}

function addField(form, name, title, options) {
  const label = document.createElement("label"), select = document.createElement("select");
  select.name = name;
  const groups = new Map();
  for (const [value, text, group] of options) {
    if (group && !groups.has(group)) {
      groups.set(group, document.createElement("optgroup"));
      groups.get(group).label = group;
      select.append(groups.get(group));
    }
    (groups.get(group) || select).append(new Option(text, value));
  }
  label.append(`${title} `, select);
  if (name === "set") form.prepend(label); else form.insertBefore(label, form.querySelector(".clear"));
  return select;
}

// A shade at the edge of a box says that there is more; the first column stays before it.
function measure() {
  for (const scroll of document.querySelectorAll(".scroll")) cue(scroll);
}

function cue(scroll) {
  const box = scroll.parentElement, first = scroll.querySelector("tbody th");
  box.classList.toggle("after", scroll.scrollLeft + scroll.clientWidth < scroll.scrollWidth - 2);
  box.classList.toggle("before", scroll.scrollLeft > 2);
  if (first && scroll.scrollLeft > 2) box.style.setProperty("--first", `${first.offsetWidth}px`);
}

function startRows() {
  for (const row of document.querySelectorAll("tbody tr[id]")) {
    const link = document.createElement("a");
    link.className = "link";
    link.href = `#${row.id}`;
    link.textContent = "#";
    link.setAttribute("aria-label", "Link to this row");
    row.cells[0].append(" ", link);
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
    list.tabIndex = 0;
    for (const [label, at] of JSON.parse(figure.dataset.points)) {
      const line = document.createElement("li");
      line.textContent = at.length > 2 ? `${label}: ${at.length / 2} points` : label;
      list.append(line);
    }
    values.append(list);
  });
}

// A row's command stands below its table, once for all rows that it measures; it is shown in the row, and copied.
function copyButton(code) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(code);
    }
  });
  return button;
}

function showCommand(event) {
  const link = event.target.closest("a.how");
  const code = link && document.getElementById(link.hash.slice(1)).querySelector("code");
  if (!code) return;
  event.preventDefault();
  const shown = link.parentElement.querySelector(".command");
  if (shown) { shown.remove(); return; }
  const box = document.createElement("div");
  box.className = "command";
  box.append(code.cloneNode(true));
  box.append(copyButton(box.firstChild));
  link.after(box);
}

if (keptTheme() !== "auto") setTheme(keptTheme());
document.addEventListener("DOMContentLoaded", () => {
  startTheme();
  // On a phone the pages are a line that scrolls: the one that is shown stands in it.
  const shown = document.querySelector("[aria-current]"), line = shown.closest("nav");
  line.scrollLeft = shown.offsetLeft - line.offsetLeft - 16;
  document.querySelectorAll("table").forEach(startSorting);
  document.querySelectorAll("figure").forEach(startChart);
  startRows();
  document.addEventListener("click", showCommand);
  document.querySelectorAll(".commands code").forEach((code) => code.after(copyButton(code)));
  document.querySelectorAll(".scroll").forEach((scroll) => scroll.addEventListener("scroll", () => cue(scroll), { passive: true }));
  document.addEventListener("toggle", measure, true);
  addEventListener("resize", measure);
  const form = document.querySelector(".filter");
  if (form) startFilter(form);  // the front page has none
});
