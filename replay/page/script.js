"use strict";
// Filters the list of changed decisions. All that it shows is in the page already.
(() => {
  const changes = [...document.querySelectorAll(".change")];
  const filter = document.querySelector(".filter");
  if (!filter) return;
  const search = document.getElementById("search");
  const shown = document.getElementById("shown");
  const list = document.getElementById("list");
  let chosen = null; // {kind, token, label} of the button that was pressed

  const show = () => {
    const wanted = search.value.trim().toLowerCase();
    let count = 0;
    for (const change of changes) {
      const fits = (!chosen || change.dataset[chosen.kind].includes(" " + chosen.token + " ")) &&
        (!wanted || change.textContent.toLowerCase().includes(wanted));
      change.hidden = !fits;
      count += fits ? 1 : 0;
    }
    shown.textContent = `${count} of ${changes.length} listed` + (chosen ? `: ${chosen.label}` : "");
  };
  for (const button of document.querySelectorAll(".drill")) {
    button.addEventListener("click", () => {
      chosen = button.dataset;
      search.value = "";
      show();
      list.scrollIntoView();
      list.focus({ preventScroll: true });
    });
  }
  document.getElementById("clear").addEventListener("click", () => {
    chosen = null;
    search.value = "";
    show();
  });
  search.addEventListener("input", show);
  filter.hidden = false;
  show();
})();
