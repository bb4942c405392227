// Tables with a column of figures can be sorted by a click on a header: up, down, as it was.
// Rows of one name stay together, by the first of them.
// What did not get there ("none of 5", "- (1,160 to -), 3 not") stands behind all numbers.

const NUMBER = /^[-−]?\d[\d,]*(\.\d+)?(e[-+]?\d+)?/;

function valueOf(row, column) {
  const text = (row.cells[column]?.textContent ?? "").trim();
  const number = text.match(NUMBER);
  if (number) return Number(number[0].replaceAll(",", "").replace("−", "-"));
  return /^(-|–|none\b)/.test(text) ? Infinity : text === "" ? NaN : text;
}

function compared(a, b) {
  if (typeof a === "string" || typeof b === "string") return String(a).localeCompare(String(b));
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
  return a === b ? 0 : a - b;
}

const textOf = (row, column) => (row.cells[column]?.textContent ?? "").trim();

// Whether a column has figures alone, all of one unit.
function hasFigures(rows, column) {
  const values = rows.map((row) => valueOf(row, column));
  if (!values.every((value) => typeof value === "number")) return false;
  const numbers = rows.map((row) => textOf(row, column)).filter((text) => NUMBER.test(text));
  const percent = numbers.filter((text) => text.includes("%")).length;
  return numbers.length > 0 && (percent === 0 || percent === numbers.length);
}

// Rows that stay together: those of one name, and those after them that have none. Null where a
// row is understood from the one above it, so that the order must stay.
function groupsOf(rows) {
  if (hasFigures(rows, 0)) return rows.map((row) => [row]);
  const groups = new Map();
  let last = null;
  for (const row of rows) {
    const name = textOf(row, 0) || last;
    if (/^(the same|published)\b/.test(name ?? "the same")) return null;
    if (name !== last && groups.has(name)) return null;
    groups.set(name, [...(groups.get(name) ?? []), row]);
    last = name;
  }
  return [...groups.values()];
}

// A figure breaks before its range, after a comma and after an arrow, and nowhere else.
function withBreaks(text) {
  if (/[^-−\d.,%()→\s]/.test(text.replace(/\b(to|not|none|of|runs)\b/g, ""))) return text;
  const whole = text.trim().replace(/\s+/g, "\u00a0");
  return whole.replace(/\u00a0\(/g, " (").replace(/([,→])\u00a0/g, "$1 ");
}

function makeSortable(table) {
  const body = table.tBodies[0];
  const headers = [...(table.tHead?.rows[0]?.cells ?? [])];
  const asItWas = [...(body?.rows ?? [])];
  const figures = headers.map((_, column) => hasFigures(asItWas, column));
  for (const cell of asItWas.flatMap((row) => [...row.cells])) {
    const inner = cell.querySelector("p") ?? cell;
    if (inner.children.length) continue;
    inner.textContent = withBreaks(inner.textContent);
    inner.innerHTML = inner.innerHTML.replaceAll("_", "_<wbr>"); // a setting's name
  }
  if (!figures.slice(1).some(Boolean)) return;
  table.classList.add("figures");
  const groups = groupsOf(asItWas);
  if (groups === null || groups.length < 3) return;
  table.classList.add("sortable");
  headers.forEach((header, column) => {
    const words = asItWas.every((row) => typeof valueOf(row, column) === "string");
    if (!header.textContent.trim() || !(figures[column] || words)) return;
    const inner = header.querySelector("p") ?? header;
    const button = document.createElement("button");
    button.append(...inner.childNodes);
    inner.append(button);
    button.addEventListener("click", () => {
      const was = header.getAttribute("aria-sort");
      const now = was === "ascending" ? "descending" : was === "descending" ? null : "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      if (now) header.setAttribute("aria-sort", now);
      const sign = now === "descending" ? -1 : 1;
      const by = ([a], [b]) => sign * compared(valueOf(a, column), valueOf(b, column));
      body.append(...(now ? [...groups].sort(by).flat() : asItWas));
    });
  });
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("article table").forEach(makeSortable);
});
