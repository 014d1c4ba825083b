// What goes on around the values of a chart: each robot's status as a strip, alerts as markers.
window.urfmp.ChartContext = (() => {
  "use strict";

  const MOST_SEGMENTS = 300;
  const MOST_ALERTS = 100;
  const SVG = "http://www.w3.org/2000/svg";
  const { label, time } = window.urfmp;

  // Several charts show the same robot over the same range: each answer is asked for once.
  const asked = new Map();

  function ask(path, parameters, signal) {
    const address = `/api/v1/${path}?${new URLSearchParams(parameters)}`;
    if (!asked.has(address)) {
      const answer = fetch(address, { headers: { Accept: "application/json" } })
        .then((response) => (response.ok ? response.json() : null), () => null);
      asked.set(address, answer);
      setTimeout(() => asked.delete(address), 3000);
    }
    return asked.get(address).then((answer) => (signal.aborted ? null : answer));
  }

  function textOf(segment) {
    const names = (segment.statuses.length ? segment.statuses : [segment.status || "not known"]).map(label).join(", ");
    const spells = segment.spells > 1 ? `, ${segment.spells} spells` : "";
    const reason = segment.reason ? `: ${segment.reason}` : "";
    return `${names}${spells}, ${time.range(Date.parse(segment.start), Date.parse(segment.end))}${reason}`;
  }

  class ChartContext {
    constructor(chart) {
      this.root = chart.panel.querySelector("[data-context]");
      this.chart = chart;
      this.alerts = [];
      this.strips = new Map();
      if (!this.root) {
        return;
      }
      this.markers = this.root.querySelector("[data-markers]");
      for (const robot of chart.robots) {
        const strip = document.createElement("div");
        strip.className = "u-strip u-strip--thin";
        strip.dataset.strip = "";
        strip.setAttribute("role", "slider");
        strip.setAttribute("aria-readonly", "true");
        strip.setAttribute("aria-valuemin", "1");
        strip.tabIndex = "quiet" in this.root.dataset ? -1 : 0;
        const name = JSON.parse(this.root.dataset.robots)[robot] || "";
        strip.setAttribute("aria-label", `${name}: status over time; arrow keys go through it`);
        this.root.append(strip);
        this.strips.set(robot, { strip, segments: [] });
      }
    }

    async load(start, end, signal) {
      if (!this.root) {
        return;
      }
      const limits = { start: new Date(start).toISOString(), end: new Date(end).toISOString() };
      await Promise.all(this.chart.robots.map(async (robot) => {
        const [timeline, alerts] = await Promise.all([
          ask(`robots/${robot}/status-history/timeline`, { ...limits, max_segments: MOST_SEGMENTS }, signal),
          "alerts" in this.root.dataset ? ask("alerts", {
            robot, created_after: limits.start, created_before: limits.end, page_size: MOST_ALERTS,
            fields: "id,title,severity,created_at",
          }, signal) : null,
        ]);
        if (timeline) {
          this.strips.get(robot).segments = timeline.segments;
        }
        if (alerts) {
          this.alerts = [
            ...this.alerts.filter((alert) => alert.robot !== robot),
            ...alerts.results.map((alert) => ({ ...alert, robot, at: Date.parse(alert.created_at) })),
          ];
        }
      }));
      if (!signal.aborted && this.chart.chart) {
        this.place(this.chart.chart.chartArea);
        this.chart.chart.draw();
      }
    }

    // Aligns everything with the chart's own time axis.
    place(area) {
      if (!this.root || !area) {
        return;
      }
      const [start, end] = this.chart.window;
      const percent = (at) => 100 * (at - start) / (end - start);
      this.root.style.marginLeft = `${area.left}px`;
      this.root.style.width = `${area.right - area.left}px`;
      for (const { strip, segments } of this.strips.values()) {
        this.fill(strip, segments, percent, end);
      }
      this.mark(percent);
    }

    fill(strip, segments, percent, end) {
      const svg = document.createElementNS(SVG, "svg");
      svg.setAttribute("width", "100%");
      svg.setAttribute("height", "100%");
      svg.setAttribute("aria-hidden", "true");
      segments.forEach((segment, index) => {
        // The last status goes on while a live chart moves along.
        const isLast = index === segments.length - 1;
        const left = Math.max(0, percent(Date.parse(segment.start)));
        const right = Math.min(100, percent(isLast ? Math.max(Date.parse(segment.end), Math.min(end, Date.now())) : Date.parse(segment.end)));
        if (right > left) {
          const longest = segment.statuses[0] || segment.status;
          this.rect(svg, left, right - left, "0", "100%", longest).dataset.text = textOf(segment);
          if (segment.status !== longest) {
            this.rect(svg, left, right - left, "60%", "40%", segment.status).classList.add("u-foot");
          }
        }
      });
      strip.replaceChildren(svg);
      strip.setAttribute("aria-valuemax", String(Math.max(1, svg.childElementCount)));
    }

    rect(svg, left, width, top, height, status) {
      const rect = document.createElementNS(SVG, "rect");
      const values = { x: `${left}%`, width: `${width}%`, y: top, height, fill: `url(#status-${status})` };
      Object.entries(values).forEach(([name, value]) => rect.setAttribute(name, value));
      svg.append(rect);
      return rect;
    }

    mark(percent) {
      if (this.markers.contains(document.activeElement)) {
        return;
      }
      this.markers.replaceChildren(...this.alerts.filter(({ at }) => percent(at) >= 0 && percent(at) <= 100).map((alert) => {
        const marker = document.createElement("a");
        const text = `Alert, ${label(alert.severity)}: ${alert.title}, ${time.full(alert.at)}`;
        marker.className = "u-marker";
        marker.href = `${this.root.dataset.alerts}${alert.id}/change/`;
        marker.dataset.family = "severity";
        marker.dataset.value = alert.severity;
        marker.dataset.text = text;
        marker.setAttribute("aria-label", text);
        marker.tabIndex = "quiet" in this.root.dataset ? -1 : 0;
        marker.style.left = `${percent(alert.at)}%`;
        return marker;
      }));
    }

    // A thin line through the values where an alert was opened.
    paint(chart, colour) {
      const { ctx, chartArea, scales } = chart;
      ctx.save();
      ctx.strokeStyle = colour;
      ctx.lineWidth = 1;
      ctx.setLineDash([3, 3]);
      for (const { at } of this.alerts) {
        if (at >= scales.x.min && at <= scales.x.max) {
          const x = scales.x.getPixelForValue(at);
          ctx.beginPath();
          ctx.moveTo(x, chartArea.top);
          ctx.lineTo(x, chartArea.bottom);
          ctx.stroke();
        }
      }
      ctx.restore();
    }
  }

  return ChartContext;
})();
