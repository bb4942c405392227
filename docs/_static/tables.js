// Tables with a column of figures can be sorted by a click on a header: up, down, as it was.
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

function makeSortable(table) {
  const body = table.tBodies[0];
  const headers = [...(table.tHead?.rows[0]?.cells ?? [])];
  const asItWas = [...(body?.rows ?? [])];
  const figures = headers.map((_, column) => {
    const values = asItWas.map((row) => valueOf(row, column));
    return values.every((value) => typeof value === "number") && values.some(Number.isFinite);
  });
  if (asItWas.length < 3 || !figures.slice(1).some(Boolean)) return;
  table.classList.add("sortable");
  for (const cell of asItWas.flatMap((row) => [...row.cells])) {
    const short = cell.textContent.length <= 32;
    if (figures[cell.cellIndex] && short) cell.classList.add("one-line");
  }
  headers.forEach((header, column) => {
    if (!header.textContent.trim()) return;
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
      const by = (a, b) => sign * compared(valueOf(a, column), valueOf(b, column));
      body.append(...(now ? [...asItWas].sort(by) : asItWas));
    });
  });
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("article table").forEach(makeSortable);
});
