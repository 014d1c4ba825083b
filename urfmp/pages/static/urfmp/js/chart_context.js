// Context of a chart: a status timeline for each robot, and alerts as markers.
window.urfmp.ChartContext = (() => {
  "use strict";

  const MAX_SEGMENTS = 300;
  const MAX_ALERTS = 100;
  const CACHE_MS = 3000;
  const { label, time, timelines } = window.urfmp;

  // Several charts show the same robot over the same range: each response is fetched once.
  const cache = new Map();

  function cachedFetch(path, parameters, signal) {
    const url = `/api/v1/${path}?${new URLSearchParams(parameters)}`;
    if (!cache.has(url)) {
      const response = fetch(url, { headers: { Accept: "application/json" } })
        .then((received) => (received.ok ? received.json() : null), () => null);
      cache.set(url, response);
      setTimeout(() => cache.delete(url), CACHE_MS);
    }
    return cache.get(url).then((body) => (signal.aborted ? null : body));
  }

  class ChartContext {
    constructor(chart) {
      this.root = chart.panel.querySelector("[data-context]");
      this.chart = chart;
      this.alerts = [];
      this.timelines = new Map();
      if (!this.root) {
        return;
      }
      this.markers = this.root.querySelector("[data-markers]");
      for (const robot of chart.robots) {
        const timeline = document.createElement("div");
        timeline.className = "u-timeline u-timeline--thin";
        timeline.dataset.timeline = "";
        timeline.setAttribute("role", "slider");
        timeline.setAttribute("aria-readonly", "true");
        timeline.setAttribute("aria-valuemin", "1");
        timeline.setAttribute("aria-valuenow", "1");
        timeline.setAttribute("aria-valuetext", "No status yet");
        timeline.tabIndex = "quiet" in this.root.dataset ? -1 : 0;
        const name = JSON.parse(this.root.dataset.robots)[robot] || "";
        timeline.setAttribute("aria-label", `${name}: status over time; use the arrow keys to move through it`);
        this.root.append(timeline);
        this.timelines.set(robot, { timeline, segments: [] });
      }
    }

    async load(start, end, signal) {
      if (!this.root) {
        return;
      }
      const bounds = { start: new Date(start).toISOString(), end: new Date(end).toISOString() };
      await Promise.all(this.chart.robots.map(async (robot) => {
        const [status, alerts] = await Promise.all([
          cachedFetch(`robots/${robot}/status-history/timeline`, { ...bounds, max_segments: MAX_SEGMENTS }, signal),
          "alerts" in this.root.dataset ? cachedFetch("alerts", {
            robot, created_after: bounds.start, created_before: bounds.end, page_size: MAX_ALERTS,
            fields: "id,title,severity,created_at",
          }, signal) : null,
        ]);
        if (status) {
          this.timelines.get(robot).segments = status.segments;
        }
        if (alerts) {
          this.alerts = [
            ...this.alerts.filter((alert) => alert.robot !== robot),
            ...alerts.results.map((alert) => ({ ...alert, robot, at: Date.parse(alert.created_at) })),
          ];
        }
      }));
      if (!signal.aborted && this.chart.chart) {
        this.align(this.chart.chart.chartArea);
        this.chart.chart.draw();
      }
    }

    // Aligns timelines and markers with the time axis of the chart.
    align(area) {
      if (!this.root || !area) {
        return;
      }
      const [start, end] = this.chart.window;
      const percent = (at) => 100 * (at - start) / (end - start);
      this.root.style.marginLeft = `${area.left}px`;
      this.root.style.width = `${area.right - area.left}px`;
      for (const { timeline, segments } of this.timelines.values()) {
        timelines.draw(timeline, segments, start, end);
      }
      this.drawMarkers(percent);
    }

    drawMarkers(percent) {
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

    // Draws a thin line through the values at the time of each alert.
    drawAlertLines(chart, colour) {
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
