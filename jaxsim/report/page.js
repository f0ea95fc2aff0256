"use strict";
// Without this script everything of the page is there to be read; with it tables can be sorted and narrowed.
(() => {
  const tables = [...document.querySelectorAll("main table")].map((table) => ({
    table,
    body: table.tBodies[0],
    heads: [...table.tHead.rows[0].cells],
    rows: [...table.tBodies[0].rows],
    count: table.closest(".wide").nextElementSibling,
  }));

  const MISSING = "–";
  const text = (row, column) => row.cells[column].textContent.trim();
  const plain = (words) => words.replace(/(?<=\d),(?=\d{3})/g, "").replace(/^−/, "-");
  // "0.05 ± 0.01" and "0 (≤ 0.07)" are sorted by their first number; names by their whole text, if that is one.
  const leading = (words) => parseFloat(plain(words));
  const whole = (words) => (words === "" ? NaN : Number(plain(words)));

  function order(rows, column, isName, down) {
    const words = rows.map((row) => text(row, column));
    const value = words.map(isName ? whole : leading);
    const numeric = words.every((word, k) => word === MISSING || !Number.isNaN(value[k]));
    const missing = (k) => words[k] === MISSING;
    const compare = (a, b) =>
      missing(a) - missing(b) ||
      (down ? -1 : 1) * (missing(a) ? 0 : numeric ? value[a] - value[b] : words[a].localeCompare(words[b], undefined, { numeric: true }));
    return rows.map((_, k) => k).sort((a, b) => compare(a, b) || a - b).map((k) => rows[k]);
  }

  function sort({ body, heads, rows }, column) {
    const next = { ascending: "descending", descending: "none", none: "ascending" }[heads[column].getAttribute("aria-sort")];
    heads.forEach((head, k) => head.setAttribute("aria-sort", k === column ? next : "none"));
    const isName = heads[column].classList.contains("text");
    body.append(...(next === "none" ? rows : order(rows, column, isName, next === "descending")));
  }

  for (const found of tables) {
    found.heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(found, column));
      head.setAttribute("aria-sort", "none");
      head.append(button);
    });
  }

  const form = document.getElementById("filters");
  const narrowed = document.getElementById("narrowed");
  const selects = form ? [...form.querySelectorAll("select")] : [];
  const label = (select) => select.labels[0].firstElementChild.textContent;

  function narrow() {
    const chosen = selects.filter((select) => select.value !== "");
    let all = 0;
    let shown = 0;
    for (const { heads, rows, count } of tables) {
      const column = (select) => heads.findIndex((head) => head.dataset.key === select.name);
      const own = chosen.filter((select) => column(select) >= 0).map((select) => [column(select), select.value]);
      let left = 0;
      for (const row of rows) {
        row.hidden = own.some(([place, value]) => text(row, place) !== value);
        left += !row.hidden;
      }
      if (!heads.some((head) => head.dataset.key)) continue;
      all += rows.length;
      shown += left;
      const not = chosen.filter((select) => column(select) < 0).map(label);
      const rest = not.length ? `; not narrowed by ${not.join(", ")}, which this table does not tell apart` : "";
      count.textContent = chosen.length ? `${left} of ${rows.length} rows${rest}.` : "";
    }
    const choices = chosen.map((select) => `${label(select)}: ${select.value}`).join("; ");
    form.querySelector("output").textContent = `${shown} of ${all} table rows shown${choices ? ` (${choices})` : ""}.`;
    const strategy = selects.find((select) => select.name === "model");
    const otherwise = chosen.some((select) => select !== strategy);
    narrowed.querySelector("span").textContent = `Only ${choices}${otherwise ? " (in tables; figures show all cells and coefficients)" : ""}`;
    narrowed.hidden = !chosen.length;
    fade(strategy, otherwise);
  }

  // Figures have places for all levels, or average over them; of the strategies the others step back.
  function fade(select, narrowedOtherwise) {
    const number = select ? select.selectedIndex - 1 : -1;
    for (const part of document.querySelectorAll('.plot [class^="strategy-"]')) {
      part.classList.toggle("faded", number >= 0 && !part.classList.contains(`strategy-${number}`));
    }
    document.getElementById("figures-note").textContent = [
      number >= 0 ? `Strategies other than ${select.value} are faded.` : "",
      narrowedOtherwise ? "Figures show all cells and coefficients, whatever tables are narrowed to." : "",
    ].join(" ").trim();
  }

  if (form) {
    form.hidden = false;
    form.addEventListener("change", narrow);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(narrow));
    narrowed.querySelector("button").addEventListener("click", () => { form.reset(); selects[0].focus(); });
    form.reset();
  }

  const links = [...document.querySelectorAll("nav > ul > li > a")];
  const sections = links.map((link) => document.getElementById(link.hash.slice(1)));

  // The section being read: the last that has come into the upper third, or the last of all at the end of the page.
  function mark() {
    const ended = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
    const passed = sections.filter((section) => section.getBoundingClientRect().top < innerHeight / 3).length;
    const current = links[ended ? links.length - 1 : Math.max(passed - 1, 0)];
    if (current.hasAttribute("aria-current")) return;
    links.forEach((link) => link.removeAttribute("aria-current"));
    current.setAttribute("aria-current", "location");
    const strip = current.closest("ul");
    strip.scrollLeft = current.offsetLeft - strip.clientWidth / 3;
  }

  // Boxes that have nothing to scroll are no stops of the keyboard.
  function stop() {
    for (const box of document.querySelectorAll(".scroll, .plot")) {
      box.tabIndex = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight ? 0 : -1;
    }
  }

  // A table that is cut says so in words, and how many columns are beyond each edge; its edges fade.
  function cut({ table }) {
    const box = table.closest(".scroll");
    const [wide, hint] = [box.parentElement, box.nextElementSibling];
    const edge = box.getBoundingClientRect();
    const columns = [...table.tHead.rows[0].cells].filter((head) => getComputedStyle(head).left !== "0px").map((head) => head.getBoundingClientRect());
    const before = columns.filter((column) => column.left < edge.left - 1).length;
    const after = columns.filter((column) => column.right > edge.left + box.clientWidth + 1).length;
    const said = (count, where) => (count ? [`${count} more column${count === 1 ? "" : "s"} ${where}`] : []);
    const told = [...said(before, "to the left ←"), ...said(after, "to the right →")];
    wide.classList.toggle("cut-left", before > 0);
    wide.classList.toggle("cut-right", after > 0);
    hint.textContent = told.length ? `Scroll: ${told.join(", ")}` : "";
    wide.style.setProperty("--below", `${hint.textContent ? hint.offsetHeight + 4 + box.offsetHeight - box.clientHeight : 0}px`);
  }

  for (const found of tables) found.table.closest(".scroll").addEventListener("scroll", () => cut(found), { passive: true });

  addEventListener("scroll", () => requestAnimationFrame(mark), { passive: true });
  addEventListener("resize", () => [mark, stop, () => tables.forEach(cut)].forEach((each) => each()));
  mark();
  stop();
  tables.forEach(cut);
})();
