// On a narrow screen the contents are folded up: they stand before the text there.
if (matchMedia("(max-width: 70rem)").matches) document.querySelector("nav details").open = false;

// Beside the text the contents show the parts of the chapter that is read, of the others the heading.
const chapters = [...document.querySelectorAll("main > section")];
function follow() {
  const read = chapters.findLast((one) => one.getBoundingClientRect().top < innerHeight / 2) ?? chapters[0];
  for (const entry of document.querySelectorAll("nav ol > li")) {
    entry.classList.toggle("folded", entry.querySelector("a").hash !== "#" + read.id);
  }
}
addEventListener("scroll", follow, { passive: true });
follow();

// What is folded around a place is opened by a link to it.
function reveal() {
  const place = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let one = place; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
  if (place) place.scrollIntoView();
}
addEventListener("hashchange", reveal);
document.querySelectorAll('nav a, main a[href^="#"]').forEach((link) =>
  link.addEventListener("click", () => link.hash === location.hash && reveal()));

// Content that is kept as gzip in base64.
async function unzipped(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

// A large table is unpacked once it is in sight of its reader: nothing that is folded around it is closed.
async function unpack() {
  for (const packed of document.querySelectorAll("[data-packed]")) {
    if (packed.closest("details:not([open])")) continue;
    const box = packed.parentElement;
    const content = packed.dataset.packed;
    delete packed.dataset.packed;
    packed.outerHTML = await unzipped(content);
    const table = box.querySelector("table");
    if (box.classList.contains("filtered")) filter(box, table);
    sortable(table);
  }
}
document.addEventListener("toggle", unpack, true);

// The data of a table or figure are in the row that says how it was made; with scripts they are saved from anywhere.
for (const link of document.querySelectorAll("[data-saved]")) {
  link.addEventListener("click", async (event) => {
    event.preventDefault();
    const source = document.getElementById(link.dataset.saved).querySelector("a[download]");
    const text = await unzipped(source.getAttribute("href").split(",")[1]);
    const saved = Object.assign(document.createElement("a"), {
      href: URL.createObjectURL(new Blob([text], { type: "text/csv" })),
      download: source.download.replace(/\.gz$/, ""),
    });
    saved.click();
    setTimeout(() => URL.revokeObjectURL(saved.href), 1000);
  });
}

// Choose rows of a table by the words in its first columns.
function filter(box, table) {
  const rows = [...table.tBodies[0].rows];
  const bar = document.createElement("p");
  const lists = [...table.tHead.rows[0].cells].flatMap((heading, column) => {
    if (!heading.classList.contains("words")) return [];
    const list = document.createElement("select");
    const words = [...new Set(rows.map((row) => row.cells[column].textContent))].sort();
    list.append(new Option("every " + heading.textContent, ""), ...words.map((word) => new Option(word)));
    list.ariaLabel = heading.textContent;
    bar.append(list, " ");
    return [[list, column]];
  });
  bar.addEventListener("change", () => rows.forEach((row) => {
    row.hidden = lists.some(([list, column]) => list.value && row.cells[column].textContent !== list.value);
  }));
  box.before(bar);
}

// Sort a table by the column whose heading is pressed; numbers by value, words by alphabet, unknown cells last.
function sortable(table) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
        return down ? -order : order;
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}
document.querySelectorAll("table.sortable").forEach(sortable);
unpack();
reveal();
