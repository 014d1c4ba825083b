// Charts of telemetry: average as a line, least to greatest as a band, gaps left open.
window.urfmp.charts = (() => {
  "use strict";

  const MAX_POINTS = 500;
  const DASHES = [[], [6, 3], [2, 2]];
  const COLOURS = 8;
  const BANDS_UP_TO = 8;
  const SHORTEST_GAP_MS = 15000;
  const STEPS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 259200];

  const zone = document.querySelector('meta[name="urfmp-timezone"]')?.content || "UTC";
  const locale = document.querySelector('meta[name="urfmp-locale"]')?.content || "en-GB";
  const format = (options, language = locale) => new Intl.DateTimeFormat(language, { timeZone: zone, hourCycle: "h23", ...options });
  const CLOCK = format({ hour: "2-digit", minute: "2-digit" });
  const SECONDS = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const DAY = format({ day: "numeric", month: "short" });
  const FULL = format({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });

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

  // How far the zone is from UTC, so that ticks fall on whole local hours.
  function zoneOffset(time) {
    const parts = Object.fromEntries(
      format({ year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" }, "en-GB")
        .formatToParts(time)
        .map((part) => [part.type, Number(part.value)]),
    );
    return Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second) - Math.floor(time / 1000) * 1000;
  }

  function ticks(axis) {
    const wanted = Math.max(2, Math.floor(axis.width / 72));
    const range = axis.max - axis.min;
    const step = 1000 * (STEPS.find((seconds) => range / (1000 * seconds) <= wanted) || 604800);
    const offset = zoneOffset(axis.max);
    axis.ticks = [];
    for (let at = Math.ceil((axis.min + offset) / step) * step - offset; at <= axis.max; at += step) {
      axis.ticks.push({ value: at });
    }
    axis.urfmpStep = step;
  }

  function tickLabel(value) {
    if (this.urfmpStep >= 86400000) {
      return DAY.format(value);
    }
    if (this.max - this.min > 90000000 && CLOCK.format(value) === "00:00") {
      return DAY.format(value);
    }
    return (this.urfmpStep < 60000 ? SECONDS : CLOCK).format(value);
  }

  function median(numbers) {
    const sorted = [...numbers].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] || 0;
  }

  class TelemetryChart {
    constructor(panel) {
      this.panel = panel;
      this.robotId = panel.dataset.robotId;
      this.unit = panel.dataset.unit;
      this.labels = JSON.parse(panel.dataset.labels);
      this.names = Object.keys(this.labels);
      this.isFlag = "flag" in panel.dataset;
      this.note = panel.querySelector(".u-chart__note");
      this.canvas = panel.querySelector("canvas");
      this.series = new Map(this.names.map((name) => [name, { points: [], resolution: 0, gap: SHORTEST_GAP_MS }]));
      this.hidden = new Set();
      this.request = 0;
      this.isDirty = false;
      this.buildLegend();
      this.chart = null;
    }

    // Drawing

    colour(index) {
      return css(`--u-series-${(index % COLOURS) + 1}`);
    }

    datasets() {
      const sets = [];
      this.names.forEach((name, index) => {
        const colour = rgb(this.colour(index), 1);
        const hidden = this.hidden.has(name);
        const common = { parsing: false, normalized: true, pointRadius: 0, spanGaps: false, stepped: this.isFlag ? "before" : false };
        sets.push({
          ...common, label: this.labels[name], urfmpName: name, data: this.line(name, 1), hidden,
          borderColor: colour, backgroundColor: colour, borderWidth: 1.6, borderJoinStyle: "round",
          borderDash: DASHES[Math.floor(index / COLOURS) % DASHES.length], pointHitRadius: 6, order: 1,
        });
        if (this.series.get(name).resolution > 0 && this.names.length <= BANDS_UP_TO && !this.isFlag) {
          const band = { ...common, hidden, borderWidth: 0, backgroundColor: rgb(this.colour(index), 0.14), order: 2 };
          sets.push({ ...band, data: this.line(name, 3), fill: "+1" }, { ...band, data: this.line(name, 2), fill: false });
        }
      });
      return sets;
    }

    // Chart.js's {x, y} of one column, with an empty point in every gap.
    line(name, column) {
      const { points, gap } = this.series.get(name);
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

    config() {
      const grid = rgb(css("--u-line"), 1);
      const text = rgb(css("--u-soft"), 1);
      const font = { family: "Inter, sans-serif", size: 11 };
      return {
        type: "line",
        data: { datasets: this.datasets() },
        options: {
          animation: false,
          maintainAspectRatio: false,
          interaction: { mode: "nearest", axis: "x", intersect: false },
          layout: { padding: { right: 4 } },
          scales: {
            x: {
              type: "linear", border: { color: grid }, grid: { color: grid, drawTicks: false, display: false },
              ticks: { color: text, font, maxRotation: 0, autoSkip: true, padding: 6, callback: tickLabel },
              afterBuildTicks: ticks,
            },
            y: {
              border: { display: false }, grid: { color: grid, drawTicks: false }, grace: "6%",
              ticks: {
                color: text, font, maxTicksLimit: 5, padding: 6,
                callback: this.isFlag ? (value) => ({ 0: "no", 1: "yes" })[value] ?? "" : undefined,
              },
              ...(this.isFlag ? { min: -0.1, max: 1.1, afterBuildTicks: (axis) => { axis.ticks = [{ value: 0 }, { value: 1 }]; } } : {}),
            },
          },
          plugins: {
            legend: { display: false },
            tooltip: {
              animation: false,
              filter: (item) => Boolean(item.dataset.urfmpName),
              callbacks: {
                title: (items) => (items.length ? FULL.format(items[0].parsed.x) : ""),
                label: (item) => this.tooltip(item),
              },
            },
          },
        },
      };
    }

    tooltip(item) {
      const name = item.dataset.urfmpName;
      const point = this.series.get(name).points.find((candidate) => candidate[0] === item.parsed.x);
      const unit = this.unit ? ` ${this.unit}` : "";
      const shown = `${this.labels[name]}: ${window.urfmp.measured(item.parsed.y)}${unit}`;
      if (!point || point[2] === point[3]) {
        return shown;
      }
      return `${shown} (${window.urfmp.measured(point[2])} to ${window.urfmp.measured(point[3])})`;
    }

    buildLegend() {
      const list = this.panel.querySelector(".u-legend");
      this.legend = new Map();
      this.names.forEach((name, index) => {
        const item = document.createElement("li");
        const button = document.createElement("button");
        button.type = "button";
        button.title = name;
        button.setAttribute("aria-pressed", "true");
        const swatch = document.createElement("i");
        swatch.style.setProperty("--c", `var(--u-series-${(index % COLOURS) + 1})`);
        swatch.style.borderTopStyle = index < COLOURS ? "solid" : "dashed";
        const value = document.createElement("b");
        button.append(swatch, this.labels[name], value);
        button.addEventListener("click", () => this.toggle(name, button));
        item.append(button);
        list.append(item);
        this.legend.set(name, value);
      });
    }

    toggle(name, button) {
      const isShown = this.hidden.delete(name);
      if (!isShown) {
        this.hidden.add(name);
      }
      button.setAttribute("aria-pressed", String(isShown));
      this.draw();
    }

    draw() {
      this.isDirty = false;
      this.chart ??= new window.Chart(this.canvas, this.config());
      this.chart.data.datasets = this.datasets();
      const [start, end] = this.window;
      this.chart.options.scales.x.min = start;
      this.chart.options.scales.x.max = end;
      this.chart.update("none");
      let count = 0;
      let newest = 0;
      for (const [name, { points }] of this.series) {
        count += points.length;
        const last = points.at(-1);
        newest = Math.max(newest, last?.[0] ?? 0);
        this.legend.get(name).textContent = last ? window.urfmp.measured(last[1]) : "";
      }
      this.canvas.dataset.points = String(count);
      this.canvas.dataset.newest = newest ? new Date(newest).toISOString() : "";
      this.say(count ? "" : "No values in this range");
    }

    say(text) {
      this.note.hidden = !text;
      this.note.textContent = text;
    }

    recolour() {
      if (!this.chart) {
        return;
      }
      this.chart.options.scales = this.config().options.scales;
      this.draw();
    }

    // Data

    async load(start, end) {
      this.window = [start, end];
      const request = ++this.request;
      if (!this.chart) {
        this.say("Reading");
      }
      const query = new URLSearchParams({
        metrics: this.names.join(","),
        start: new Date(start).toISOString(),
        end: new Date(end).toISOString(),
        max_points: String(MAX_POINTS),
      });
      try {
        const response = await fetch(`/api/v1/robots/${this.robotId}/telemetry/series?${query}`, { headers: { Accept: "application/json" } });
        if (!response.ok) {
          throw new Error(String(response.status));
        }
        const answer = await response.json();
        if (request === this.request) {
          this.take(answer.series);
        }
      } catch {
        if (request === this.request) {
          this.say("The values could not be read. They are tried again with the next range.");
        }
      }
    }

    take(series) {
      for (const one of series) {
        const points = one.points.map(([time, average, least, greatest]) => [Date.parse(time), average, least, greatest]);
        const spacing = median(points.slice(1).map((point, index) => point[0] - points[index][0]));
        const gap = Math.max(SHORTEST_GAP_MS, 5 * spacing, 3000 * one.resolution_seconds);
        this.series.set(one.metric_name, { points, resolution: one.resolution_seconds, gap });
      }
      this.draw();
    }

    // A live point: on its own while points are raw, else into the bucket that is still open.
    add(point) {
      const series = this.series.get(point.metric_name);
      if (!series || typeof point.value !== "number" || !this.window) {
        return;
      }
      const time = Date.parse(point.time);
      const last = series.points.at(-1);
      if (last && time <= last[0]) {
        return;
      }
      if (last && time - last[0] < 1000 * series.resolution) {
        const number = (last[4] ?? 1) + 1;
        last[1] += (point.value - last[1]) / number;
        last[2] = Math.min(last[2], point.value);
        last[3] = Math.max(last[3], point.value);
        last[4] = number;
      } else {
        series.points.push([time, point.value, point.value, point.value]);
      }
      this.isDirty = true;
    }

    slide(start, end) {
      if (!this.window || !this.isLoaded()) {
        return;
      }
      this.window = [start, end];
      for (const series of this.series.values()) {
        while (series.points.length && series.points[0][0] < start - series.gap) {
          series.points.shift();
        }
      }
      this.draw();
    }

    isLoaded() {
      return [...this.series.values()].some((series) => series.points.length);
    }
  }

  // All charts of the page over one range. `onDraw` is called after every load.
  class Charts {
    constructor(onDraw = () => {}) {
      this.onDraw = onDraw;
      this.all = [...document.querySelectorAll("[data-chart]")].map((panel) => new TelemetryChart(panel));
      this.isLive = false;
      this.visible = new Set();
      this.waiting = new Set();
      const watcher = new IntersectionObserver((entries) => this.onSight(entries), { rootMargin: "200px" });
      this.byPanel = new Map(this.all.map((chart) => [chart.panel, chart]));
      this.all.forEach((chart) => watcher.observe(chart.panel));
      new MutationObserver(() => this.all.forEach((chart) => chart.recolour()))
        .observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
      setInterval(() => this.tick(), 1000);
    }

    onSight(entries) {
      for (const entry of entries) {
        const chart = this.byPanel.get(entry.target);
        this.visible[entry.isIntersecting ? "add" : "delete"](chart);
        if (entry.isIntersecting && this.waiting.has(chart)) {
          this.loadOne(chart);
        }
      }
    }

    // The server's clock counts; the browser's may be wrong.
    now() {
      return this.serverNow + performance.now() - this.since;
    }

    setClock(serverNow) {
      this.serverNow = serverNow;
      this.since = performance.now();
    }

    range() {
      return this.isLive ? [this.now() - this.span, this.now()] : [this.start, this.end];
    }

    showLast(milliseconds) {
      this.isLive = true;
      this.span = milliseconds;
      this.reload();
    }

    showRange(start, end) {
      this.isLive = false;
      [this.start, this.end] = [start, end];
      this.reload();
    }

    reload() {
      this.waiting = new Set(this.all);
      this.all.filter((chart) => this.visible.has(chart)).forEach((chart) => this.loadOne(chart));
    }

    async loadOne(chart) {
      this.waiting.delete(chart);
      await chart.load(...this.range());
      this.onDraw();
    }

    add(event) {
      if (!this.isLive) {
        return;
      }
      for (const chart of this.all) {
        if (chart.robotId === event.robot_id) {
          event.points.forEach((point) => chart.add(point));
        }
      }
    }

    // Once a second at most, and for what is seen; over days a pixel is worth minutes.
    tick() {
      if (!this.isLive || document.hidden) {
        return;
      }
      for (const chart of this.visible) {
        if (chart.isDirty || this.span <= 3600000) {
          chart.slide(...this.range());
        }
      }
    }
  }

  return { Charts, full: (time) => FULL.format(time) };
})();
