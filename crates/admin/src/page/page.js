// Conveniences alone: every page works without this script.
"use strict";

// Lists get a field that hides the rows without a text.
for (const table of document.querySelectorAll("table[data-filter]")) {
  const label = document.createElement("label");
  label.className = "filter";
  label.textContent = "Show rows with ";
  const field = document.createElement("input");
  field.type = "search";
  label.append(field);
  const count = document.createElement("span");
  count.setAttribute("role", "status");
  field.addEventListener("input", () => {
    const wanted = field.value.toLowerCase();
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = wanted ? ` ${shown} shown` : "";
  });
  label.append(count);
  (table.closest(".wide") ?? table).before(label);
}

// A page that says so is loaded again, unless somebody is at work in it.
const seconds = Number(document.body.dataset.refresh);
if (seconds > 0) {
  setInterval(() => {
    const at_work = document.activeElement?.closest("main, nav");
    if (!at_work && document.visibilityState === "visible") {
      window.location.reload();
    }
  }, seconds * 1000);
}
