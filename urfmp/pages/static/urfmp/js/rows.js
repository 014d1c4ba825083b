// Rows of a form: add, remove and order them, also by keyboard.
(() => {
  "use strict";

  function setUp(root) {
    const noun = root.dataset.rows;
    const list = root.querySelector("[data-rows-list]");
    const blank = root.querySelector("[data-rows-blank]");
    const status = root.querySelector("[data-rows-status]");
    const add = root.querySelector("[data-rows-add]");

    function number() {
      [...list.children].forEach((row, index) => {
        const name = `${noun} ${index + 1}`;
        row.querySelector("[data-row-acts]").hidden = false;
        row.querySelectorAll("[data-row-label]").forEach((input) => {
          input.setAttribute("aria-label", `${input.dataset.rowLabel} of ${name}`);
        });
        row.querySelectorAll("[data-row-name]").forEach((button) => {
          button.setAttribute("aria-label", button.dataset.rowName.replace("{}", name));
        });
        row.querySelector('[data-row-move="-1"]').disabled = index === 0;
        row.querySelector('[data-row-move="1"]').disabled = index === list.children.length - 1;
      });
    }

    function append() {
      list.append(document.importNode(blank.content, true));
      number();
      list.lastElementChild.querySelector("input, select").focus();
    }

    list.addEventListener("click", (event) => {
      const row = event.target.closest("[data-row]");
      const move = event.target.closest("[data-row-move]");
      if (move) {
        const up = move.dataset.rowMove === "-1";
        const other = up ? row.previousElementSibling : row.nextElementSibling;
        if (other) {
          (up ? other : row).before(up ? row : other);
          number();
          (move.disabled ? row.querySelector("[data-row-move]:not(:disabled)") : move).focus();
          status.textContent = `Moved to place ${[...list.children].indexOf(row) + 1}.`;
        }
      } else if (event.target.closest("[data-row-remove]")) {
        const next = row.nextElementSibling || row.previousElementSibling;
        row.remove();
        number();
        status.textContent = "Removed.";
        (next ? next.querySelector("input, select") : add).focus();
      }
    });
    // Enter in the last row begins another one instead of sending the form.
    list.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("input")) {
        event.preventDefault();
        const row = event.target.closest("[data-row]");
        const next = row.nextElementSibling;
        if (next) {
          next.querySelector("input, select").focus();
        } else {
          append();
        }
      }
    });
    add.addEventListener("click", append);
    add.hidden = false;
    number();
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-rows]").forEach(setUp);
  });
})();
