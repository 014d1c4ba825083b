// The telemetry page: the chosen charts, and their values as a table.
(() => {
  "use strict";

  const table = document.querySelector("#values tbody");
  const form = document.getElementById("telemetry-form");
  const { measured } = window.urfmp;

  function cell(row, text, kind = "td") {
    const element = document.createElement(kind);
    if (kind === "th") {
      element.scope = "row";
    } else {
      element.className = "u-number";
    }
    element.textContent = text;
    row.append(element);
  }

  function fill() {
    const rows = [];
    for (const chart of charts.all) {
      for (const { line, points } of chart.series.values()) {
        const known = points.filter((point) => point[1] !== null);
        const row = document.createElement("tr");
        const unit = line.unit ? ` ${line.unit}` : "";
        const show = (value) => (known.length ? `${measured(value)}${unit}` : "–");
        cell(row, chart.title === line.label || chart.units.length > 1 ? line.label : `${chart.title}: ${line.label}`, "th");
        cell(row, show(known.reduce((least, point) => Math.min(least, point[2]), Infinity)));
        cell(row, show(known.reduce((sum, point) => sum + point[1], 0) / known.length));
        cell(row, show(known.reduce((greatest, point) => Math.max(greatest, point[3]), -Infinity)));
        cell(row, show(known.at(-1)?.[1]));
        cell(row, known.length ? window.urfmp.time.full(known.at(-1)[0]) : "–");
        rows.push(row);
      }
    }
    table?.replaceChildren(...rows);
  }

  const charts = document.querySelector("[data-view]") ? new window.urfmp.Charts({ onDraw: () => fill(), onRange: () => showState() }) : null;
  const connection = document.querySelector("[data-connection]");

  function showState() {
    if (connection) {
      connection.hidden = !charts.isLive;
    }
  }

  if (charts) {
    showState();
    window.urfmpStream.subscribe((event) => {
      if (event.type === "telemetry") {
        charts.add(event);
      } else if (event.type === "connection") {
        window.urfmp.showConnection(event.state);
      } else if (event.type === "reset") {
        charts.reload();
      }
    });
  }

  // Choices are shown at once; metrics when the list is done, with Enter or the button.
  form.addEventListener("change", (event) => {
    if (event.target.matches("select, [data-robot-search]") && event.target.value !== undefined) {
      form.requestSubmit();
    }
  });
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-remove]");
    if (button) {
      button.closest("li").remove();
      form.requestSubmit();
    }
  });
  form.addEventListener("submit", () => {
    form.querySelectorAll("select, input:not([type=checkbox])").forEach((field) => { field.disabled ||= !field.value; });
  });
})();
