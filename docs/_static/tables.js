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
  const figures = headers.slice(1).some((_, i) => {
    const values = asItWas.map((row) => valueOf(row, i + 1));
    return values.filter((value) => typeof value === "number" && !Number.isNaN(value)).length > 2;
  });
  if (asItWas.length < 3 || !figures) return;
  table.classList.add("sortable");
  headers.forEach((header, column) => {
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
