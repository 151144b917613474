// Builds elements. Text is only ever set as text: nothing that was stored or asked can become markup.

export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else if (name === "class") made.className = value;
    else if (name === "width") made.style.width = value;
    else if (name.startsWith("aria-") || name === "scope" || name === "for") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function show(id, ...children) {
  document.getElementById(id).replaceChildren(...children);
}

export function table(caption, columns, rows) {
  const head = columns.map((column) => el("th", { scope: "col", class: column.n ? "n" : "" }, column.name));
  const body = rows.map((row) => el("tr", {}, ...row.map((cell, at) => {
    const column = columns[at];
    return el("td", { class: column.n ? "n" : column.text ? "text" : "" }, cell ?? "");
  })));
  if (!rows.length) body.push(el("tr", {}, el("td", { colSpan: columns.length, class: "quiet" }, "none yet")));
  const made = el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body));
  made.setAttribute("aria-label", caption);
  return made;
}

export function figures(pairs) {
  return pairs.map(([name, value, mood]) => el("div", {}, el("dt", {}, name), el("dd", { class: mood ?? "" }, value)));
}

export const usd = (amount) => {
  const value = Number(amount);
  const digits = Math.abs(value) >= 1 || value === 0 ? 2 : Math.abs(value) >= 0.01 ? 4 : 6;
  const text = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${value < 0 ? "−" : ""}$${text}`;
};
export const count = (value) => Number(value).toLocaleString("en-US");
export const share = (value, digits = 1) => (value === null || value === undefined ? "unknown" : `${(100 * value).toFixed(digits)} %`);
export const when = (seconds) => new Date(1000 * seconds).toLocaleString();
