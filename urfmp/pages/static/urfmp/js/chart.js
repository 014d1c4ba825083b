// One chart of telemetry: averages as lines, least to greatest as a band, gaps left open.
window.urfmp.Chart = (() => {
  "use strict";

  const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 4]];
  const COLOURS = 8;
  const BANDS_UP_TO = 8;
  const MOST_POINTS = 1000; // a quarter of an hour second by second
  const METRICS_A_REQUEST = 20;
  const SHORTEST_GAP_MS = 15000;
  const { full, tickLabel, ticks } = window.urfmp.time;
  const { measured } = window.urfmp;

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // A colour as Chart.js can read it, whatever the style sheet writes.
  const painter = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  function rgb(colour, alpha) {
    painter.clearRect(0, 0, 1, 1);
    painter.fillStyle = colour;
    painter.fillRect(0, 0, 1, 1);
    const [r, g, b] = painter.getImageData(0, 0, 1, 1).data;
    return `rgba(${r}, ${g}, ${b}, ${alpha})`;
  }

  function median(numbers) {
    const sorted = Float64Array.from(numbers).sort();
    return sorted[Math.floor(sorted.length / 2)] || 0;
  }

  const keyOf = (line) => `${line.robot} ${line.metric}`;

  class TelemetryChart {
    constructor(panel) {
      this.panel = panel;
      this.lines = JSON.parse(panel.dataset.lines);
      this.units = JSON.parse(panel.dataset.units);
      this.isFlag = "flag" in panel.dataset;
      this.title = panel.dataset.title;
      this.note = panel.querySelector(".u-chart__note");
      this.canvas = panel.querySelector("canvas");
      this.robots = [...new Set(this.lines.map((line) => line.robot))];
      this.series = new Map(this.lines.map((line) => [keyOf(line), { line, points: [], resolution: 0, gap: SHORTEST_GAP_MS }]));
      this.hidden = new Set();
      this.isDirty = false;
      this.hasBands = this.lines.length <= BANDS_UP_TO && !this.isFlag;
      this.buildLegend();
      this.chart = null;
      this.context = new window.urfmp.ChartContext(this);
    }

    // Drawing

    colour(line) {
      return css(`--u-series-${(line.colour % COLOURS) + 1}`);
    }

    dash(line) {
      return DASHES[(line.dash + Math.floor(line.colour / COLOURS)) % DASHES.length];
    }

    datasets() {
      const sets = [];
      for (const [key, series] of this.series) {
        const { line } = series;
        const colour = this.colour(line);
        const common = {
          parsing: false, normalized: true, pointRadius: 0, spanGaps: false, hidden: this.hidden.has(key),
          yAxisID: line.axis ? "y2" : "y", stepped: this.isFlag ? "before" : false,
        };
        sets.push({
          ...common, label: line.label, urfmpKey: key, data: this.column(series, 1),
          borderColor: rgb(colour, 1), backgroundColor: rgb(colour, 1), borderWidth: 1.6, borderJoinStyle: "round",
          borderDash: this.dash(line), pointHitRadius: 6, order: 1,
        });
        if (series.resolution > 0 && this.hasBands) {
          const band = { ...common, borderWidth: 0, backgroundColor: rgb(colour, 0.16), order: 2 };
          sets.push({ ...band, data: this.column(series, 3), fill: "+1" }, { ...band, data: this.column(series, 2), fill: false });
        }
      }
      return sets;
    }

    // Chart.js's {x, y} of one column, with an empty point in every gap.
    column({ points, gap }, column) {
      const line = [];
      let before = null;
      for (const point of points) {
        if (before !== null && point[0] - before > gap) {
          line.push({ x: before + 1, y: NaN });
        }
        line.push({ x: point[0], y: point[column] ?? NaN });
        before = point[0];
      }
      return line;
    }

    valueAxis(number) {
      const text = rgb(css("--u-soft"), 1);
      const grid = rgb(css("--u-line"), 1);
      const font = { family: "Inter, sans-serif", size: 11 };
      const unit = this.units[number];
      const axis = {
        position: number ? "right" : "left", border: { display: false }, grace: "6%",
        grid: { color: grid, drawTicks: false, drawOnChartArea: !number },
        title: { display: Boolean(unit) && this.units.length > 1, text: unit, color: text, font },
        ticks: { color: text, font, maxTicksLimit: 5, padding: 6 },
      };
      if (this.isFlag) {
        axis.ticks.callback = (value) => ({ 0: "no", 1: "yes" })[value] ?? "";
        Object.assign(axis, { min: -0.1, max: 1.1, grace: 0, afterBuildTicks: (built) => { built.ticks = [{ value: 0 }, { value: 1 }]; } });
      }
      return axis;
    }

    scales() {
      const grid = rgb(css("--u-line"), 1);
      const time = {
        type: "linear", border: { color: grid }, grid: { display: false }, afterBuildTicks: ticks,
        ticks: { color: rgb(css("--u-soft"), 1), font: { family: "Inter, sans-serif", size: 11 }, maxRotation: 0, autoSkip: true, padding: 6, callback: tickLabel },
      };
      return { x: time, y: this.valueAxis(0), ...(this.units.length > 1 ? { y2: this.valueAxis(1) } : {}) };
    }

    config() {
      return {
        type: "line",
        data: { datasets: this.datasets() },
        options: {
          animation: false,
          maintainAspectRatio: false,
          interaction: { mode: "nearest", axis: "x", intersect: false },
          layout: { padding: { right: 4 } },
          scales: this.scales(),
          plugins: {
            legend: { display: false },
            tooltip: {
              animation: false,
              filter: (item) => Boolean(item.dataset.urfmpKey),
              callbacks: {
                title: (items) => (items.length ? full(items[0].parsed.x) : ""),
                label: (item) => this.tooltip(item),
              },
            },
          },
        },
        plugins: [{ id: "urfmp", afterDatasetsDraw: (chart) => this.context.paint(chart, css("--u-orange")) }],
      };
    }

    tooltip(item) {
      const { line, points } = this.series.get(item.dataset.urfmpKey);
      const point = points.find((candidate) => candidate[0] === item.parsed.x);
      const unit = line.unit ? ` ${line.unit}` : "";
      const shown = `${line.label}: ${measured(item.parsed.y)}${unit}`;
      const isOne = !point || point[2] === point[3];
      return isOne ? shown : `${shown} (${measured(point[2])} to ${measured(point[3])})`;
    }

    buildLegend() {
      const list = this.panel.querySelector(".u-legend");
      this.legend = new Map();
      for (const [key, { line }] of this.series) {
        const item = document.createElement("li");
        const button = document.createElement("button");
        button.type = "button";
        button.title = line.metric;
        button.setAttribute("aria-pressed", "true");
        const swatch = document.createElement("i");
        swatch.style.setProperty("--c", `var(--u-series-${(line.colour % COLOURS) + 1})`);
        swatch.style.borderTopStyle = ["solid", "dashed", "dotted"][Math.min(2, DASHES.indexOf(this.dash(line)))];
        const value = document.createElement("b");
        const axis = this.units.length > 1 ? ` (${line.unit || "right"})` : "";
        button.append(swatch, `${line.label}${axis}`, value);
        button.addEventListener("click", () => this.toggle(key, button));
        item.append(button);
        list.append(item);
        this.legend.set(key, value);
      }
    }

    toggle(key, button) {
      const isShown = this.hidden.delete(key);
      if (!isShown) {
        this.hidden.add(key);
      }
      button.setAttribute("aria-pressed", String(isShown));
      this.draw();
    }

    draw() {
      this.isDirty = false;
      this.chart ??= new window.Chart(this.canvas, this.config());
      this.chart.data.datasets = this.datasets();
      this.update();
      let count = 0;
      let newest = 0;
      for (const [key, series] of this.series) {
        count += series.points.length;
        const last = series.points.at(-1);
        newest = Math.max(newest, last?.[0] ?? 0);
        this.legend.get(key).textContent = last ? measured(series.newest ?? last[1]) : "";
      }
      this.canvas.dataset.points = String(count);
      this.canvas.dataset.newest = newest ? new Date(newest).toISOString() : "";
      this.say(count ? "" : "No values in this range");
    }

    update() {
      [this.chart.options.scales.x.min, this.chart.options.scales.x.max] = this.window;
      this.chart.update("none");
      this.context.place(this.chart.chartArea);
    }

    say(text) {
      this.note.hidden = !text;
      this.note.textContent = text;
    }

    recolour() {
      if (this.chart) {
        this.chart.options.scales = this.scales();
        this.draw();
      }
    }

    // Data

    // Shows at once what is known of a range, then reads it at the resolution that fits.
    async load(start, end) {
      this.window = [start, end];
      this.reading?.abort();
      const reading = new AbortController();
      this.reading = reading;
      if (this.chart) {
        this.update();
      } else {
        this.say("Reading");
      }
      this.context.load(start, end, reading.signal);
      try {
        const answers = await Promise.all(this.requests(start, end, reading.signal));
        if (!reading.signal.aborted) {
          answers.forEach(({ robot, series }) => series.forEach((one) => this.take(robot, one)));
          this.draw();
          this.canvas.dataset.shown = `${Math.round(start)} ${Math.round(end)}`;
        }
      } catch {
        if (!reading.signal.aborted) {
          this.say("The values could not be read. They are tried again with the next range.");
        }
      }
    }

    requests(start, end, signal) {
      const limits = { start: new Date(start).toISOString(), end: new Date(end).toISOString() };
      const requests = [];
      for (const robot of this.robots) {
        const names = this.lines.filter((line) => line.robot === robot).map((line) => line.metric);
        for (let at = 0; at < names.length; at += METRICS_A_REQUEST) {
          requests.push(this.read(robot, {
            ...limits, metrics: names.slice(at, at + METRICS_A_REQUEST).join(","), max_points: String(MOST_POINTS),
          }, signal));
        }
      }
      return requests;
    }

    async read(robot, parameters, signal) {
      const address = `/api/v1/robots/${robot}/telemetry/series?${new URLSearchParams(parameters)}`;
      const response = await fetch(address, { headers: { Accept: "application/json" }, signal });
      if (response.status === 401) {
        window.urfmp.showEnded();
      }
      if (!response.ok) {
        throw new Error(String(response.status));
      }
      return { robot, series: (await response.json()).series };
    }

    take(robot, one) {
      const series = this.series.get(`${robot} ${one.metric_name}`);
      const { factor, offset } = series.line;
      const shown = (value) => (value === null ? null : value * factor + offset);
      series.points = one.points.map(([time, ...values]) => [Date.parse(time), ...values.slice(0, 3).map(shown)]);
      const spacing = median(series.points.slice(1).map((point, index) => point[0] - series.points[index][0]));
      series.resolution = one.resolution_seconds;
      series.newest = undefined;
      series.gap = Math.max(SHORTEST_GAP_MS, 5 * spacing, 3000 * one.resolution_seconds);
    }

    // A live point: on its own while points are raw, else into the bucket that is still open.
    add(robot, point) {
      const series = this.series.get(`${robot} ${point.metric_name}`);
      if (!series || typeof point.value !== "number" || !this.window) {
        return;
      }
      const time = Date.parse(point.time);
      const value = point.value * series.line.factor + series.line.offset;
      const last = series.points.at(-1);
      if (last && time <= last[0]) {
        return;
      }
      series.newest = value;
      if (last && time - last[0] < 1000 * series.resolution) {
        const number = (last[4] ?? 1) + 1;
        last[1] += (value - last[1]) / number;
        last[2] = Math.min(last[2], value);
        last[3] = Math.max(last[3], value);
        last[4] = number;
      } else {
        series.points.push([time, value, value, value]);
      }
      this.isDirty = true;
    }

    slide(start, end) {
      if (!this.chart) {
        return;
      }
      this.window = [start, end];
      for (const series of this.series.values()) {
        const first = series.points.findIndex((point) => point[0] >= start - series.gap);
        series.points.splice(0, first < 0 ? series.points.length : first);
      }
      this.draw();
    }
  }

  return TelemetryChart;
})();
