// Filter forms: submitted on change, without empty fields.
(() => {
  "use strict";

  for (const form of document.querySelectorAll("[data-filters]")) {
    const range = form.querySelector("[name=range]");
    const customFields = [...form.querySelectorAll("[data-custom]")];

    function showCustomRange() {
      const isCustom = range?.value === "custom";
      customFields.forEach((field) => {
        field.hidden = !isCustom;
        field.querySelectorAll("input, select").forEach((input) => { input.disabled = !isCustom; });
      });
      return isCustom;
    }

    showCustomRange();
    form.addEventListener("change", (event) => {
      if (!event.target.matches("select")) {
        return;
      }
      if (showCustomRange() && event.target === range) {
        form.querySelector("[name=start]").focus();
      } else {
        form.requestSubmit();
      }
    });
    form.addEventListener("submit", () => {
      form.querySelectorAll("select, input").forEach((field) => { field.disabled ||= !field.value; });
    });
    // Enables all fields again when the browser's Back button restores the page.
    window.addEventListener("pageshow", () => {
      form.querySelectorAll("select, input").forEach((field) => { field.disabled = false; });
      showCustomRange();
    });
  }
})();
