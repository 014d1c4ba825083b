// A telemetry chart: averages as lines, minimum to maximum as bands, gaps left open.
window.urfmp.Chart = (() => {
  "use strict";

  const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 4]];
  const COLOURS = 8;
  const MAX_LINES_WITH_BANDS = 8;
  const MAX_POINTS = 1000; // 15 minutes at one point per second
  const MAX_METRICS_PER_REQUEST = 20;
  const MIN_GAP_MS = 15000;
  // Buckets of days begin at midnight where the robots work.
  const PLANT_TIMEZONE = document.querySelector('meta[name="urfmp-plant-timezone"]')?.content || "UTC";
  const { full, tickLabel, ticks } = window.urfmp.time;
  const { formatValue } = window.urfmp;

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Converts any CSS colour into the rgba() form that Chart.js accepts.
  const colourContext = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  function rgb(colour, alpha) {
    colourContext.clearRect(0, 0, 1, 1);
    colourContext.fillStyle = colour;
    colourContext.fillRect(0, 0, 1, 1);
    const [r, g, b] = colourContext.getImageData(0, 0, 1, 1).data;
    return `rgba(${r}, ${g}, ${b}, ${alpha})`;
  }

  function median(numbers) {
    const sorted = Float64Array.from(numbers).sort();
    return sorted[Math.floor(sorted.length / 2)] || 0;
  }

  // Chart.js adds and subtracts values and divides by their differences: beyond these limits it would
  // calculate with Infinity or 0, and never finish. Such values are drawn in units of a power of ten.
  const MAX_DRAWN = 1e300;
  const MIN_DRAWN = 1e-200;
  const MIN_SCALE = 1e-300; // below, powers of ten lose their digits

  function drawingScale(values) {
    const greatest = values.reduce((found, value) => Math.max(found, Math.abs(value)), 0);
    const isDrawable = greatest === 0 || (greatest >= MIN_DRAWN && greatest <= MAX_DRAWN);
    return isDrawable ? 1 : Math.max(10 ** Math.floor(Math.log10(greatest)), MIN_SCALE);
  }

  // Labels of the axis can lie beyond the greatest number.
  function axisValue(value, scale) {
    const product = value * scale;
    return Number.isFinite(product) ? String(Number(product.toPrecision(3))) : "";
  }

  // Whether a line breaks before a point. A series may change its rate: the spacing around the step
  // counts as well as that of the whole range.
  function isAfterGap(points, index, gap) {
    const step = (at) => (at > 0 && at < points.length ? points[at][0] - points[at - 1][0] : Infinity);
    return step(index) > gap && step(index) > 5 * Math.min(step(index - 1), step(index + 1));
  }

  const finite = (value) => (Number.isFinite(value) ? value : null);

  const keyOf = (line) => `${line.robot} ${line.metric}`;

  class TelemetryChart {
    constructor(panel) {
      this.panel = panel;
      this.lines = JSON.parse(panel.dataset.lines);
      this.units = JSON.parse(panel.dataset.units);
      this.isBoolean = "boolean" in panel.dataset;
      this.title = panel.dataset.title;
      this.note = panel.querySelector(".u-chart__note");
      this.canvas = panel.querySelector("canvas");
      this.robots = [...new Set(this.lines.map((line) => line.robot))];
      this.series = new Map(this.lines.map((line) => [keyOf(line), { line, points: [], resolution: 0, gap: MIN_GAP_MS }]));
      this.hidden = new Set();
      this.isDirty = false;
      this.hasBands = this.lines.length <= MAX_LINES_WITH_BANDS && !this.isBoolean;
      this.buildLegend();
      this.chart = null;
      this.context = new window.urfmp.ChartContext(this);
      this.rule = null; // set on pages where rules can be drawn
    }

    // Drawing

    colour(line) {
      return css(`--u-series-${(line.colour % COLOURS) + 1}`);
    }

    dash(line) {
      return DASHES[(line.dash + Math.floor(line.colour / COLOURS)) % DASHES.length];
    }

    // Returns what the values of each axis are divided by before they are drawn.
    measureScales() {
      const values = [[], []];
      for (const { line, points } of this.series.values()) {
        points.forEach((point) => values[line.axis ? 1 : 0].push(...point.slice(1, 4).filter((value) => value !== null)));
      }
      this.drawnIn = values.map(drawingScale);
    }

    datasets() {
      this.measureScales();
      const sets = [];
      for (const [key, series] of this.series) {
        const { line } = series;
        const colour = this.colour(line);
        const common = {
          parsing: false, normalized: true, pointRadius: 0, spanGaps: false, hidden: this.hidden.has(key),
          yAxisID: line.axis ? "y2" : "y", stepped: this.isBoolean ? "before" : false,
        };
        sets.push({
          ...common, label: line.label, urfmpKey: key, data: this.column(series, 1),
          borderColor: rgb(colour, 1), backgroundColor: rgb(colour, 1), borderWidth: 1.6, borderJoinStyle: "round",
          borderDash: this.dash(line), pointHitRadius: 6, order: 1,
          pointRadius: ({ raw }) => (raw?.isAlone ? 2 : 0),
        });
        if (series.resolution > 0 && this.hasBands) {
          const band = { ...common, borderWidth: 0, backgroundColor: rgb(colour, 0.16), order: 2 };
          sets.push({ ...band, data: this.column(series, 3), fill: "+1" }, { ...band, data: this.column(series, 2), fill: false });
        }
      }
      return sets;
    }

    // Returns one column as Chart.js points, with an empty point in each gap.
    column({ line: { axis }, points, gap }, column) {
      const scale = this.drawnIn[axis ? 1 : 0];
      const line = [];
      points.forEach((point, index) => {
        const breaks = index > 0 && isAfterGap(points, index, gap);
        if (breaks) {
          line.push({ x: points[index - 1][0] + 1, y: NaN });
        }
        // A line needs two points; a point between gaps is drawn as a dot.
        const isFirst = index === 0 || breaks;
        const isLast = index === points.length - 1 || isAfterGap(points, index + 1, gap);
        line.push({ x: point[0], y: (point[column] ?? NaN) / scale, isAlone: isFirst && isLast });
      });
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
      const numericTick = window.Chart.Ticks.formatters.numeric;
      const chart = this;
      axis.ticks.callback = function tick(value, index, built) {
        const scale = chart.drawnIn[number];
        return scale === 1 ? numericTick.call(this, value, index, built) : axisValue(value, scale);
      };
      if (this.isBoolean) {
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
          locale: window.urfmpFormat.locale(),
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
        plugins: [{ id: "urfmp", afterDatasetsDraw: (chart) => this.drawOver(chart) }],
      };
    }

    drawOver(chart) {
      const colour = css("--u-orange");
      this.context.drawAlertLines(chart, colour);
      this.rule?.draw(chart, rgb(colour, 1), rgb(colour, 0.18));
    }

    tooltip(item) {
      const { line, points } = this.series.get(item.dataset.urfmpKey);
      const point = points.find((candidate) => candidate[0] === item.parsed.x);
      const unit = line.unit ? ` ${line.unit}` : "";
      const shown = `${line.label}: ${formatValue(point?.[1])}${unit}`;
      const isSingle = !point || point[2] === point[3];
      return isSingle ? shown : `${shown} (${formatValue(point[2])} to ${formatValue(point[3])})`;
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
        this.legend.get(key).textContent = last ? formatValue(series.newest ?? last[1]) : "";
      }
      this.canvas.dataset.points = String(count);
      this.canvas.dataset.newest = newest ? new Date(newest).toISOString() : "";
      this.showNote(count ? "" : "No values in this range");
    }

    update() {
      [this.chart.options.scales.x.min, this.chart.options.scales.x.max] = this.window;
      this.rule?.fit();
      this.chart.update("none");
      this.context.align(this.chart.chartArea);
      this.rule?.align();
    }

    showNote(text) {
      this.note.hidden = !text;
      this.note.textContent = text;
    }

    applyTheme() {
      if (this.chart) {
        this.chart.options.scales = this.scales();
        this.draw();
      }
    }

    // Data

    // Shows known points of the range at once, then loads it at a fitting resolution.
    async load(start, end) {
      this.window = [start, end];
      this.loading?.abort();
      const loading = new AbortController();
      this.loading = loading;
      if (this.chart) {
        this.update();
      } else {
        this.showNote("Loading…");
      }
      this.context.load(start, end, loading.signal);
      try {
        const responses = await Promise.all(this.requests(start, end, loading.signal));
        if (!loading.signal.aborted) {
          responses.forEach(({ robot, series }) => series.forEach((data) => this.setSeries(robot, data)));
          this.draw();
          this.canvas.dataset.shown = `${Math.round(start)} ${Math.round(end)}`;
        }
      } catch {
        if (!loading.signal.aborted) {
          this.showNote("The values could not be loaded. Change the range to try again.");
        }
      }
    }

    requests(start, end, signal) {
      const bounds = { start: new Date(start).toISOString(), end: new Date(end).toISOString() };
      const requests = [];
      for (const robot of this.robots) {
        const names = this.lines.filter((line) => line.robot === robot).map((line) => line.metric);
        for (let first = 0; first < names.length; first += MAX_METRICS_PER_REQUEST) {
          requests.push(this.fetchSeries(robot, {
            ...bounds, metrics: names.slice(first, first + MAX_METRICS_PER_REQUEST).join(","), max_points: String(MAX_POINTS), timezone: PLANT_TIMEZONE,
          }, signal));
        }
      }
      return requests;
    }

    async fetchSeries(robot, parameters, signal) {
      const url = `/api/v1/robots/${robot}/telemetry/series?${new URLSearchParams(parameters)}`;
      const response = await fetch(url, { headers: { Accept: "application/json" }, signal });
      if (response.status === 401) {
        window.urfmp.showSessionEnded();
      }
      if (!response.ok) {
        throw new Error(String(response.status));
      }
      return { robot, series: (await response.json()).series };
    }

    setSeries(robot, data) {
      const series = this.series.get(`${robot} ${data.metric_name}`);
      const { factor, offset } = series.line;
      const converted = (value) => (value === null ? null : finite(value * factor + offset));
      series.points = data.points.map(([time, ...values]) => [Date.parse(time), ...values.slice(0, 3).map(converted)]);
      const spacing = median(series.points.slice(1).map((point, index) => point[0] - series.points[index][0]));
      series.resolution = data.resolution_seconds;
      series.newest = undefined;
      series.gap = Math.max(MIN_GAP_MS, 5 * spacing, 3000 * data.resolution_seconds);
    }

    // Adds a live point: as a point of its own while points are raw, else to the open bucket.
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
        const count = (last[4] ?? 1) + 1;
        last[1] = last[1] * (1 - 1 / count) + value / count; // a difference can overflow
        last[2] = Math.min(last[2], value);
        last[3] = Math.max(last[3], value);
        last[4] = count;
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
