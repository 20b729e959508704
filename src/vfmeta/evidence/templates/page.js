// What a number opens to, beside the number; tables that sort. Without this script every number is a link to the same text.
"use strict";
(() => {
  const box = document.createElement("div");
  box.className = "opened";
  box.hidden = true;
  box.setAttribute("role", "dialog");
  box.setAttribute("aria-label", "Where this number comes from");
  box.tabIndex = -1;
  document.body.append(box);
  let owner = null, held = false, waiting = 0, returning = false;

  const openerOf = (node) => node instanceof Element ? node.closest("a.from, [data-from]") : null;
  const idOf = (opener) => opener.dataset.from || decodeURIComponent(opener.getAttribute("href").slice(1));

  function show(opener, hold) {
    const home = document.getElementById(idOf(opener));
    if (!home) return false;
    clearTimeout(waiting);
    const copy = home.cloneNode(true);
    copy.removeAttribute("id");
    copy.querySelectorAll("[id]").forEach((x) => x.removeAttribute("id"));
    const close = document.createElement("button");
    close.type = "button";
    close.className = "close";
    close.textContent = "Close";
    close.addEventListener("click", () => hide(true));
    box.replaceChildren(copy, close);
    if (!box.contains(opener)) owner = opener;
    held = hold;
    box.hidden = false;
    place(owner);
    if (hold) box.focus();
    return true;
  }

  function place(opener) {
    const at = opener.getBoundingClientRect(), gap = 6;
    const wide = document.documentElement.clientWidth, high = window.innerHeight;
    const below = high - at.bottom - gap, above = at.top - gap;
    box.style.maxHeight = `${Math.max(Math.min(Math.max(below, above), high) - 2 * gap, 120)}px`;
    const size = box.getBoundingClientRect();
    const left = Math.max(gap, Math.min(at.left, wide - size.width - gap));
    const top = size.height <= below || below >= above ? at.bottom + gap : at.top - gap - size.height;
    box.style.left = `${left}px`;
    box.style.top = `${Math.max(gap, top)}px`;
  }

  function hide(back) {
    if (box.hidden) return;
    clearTimeout(waiting);
    box.hidden = true;
    const to = owner;
    owner = null;
    held = false;
    if (back && to && to.focus) { returning = true; to.focus(); returning = false; } // to the number, without opening it anew
  }

  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch" || held) return;
    const opener = openerOf(event.target);
    if (opener) show(opener, false);
    else if (!box.contains(event.target)) { clearTimeout(waiting); waiting = setTimeout(() => hide(false), 250); }
    else clearTimeout(waiting);
  });
  document.addEventListener("click", (event) => {
    const opener = openerOf(event.target);
    if (opener && show(opener, true)) event.preventDefault();
    else if (!box.contains(event.target)) hide(false);
  });
  document.addEventListener("focusin", (event) => {
    if (held || returning || box.contains(event.target)) return;
    const opener = openerOf(event.target);
    if (opener && opener.matches(":focus-visible")) show(opener, false);
    else if (!opener) hide(false);
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(true); });
  window.addEventListener("scroll", () => {
    if (box.hidden || !owner) return;
    const at = owner.getBoundingClientRect();
    if (at.bottom < 0 || at.top > window.innerHeight) hide(false);
    else place(owner);
  }, { passive: true });
  window.addEventListener("resize", () => hide(false));
  // on paper all that is folded is seen, but for tables that say what the figure above them says
  const folds = () => document.querySelectorAll("details:not(.as-table)");
  window.addEventListener("beforeprint", () => folds().forEach((x) => { x.dataset.was = x.open; x.open = true; }));
  window.addEventListener("afterprint", () => folds().forEach((x) => { x.open = x.dataset.was === "true"; }));

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const head of table.querySelectorAll("th[data-sort]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(table, head));
    }
  }

  function sort(table, head) {
    const column = [...head.parentNode.children].indexOf(head), body = table.tBodies[0];
    const up = head.getAttribute("aria-sort") !== "ascending", words = head.dataset.sort === "text";
    table.querySelectorAll("th[aria-sort]").forEach((x) => x.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => row.children[column].dataset.value ?? "";
    const rows = [...body.rows].sort((a, b) => {
      const x = value(a), y = value(b);
      if (x === "" || y === "") return (x === "") - (y === ""); // what is not known comes last either way
      const order = words ? x.localeCompare(y) : x - y;
      return up ? order : -order;
    });
    body.append(...rows);
  }
})();
