// The telemetry page: the chosen charts, and their values as a table.
(() => {
  "use strict";

  const page = document.getElementById("telemetry");
  const table = document.querySelector("#values tbody");
  const form = document.getElementById("telemetry-form");
  const start = Date.parse(page.dataset.start);
  const end = Date.parse(page.dataset.end);

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
      for (const [name, { points }] of chart.series) {
        const known = points.filter((point) => point[1] !== null);
        const row = document.createElement("tr");
        const unit = chart.unit ? ` ${chart.unit}` : "";
        const show = (value) => (known.length ? `${window.urfmp.measured(value)}${unit}` : "–");
        cell(row, `${chart.panel.dataset.title}: ${chart.labels[name]}`, "th");
        cell(row, show(known.reduce((least, point) => Math.min(least, point[2]), Infinity)));
        cell(row, show(known.reduce((sum, point) => sum + point[1], 0) / known.length));
        cell(row, show(known.reduce((greatest, point) => Math.max(greatest, point[3]), -Infinity)));
        cell(row, show(known.at(-1)?.[1]));
        cell(row, known.length ? window.urfmp.charts.full(known.at(-1)[0]) : "–");
        rows.push(row);
      }
    }
    table?.replaceChildren(...rows);
  }

  const charts = new window.urfmp.charts.Charts(() => fill());
  charts.setClock(end);
  if ("live" in page.dataset) {
    charts.showLast(end - start);
    window.urfmpStream.subscribe((event) => {
      if (event.type === "telemetry") {
        charts.add(event);
      } else if (event.type === "connection") {
        window.urfmp.showConnection(event.state);
      } else if (event.type === "reset") {
        charts.reload();
      }
    });
  } else {
    charts.showRange(start, end);
  }

  // Another robot has other metrics: its first chart is shown until some are chosen.
  form.querySelector("#robot").addEventListener("change", () => {
    form.querySelectorAll('input[name="metrics"]').forEach((box) => { box.checked = box.checked && box.defaultChecked; });
    form.requestSubmit();
  });
  form.querySelector("#range").addEventListener("change", (event) => {
    const isOwn = event.target.value === "own";
    form.querySelectorAll("[data-own]").forEach((field) => { field.hidden = !isOwn; });
    if (!isOwn) {
      form.requestSubmit();
    }
  });
})();
