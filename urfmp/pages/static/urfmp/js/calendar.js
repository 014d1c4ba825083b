// The maintenance calendar: arrow keys between days, and tasks that are dragged to another day.
(() => {
  "use strict";

  const calendar = document.getElementById("calendar");
  const form = document.getElementById("cal-move");
  const days = [...calendar.querySelectorAll("[data-day]")];
  const isShown = (day) => day.offsetParent !== null;

  // In a list of days, up and down are the neighbours; in a grid they are a week away.
  function target(index, key) {
    const columns = getComputedStyle(calendar).gridTemplateColumns.split(" ").length;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    let next = index + steps[key];
    while (days[next] && !isShown(days[next])) {
      next += Math.sign(steps[key]);
    }
    return days[next];
  }

  calendar.addEventListener("keydown", (event) => {
    const day = event.target.closest("[data-day]");
    if (!day || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) {
      return;
    }
    if (event.key === "PageUp" || event.key === "PageDown") {
      event.preventDefault();
      document.querySelector(event.key === "PageUp" ? "[data-cal-previous]" : "[data-cal-next]").click();
      return;
    }
    if (!event.key.startsWith("Arrow")) {
      return;
    }
    const next = target(days.indexOf(day), event.key);
    if (next) {
      event.preventDefault();
      next.querySelector("h3 a").focus();
    }
  });

  let dragged = null;

  function mark(day) {
    for (const element of calendar.querySelectorAll(".u-cal__day--target")) {
      element.classList.toggle("u-cal__day--target", element === day);
    }
    day?.classList.add("u-cal__day--target");
  }

  calendar.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.("[data-task]") || null;
    if (dragged) {
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", dragged.textContent.trim());
      dragged.classList.add("u-entry--dragged");
    }
  });

  calendar.addEventListener("dragover", (event) => {
    const day = event.target.closest("[data-day]");
    if (dragged && day) {
      event.preventDefault();
      mark(day);
    }
  });

  calendar.addEventListener("dragend", () => {
    dragged?.classList.remove("u-entry--dragged");
    dragged = null;
    mark(null);
  });

  calendar.addEventListener("drop", (event) => {
    const day = event.target.closest("[data-day]");
    if (!dragged || !day) {
      return;
    }
    event.preventDefault();
    if (!day.contains(dragged)) {
      form.action = form.dataset.action.replace("00000000-0000-0000-0000-000000000000", dragged.dataset.task);
      form.elements.day.value = day.dataset.day;
      form.elements.version.value = dragged.dataset.version;
      form.submit();
    }
  });
})();
