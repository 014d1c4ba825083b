// Form of an alert rule: shows only the fields that the chosen kind, robots and comparison need.
// A field with `data-shows` names the fields that each of its values needs.
document.addEventListener("DOMContentLoaded", () => {
  "use strict";

  const controls = [...document.querySelectorAll("[data-shows]")].map((select) => ({
    select, shows: JSON.parse(select.dataset.shows),
  }));
  if (!controls.length) {
    return; // read only
  }
  const form = controls[0].select.form;

  function show() {
    const hidden = new Set();
    for (const { select, shows } of controls) {
      const shown = new Set(shows[select.value] ?? []);
      Object.values(shows).flat().filter((name) => !shown.has(name)).forEach((name) => hidden.add(name));
    }
    for (const name of new Set(controls.flatMap(({ shows }) => Object.values(shows).flat()))) {
      const line = form.querySelector(`.field-line.field-${name}`);
      if (line) {
        line.hidden = hidden.has(name) && !line.classList.contains("errors");
      }
    }
    for (const lines of ["fieldset .form-row", "fieldset"]) {
      form.querySelectorAll(lines).forEach((group) => {
        const fields = [...group.querySelectorAll(".field-line")];
        group.hidden = fields.length > 0 && fields.every((line) => line.hidden);
      });
    }
  }

  form.querySelectorAll("[data-without-script]").forEach((text) => { text.hidden = true; });
  controls.forEach(({ select }) => select.addEventListener("change", show));
  show();
});
