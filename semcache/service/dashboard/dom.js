// Builds elements. Text is only ever set as text: nothing that was stored or asked can become markup, and the page's
// content security policy (trusted types) forbids any other way.

const ATTRIBUTES = new Set(["scope", "for", "role", "title", "list", "headers"]);

export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else if (name === "class") made.className = value;
    else if (name === "style") for (const [rule, is] of Object.entries(value)) made.style.setProperty(rule, is);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name.startsWith("aria-") || ATTRIBUTES.has(name)) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

export const byId = (id) => document.getElementById(id);

// Puts new content in a place. Whoever stands on something in there (by keyboard) still stands on it afterwards, and
// what he has unfolded stays so.
export function show(id, ...children) {
  const place = byId(id);
  const standing = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const unfolded = [...place.querySelectorAll("details[open][data-key]")].map((each) => each.dataset.key);
  place.replaceChildren(...children.flat().filter(Boolean));
  for (const each of place.querySelectorAll("[data-key]")) {
    if (standing && each.dataset.key === standing) each.focus({ preventScroll: true });
    if (unfolded.includes(each.dataset.key)) each.open = true;
  }
}

// Says it only where it is new: a live region that repeats itself is read aloud every time.
export function say(id, text) {
  const place = byId(id);
  if (place.textContent !== text) place.textContent = text;
}

// Columns: `name`; `n` for numbers, which stand right; `text` for long texts; `id` for names that are not broken;
// `wide` for what a phone leaves out; `hint` for a heading that is only read aloud.
// The first cell of a row is its heading.
export function table({ caption, columns, rows, empty = "Nothing yet." }) {
  const classOf = ({ n, text, wide, id }) => [n && "n", text && "text", wide && "wide", id && "id"].filter(Boolean).join(" ");
  const head = columns.map((each) => el("th", { scope: "col", class: classOf(each) }, each.name ?? "", each.hint && hidden(each.hint)));
  const body = rows.map((row) => el("tr", { class: row.mood }, row.cells.map((cell, at) => {
    const isHeader = at === 0;
    return el(isHeader ? "th" : "td", { scope: isHeader ? "row" : null, class: classOf(columns[at]) }, cell);
  })));
  if (!rows.length) return el("p", { class: "empty" }, empty);
  const made = el("table", {}, el("caption", { class: "unseen" }, caption), el("thead", {}, el("tr", {}, head)), el("tbody", {}, body));
  return el("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": caption, data: { key: `scroll ${caption}` } }, made);
}

export const hidden = (text) => el("span", { class: "unseen" }, text);

export function figures(pairs) {
  return el("dl", { class: "figures" }, pairs.map(([name, value, mood]) => el("div", {}, el("dt", {}, name), el("dd", { class: mood ?? "" }, value))));
}

export function bar(part, mood = "", { offset = 0, track = false } = {}) {
  const inner = el("span", { class: mood, style: { "inline-size": percentage(part), "margin-inline-start": percentage(offset) } });
  return el("span", { class: track ? "bar track" : "bar", "aria-hidden": "true" }, inner);
}

export function problem(error) {
  return el("p", { class: "problem" }, error.message);
}

const percentage = (part) => `${(100 * Math.min(1, Math.max(0, part || 0))).toFixed(2)}%`;
