// Telemetry page: the selected charts and a table of their values.
(() => {
  "use strict";

  const table = document.querySelector("#values tbody");
  const form = document.getElementById("telemetry-form");
  const { formatValue } = window.urfmp;

  function addCell(row, text, tag = "td") {
    const element = document.createElement(tag);
    if (tag === "th") {
      element.scope = "row";
    } else {
      element.className = "u-number";
    }
    element.textContent = text;
    row.append(element);
  }

  function fillTable() {
    const rows = [];
    for (const chart of charts.all) {
      for (const { line, points } of chart.series.values()) {
        const known = points.filter((point) => point[1] !== null);
        const row = document.createElement("tr");
        const unit = line.unit ? ` ${line.unit}` : "";
        const show = (value) => (known.length ? `${formatValue(value)}${unit}` : "–");
        addCell(row, chart.title === line.label || chart.units.length > 1 ? line.label : `${chart.title}: ${line.label}`, "th");
        addCell(row, show(known.reduce((min, point) => Math.min(min, point[2]), Infinity)));
        addCell(row, show(known.reduce((sum, point) => sum + point[1] / known.length, 0)));
        addCell(row, show(known.reduce((max, point) => Math.max(max, point[3]), -Infinity)));
        addCell(row, show(known.at(-1)?.[1]));
        addCell(row, known.length ? window.urfmp.time.full(known.at(-1)[0]) : "–");
        rows.push(row);
      }
    }
    table?.replaceChildren(...rows);
  }

  const charts = document.querySelector("[data-view]") ? new window.urfmp.Charts({ onDraw: () => fillTable(), onRange: () => showState() }) : null;
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

  // Selects submit on change. Metrics are submitted with Enter or the button.
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
