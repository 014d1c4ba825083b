// Forms that choose what a page shows: sent at once, and without what was left empty.
(() => {
  "use strict";

  for (const form of document.querySelectorAll("[data-filters]")) {
    const range = form.querySelector("[name=range]");
    const own = [...form.querySelectorAll("[data-own]")];

    function showOwn() {
      const isOwn = range?.value === "own";
      own.forEach((field) => {
        field.hidden = !isOwn;
        field.querySelector("input").disabled = !isOwn;
      });
      return isOwn;
    }

    showOwn();
    form.addEventListener("change", (event) => {
      if (!event.target.matches("select")) {
        return;
      }
      if (showOwn() && event.target === range) {
        form.querySelector("[name=start]").focus();
      } else {
        form.requestSubmit();
      }
    });
    form.addEventListener("submit", () => {
      form.querySelectorAll("select, input").forEach((field) => { field.disabled ||= !field.value; });
    });
    // Shown again by the Back button, everything can be chosen again.
    window.addEventListener("pageshow", () => {
      form.querySelectorAll("select, input").forEach((field) => { field.disabled = false; });
      showOwn();
    });
  }
})();
