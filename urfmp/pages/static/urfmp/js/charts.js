// All charts of a page over one time range: presets, zoom, URL and live updates.
window.urfmp.Charts = (() => {
  "use strict";

  const MIN_RANGE_MS = 10000;
  const MAX_RANGE_MS = 2 * 366 * 86400000;
  const RELOAD_DELAY_MS = 120;
  const MAX_SLIDING_SPAN_MS = 3600000;
  const { instants, local, offsetText, range } = window.urfmp.time;

  // Offers both instants if the clock repeats the time of an input.
  function showInstants(input, selected) {
    const select = input.form.elements[`${input.name}_offset`];
    const found = instants(input.value);
    select.replaceChildren(...found.map((at, index) => new Option(`${["First", "Second"][index]}, UTC${offsetText(at)}`, String(at))));
    if (found.length) {
      select.value = String(found.includes(selected) ? selected : found.at(input.name === "end" ? -1 : 0));
    }
    select.hidden = found.length < 2;
  }

  const selectedInstant = (input) => Number(input.form.elements[`${input.name}_offset`].value || NaN);

  class Charts {
    // `onDraw` is called after every load, `onRange` when another range is selected.
    constructor({ onDraw = () => {}, onRange = () => {} } = {}) {
      this.bar = document.querySelector("[data-view]");
      this.onDraw = onDraw;
      this.onRange = onRange;
      this.all = [...document.querySelectorAll("[data-chart]")].map((panel) => new window.urfmp.Chart(panel));
      this.visible = new Set();
      this.waiting = new Set();
      this.history = [];
      this.isRangeInUrl = false; // only ranges that the user selects go into the URL
      this.setClock(Date.parse(this.bar.dataset.now));
      const { preset, start, end } = this.bar.dataset;
      this.presets = new Map([...this.bar.querySelectorAll("[data-preset]")].map((link) => [link.dataset.preset, link]));
      this.state = this.presets.has(preset) ? { preset } : { start: Date.parse(start), end: Date.parse(end) };
      this.bindBar();
      this.all.forEach((chart) => {
        window.urfmp.zoomable(chart, this);
        chart.rule = window.urfmp.ChartRule ? new window.urfmp.ChartRule(chart, this) : null;
      });
      this.observe();
      this.showState();
    }

    observe() {
      const byPanel = new Map(this.all.map((chart) => [chart.panel, chart]));
      const observer = new IntersectionObserver((entries) => {
        for (const entry of entries) {
          const chart = byPanel.get(entry.target);
          this.visible[entry.isIntersecting ? "add" : "delete"](chart);
          if (entry.isIntersecting && this.waiting.has(chart)) {
            this.loadOne(chart);
          }
        }
      }, { rootMargin: "200px" });
      this.all.forEach((chart) => observer.observe(chart.panel));
      new MutationObserver(() => this.all.forEach((chart) => chart.applyTheme()))
        .observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
      setInterval(() => this.tick(), 1000);
      this.reload();
    }

    // The range

    // Uses the server's clock, since the browser's may be wrong.
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

    bounds() {
      const now = this.now();
      return this.isLive ? [now - this.span, now] : [this.state.start, this.state.end];
    }

    setState(state, { isUndo = false, isFinal = isUndo } = {}) {
      if (!isUndo) {
        this.history.push(this.state);
      }
      this.state = state;
      this.isRangeInUrl = true;
      this.showState();
      clearTimeout(this.reloadTimer);
      this.all.forEach((chart) => this.visible.has(chart) && chart.chart && this.preview(chart));
      if (isFinal) {
        this.reload();
      } else {
        this.reloadTimer = setTimeout(() => this.reload(), RELOAD_DELAY_MS);
      }
      this.onRange(state);
    }

    preview(chart) {
      chart.window = this.bounds();
      chart.update();
    }

    zoomTo(start, end) {
      const middle = (start + end) / 2;
      const length = Math.min(Math.max(end - start, MIN_RANGE_MS), MAX_RANGE_MS);
      const until = Math.min(middle + length / 2, this.now());
      this.setState({ start: until - length, end: until });
    }

    // Scales the range around a fixed time: the end if live, else the middle.
    scale(factor, fixedTime) {
      const [start, end] = this.bounds();
      const fixed = fixedTime ?? (this.isLive ? end : (start + end) / 2);
      this.zoomTo(fixed - (fixed - start) * factor, fixed + (end - fixed) * factor);
    }

    shift(share) {
      const [start, end] = this.bounds();
      const delta = Math.min((end - start) * share, this.now() - end);
      if (delta) {
        this.zoomTo(start + delta, end + delta);
      }
    }

    undo() {
      const state = this.history.pop();
      if (state) {
        this.setState(state, { isUndo: true });
      }
      return Boolean(state);
    }

    // The toolbar and the URL

    bindBar() {
      for (const [preset, link] of this.presets) {
        link.addEventListener("click", (event) => {
          if (!event.ctrlKey && !event.metaKey && !event.shiftKey) {
            event.preventDefault();
            this.setState({ preset }, { isFinal: true });
          }
        });
      }
      const actions = {
        in: () => this.scale(0.5), out: () => this.scale(2), earlier: () => this.shift(-0.5),
        later: () => this.shift(0.5), undo: () => this.undo(),
      };
      this.bar.querySelectorAll("[data-zoom]").forEach((button) => {
        button.addEventListener("click", actions[button.dataset.zoom]);
      });
      this.customRange = this.bar.querySelector("[data-custom-range]");
      this.customInputs = ["start", "end"].map((name) => this.customRange.elements[name]);
      this.customInputs.forEach((input) => input.addEventListener("change", () => showInstants(input)));
      this.customRange.addEventListener("submit", (event) => {
        event.preventDefault();
        const [start, end] = this.customInputs.map(selectedInstant);
        const skipped = this.customInputs.find((input) => Number.isNaN(selectedInstant(input)));
        const error = this.customRange.querySelector("[data-error]");
        error.textContent = skipped
          ? `${skipped.value.slice(11)} does not exist on this day: the clock goes forward. Enter another time.`
          : "Enter a start, and an end after it.";
        error.hidden = start < end;
        if (start < end) {
          this.customRange.closest("details").open = false;
          this.setState({ start, end });
        }
      });
      window.addEventListener("popstate", () => location.reload());
    }

    parameters() {
      const { preset, start, end } = this.state;
      const iso = (time) => new Date(Math.round(time)).toISOString();
      return preset ? { range: preset } : { range: "custom", start: iso(start), end: iso(end) };
    }

    showState() {
      const [start, end] = this.bounds();
      for (const [preset, link] of this.presets) {
        link.toggleAttribute("aria-current", preset === this.state.preset);
      }
      this.bar.querySelector("[data-shown]").textContent = this.isLive ? "" : range(start, end);
      this.bar.querySelector('[data-zoom="undo"]').disabled = !this.history.length;
      this.bar.querySelector('[data-zoom="later"]').disabled = this.isLive;
      this.customInputs.forEach((input, index) => {
        const at = Math.floor([start, end][index] / 1000) * 1000;
        input.value = local(at);
        showInstants(input, at);
      });
      const url = new URL(location.href);
      ["range", "start", "end"].forEach((name) => url.searchParams.delete(name));
      Object.entries(this.parameters()).forEach(([name, value]) => url.searchParams.set(name, value));
      if (this.isRangeInUrl) {
        history.replaceState(null, "", url);
      }
      // Updates links and forms that keep the range.
      document.querySelectorAll("a[data-keep-range]").forEach((link) => {
        const target = new URL(link.href);
        ["range", "start", "end"].forEach((name) => target.searchParams.delete(name));
        Object.entries(this.parameters()).forEach(([name, value]) => target.searchParams.set(name, value));
        link.href = target.href;
      });
      // In whole minutes or seconds that contain the range.
      [["a[data-keep-minutes]", 16, 59999], ["a[data-keep-seconds]", 19, 999]].forEach(([links, length, rest]) => {
        document.querySelectorAll(links).forEach((link) => {
          const target = new URL(link.href);
          const text = (time) => local(time).slice(0, length) + offsetText(time);
          target.searchParams.set("start", text(start));
          target.searchParams.set("end", text(end + rest));
          link.href = target.href;
        });
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
      await chart.load(...this.bounds());
      this.onDraw();
    }

    add(event) {
      if (this.isLive) {
        for (const chart of this.all) {
          event.points.forEach((point) => chart.add(event.robot_id, point));
        }
      }
    }

    // Slides visible charts once a second. Long ranges slide only with new points.
    tick() {
      if (!this.isLive || document.hidden) {
        return;
      }
      for (const chart of this.visible) {
        if ((chart.isDirty || this.span <= MAX_SLIDING_SPAN_MS) && !chart.isSelecting) {
          chart.slide(...this.bounds());
        }
      }
    }
  }

  return Charts;
})();
