// All charts of a page over one range: presets, zoom, the page's address, and the live tail.
window.urfmp.Charts = (() => {
  "use strict";

  const SHORTEST_MS = 10000;
  const LONGEST_MS = 2 * 366 * 86400000;
  const SETTLE_MS = 120;
  const { local, fromLocal, range } = window.urfmp.time;

  class Charts {
    // `onDraw` is called after every load; `onRange` when another range is chosen.
    constructor({ onDraw = () => {}, onRange = () => {} } = {}) {
      this.bar = document.querySelector("[data-view]");
      this.onDraw = onDraw;
      this.onRange = onRange;
      this.all = [...document.querySelectorAll("[data-chart]")].map((panel) => new window.urfmp.Chart(panel));
      this.visible = new Set();
      this.waiting = new Set();
      this.back = [];
      this.isChosen = false; // the address says what was chosen, nothing else
      this.setClock(Date.parse(this.bar.dataset.now));
      const { preset, start, end } = this.bar.dataset;
      this.presets = new Map([...this.bar.querySelectorAll("[data-preset]")].map((link) => [link.dataset.preset, link]));
      this.state = this.presets.has(preset) ? { preset } : { start: Date.parse(start), end: Date.parse(end) };
      this.wireBar();
      this.all.forEach((chart) => window.urfmp.zoomable(chart, this));
      this.watch();
      this.showState();
    }

    watch() {
      const byPanel = new Map(this.all.map((chart) => [chart.panel, chart]));
      const watcher = new IntersectionObserver((entries) => {
        for (const entry of entries) {
          const chart = byPanel.get(entry.target);
          this.visible[entry.isIntersecting ? "add" : "delete"](chart);
          if (entry.isIntersecting && this.waiting.has(chart)) {
            this.loadOne(chart);
          }
        }
      }, { rootMargin: "200px" });
      this.all.forEach((chart) => watcher.observe(chart.panel));
      new MutationObserver(() => this.all.forEach((chart) => chart.recolour()))
        .observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
      setInterval(() => this.tick(), 1000);
      this.reload();
    }

    // The range

    // The server's clock counts; the browser's may be wrong.
    now() {
      return this.serverNow + performance.now() - this.since;
    }

    setClock(serverNow) {
      this.serverNow = serverNow;
      this.since = performance.now();
    }

    get isLive() {
      return Boolean(this.state.preset);
    }

    get span() {
      return 1000 * Number(this.presets.get(this.state.preset).dataset.seconds);
    }

    limits() {
      const now = this.now();
      return this.isLive ? [now - this.span, now] : [this.state.start, this.state.end];
    }

    go(state, { isReturn = false, isFinal = isReturn } = {}) {
      if (!isReturn) {
        this.back.push(this.state);
      }
      this.state = state;
      this.isChosen = true;
      this.showState();
      clearTimeout(this.settling);
      this.all.forEach((chart) => this.visible.has(chart) && chart.chart && this.preview(chart));
      if (isFinal) {
        this.reload();
      } else {
        this.settling = setTimeout(() => this.reload(), SETTLE_MS);
      }
      this.onRange(state);
    }

    preview(chart) {
      chart.window = this.limits();
      chart.update();
    }

    zoomTo(start, end) {
      const middle = (start + end) / 2;
      const length = Math.min(Math.max(end - start, SHORTEST_MS), LONGEST_MS);
      const until = Math.min(middle + length / 2, this.now());
      this.go({ start: until - length, end: until });
    }

    // Makes the range longer or shorter; what is at `at` stays where it is.
    scale(factor, at) {
      const [start, end] = this.limits();
      const fixed = at ?? (this.isLive ? end : (start + end) / 2);
      this.zoomTo(fixed - (fixed - start) * factor, fixed + (end - fixed) * factor);
    }

    shift(part) {
      const [start, end] = this.limits();
      const by = Math.min((end - start) * part, this.now() - end);
      if (by) {
        this.zoomTo(start + by, end + by);
      }
    }

    goBack() {
      const state = this.back.pop();
      if (state) {
        this.go(state, { isReturn: true });
      }
      return Boolean(state);
    }

    // The bar above the charts, and the address

    wireBar() {
      for (const [preset, link] of this.presets) {
        link.addEventListener("click", (event) => {
          if (!event.ctrlKey && !event.metaKey && !event.shiftKey) {
            event.preventDefault();
            this.go({ preset }, { isFinal: true });
          }
        });
      }
      const acts = {
        in: () => this.scale(0.5), out: () => this.scale(2), earlier: () => this.shift(-0.5),
        later: () => this.shift(0.5), back: () => this.goBack(),
      };
      this.bar.querySelectorAll("[data-zoom]").forEach((button) => {
        button.addEventListener("click", acts[button.dataset.zoom]);
      });
      this.own = this.bar.querySelector("[data-own-range]");
      this.own.addEventListener("submit", (event) => {
        event.preventDefault();
        const start = fromLocal(this.own.elements.start.value);
        const end = fromLocal(this.own.elements.end.value);
        const isRange = start < end;
        this.own.querySelector("[data-problem]").hidden = isRange;
        if (isRange) {
          this.own.closest("details").open = false;
          this.go({ start, end });
        }
      });
      window.addEventListener("popstate", () => location.reload());
    }

    parameters() {
      const { preset, start, end } = this.state;
      const iso = (time) => new Date(Math.round(time)).toISOString();
      return preset ? { range: preset } : { range: "own", start: iso(start), end: iso(end) };
    }

    showState() {
      const [start, end] = this.limits();
      for (const [preset, link] of this.presets) {
        link.toggleAttribute("aria-current", preset === this.state.preset);
      }
      this.bar.querySelector("[data-shown]").textContent = this.isLive ? "" : range(start, end);
      this.bar.querySelector('[data-zoom="back"]').disabled = !this.back.length;
      this.bar.querySelector('[data-zoom="later"]').disabled = this.isLive;
      this.own.elements.start.value = local(start);
      this.own.elements.end.value = local(end);
      const url = new URL(location.href);
      ["range", "start", "end"].forEach((name) => url.searchParams.delete(name));
      Object.entries(this.parameters()).forEach(([name, value]) => url.searchParams.set(name, value));
      if (this.isChosen) {
        history.replaceState(null, "", url);
      }
      // Links and forms that lead to the same range.
      document.querySelectorAll("a[data-keep-range]").forEach((link) => {
        const target = new URL(link.href);
        ["range", "start", "end"].forEach((name) => target.searchParams.delete(name));
        Object.entries(this.parameters()).forEach(([name, value]) => target.searchParams.set(name, value));
        link.href = target.href;
      });
      document.querySelectorAll("a[data-keep-minutes]").forEach((link) => {
        const target = new URL(link.href);
        target.searchParams.set("start", local(start).slice(0, 16));
        target.searchParams.set("end", local(end + 59999).slice(0, 16));
        link.href = target.href;
      });
      document.querySelectorAll("form[data-keep-range]").forEach((form) => {
        ["range", "start", "end"].forEach((name) => {
          form.elements[name].value = this.parameters()[name] ?? "";
          form.elements[name].disabled = !form.elements[name].value;
        });
      });
    }

    // Data

    reload() {
      this.waiting = new Set(this.all);
      this.all.filter((chart) => this.visible.has(chart)).forEach((chart) => this.loadOne(chart));
    }

    async loadOne(chart) {
      this.waiting.delete(chart);
      await chart.load(...this.limits());
      this.onDraw();
    }

    add(event) {
      if (this.isLive) {
        for (const chart of this.all) {
          event.points.forEach((point) => chart.add(event.robot_id, point));
        }
      }
    }

    // Once a second at most, and for what is seen; over days a pixel is worth minutes.
    tick() {
      if (!this.isLive || document.hidden) {
        return;
      }
      for (const chart of this.visible) {
        if ((chart.isDirty || this.span <= 3600000) && !chart.isSelecting) {
          chart.slide(...this.limits());
        }
      }
    }
  }

  return Charts;
})();
