// Plan page: a click in the picture fills in the pixels of a point.
(() => {
  "use strict";

  const form = document.getElementById("calibration");
  if (!form) {
    return;
  }
  const plan = form.querySelector(".u-plan");
  const size = { x: Number(plan.dataset.width), y: Number(plan.dataset.height) };
  const buttons = [...form.querySelectorAll("[data-point]")];
  const field = (axis, number) => form.elements[`${axis}_px_${number}`];

  function choose(number) {
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.point === number)));
  }

  function drawMarks() {
    for (const mark of plan.querySelectorAll("[data-mark]")) {
      const [x, y] = ["x", "y"].map((axis) => field(axis, mark.dataset.mark).value);
      mark.hidden = x === "" || y === "";
      mark.style.left = `${(Number(x) / size.x) * 100}%`;
      mark.style.top = `${(Number(y) / size.y) * 100}%`;
    }
  }

  plan.addEventListener("click", (event) => {
    const number = buttons.find((button) => button.getAttribute("aria-pressed") === "true").dataset.point;
    const box = plan.querySelector("img").getBoundingClientRect();
    field("x", number).value = window.urfmpFormat.plain(((event.clientX - box.left) / box.width) * size.x, 1);
    field("y", number).value = window.urfmpFormat.plain(((event.clientY - box.top) / box.height) * size.y, 1);
    drawMarks();
    form.elements[`x_m_${number}`].focus();
  });
  buttons.forEach((button) => button.addEventListener("click", () => choose(button.dataset.point)));
  form.addEventListener("input", drawMarks);
  form.addEventListener("focusin", (event) => {
    const number = /_([12])$/.exec(event.target.name || "")?.[1];
    if (number) {
      choose(number);
    }
  });
  drawMarks();
})();
