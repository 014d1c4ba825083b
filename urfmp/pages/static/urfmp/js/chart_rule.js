// A rule set on a chart: a horizontal line, dragged or moved by keys, and a form. The rule is tried
// on history, drawn as bands, and saved by the API as any other rule.
window.urfmp.ChartRule = (() => {
  "use strict";

  const MIN_LINES_FOR_ANY = 2;
  const MAX_CLAUSES = 10;
  const STEPS = 100; // of the axis, for arrow keys
  const PREVIEW_DELAY_MS = 600;
  const SPARE = 0.15; // of the axis, above or below the line at first
  const { formatValue } = window.urfmp;
  const template = document.getElementById("chart-rule");
  const robots = window.urfmp.readJson("chart-rule-robots");

  let nextId = 1;

  function roundTo(value, step) {
    return Number((Math.round(value / step) * step).toPrecision(12));
  }

  // Returns the texts of a problem document, those of fields with their names.
  function problemText(problem) {
    const texts = Object.entries(problem.errors ?? {}).flatMap(([field, messages]) => (
      Object.values(messages).flat().map((text) => (field === "name" ? `Title: ${text}` : text))
    ));
    return texts.join(" ") || problem.detail || "The server did not accept the rule.";
  }

  class ChartRule {
    constructor(chart, view) {
      this.chart = chart;
      this.view = view;
      this.form = null;
      this.episodes = [];
      this.isDragging = false;
      this.button = chart.panel.querySelector("[data-rule]");
      this.button?.addEventListener("click", () => (this.form ? this.close() : this.open()));
    }

    open() {
      if (!this.chart.chart) {
        return; // nothing is drawn yet
      }
      this.form = template.content.firstElementChild.cloneNode(true);
      this.fields = this.form.elements;
      const number = nextId++;
      for (const label of this.form.querySelectorAll("label[for]")) {
        const field = this.form.querySelector(`#${label.htmlFor}`);
        field.id = label.htmlFor = `${label.htmlFor}-${number}`;
      }
      this.result = this.form.querySelector("[data-result]");
      this.showDays = this.form.querySelector("[data-show-days]");
      this.buildSubjects();
      this.buildLine();
      this.chart.panel.append(this.form);
      this.button.setAttribute("aria-expanded", "true");
      this.chooseSubject();
      const [low, high] = this.range();
      this.setThreshold(high - (high - low) * SPARE);
      this.listen();
      this.fields.subject.focus();
    }

    close() {
      this.loading?.abort();
      clearTimeout(this.timer);
      this.form.remove();
      this.line.remove();
      this.form = null;
      this.episodes = [];
      for (const axis of Object.values(this.chart.chart.options.scales)) {
        delete axis.suggestedMin;
        delete axis.suggestedMax;
      }
      this.chart.update();
      this.button.setAttribute("aria-expanded", "false");
      this.button.focus();
    }

    listen() {
      this.form.addEventListener("submit", (event) => {
        event.preventDefault();
        this.save();
      });
      this.form.querySelector("[data-try]").addEventListener("click", () => this.preview());
      this.form.querySelector("[data-cancel]").addEventListener("click", () => this.close());
      this.showDays.addEventListener("click", () => this.view.zoomTo(...this.tried));
      this.fields.subject.addEventListener("change", () => this.chooseSubject());
      this.fields.threshold.addEventListener("input", () => {
        if (this.fields.threshold.value !== "") {
          this.setThreshold(this.fields.threshold.valueAsNumber, { isTyped: true });
        }
      });
      this.fields.comparison.addEventListener("change", () => {
        this.form.dataset.side = this.fields.comparison.value;
        this.changed();
      });
      for (const name of ["for_seconds", "severity", "scope"]) {
        this.fields[name].addEventListener("change", () => this.changed());
      }
      this.fields.name.addEventListener("input", () => { this.isNamed = this.fields.name.value !== ""; });
      this.form.addEventListener("keydown", (event) => {
        if (event.key === "Escape") {
          this.close();
        }
      });
    }

    // What the rule observes: one line, or any line of a robot.

    buildSubjects() {
      this.subjects = this.chart.lines.map((line) => ({ label: line.label, lines: [line] }));
      for (const robot of this.chart.robots) {
        const lines = this.chart.lines.filter((line) => line.robot === robot && !line.axis);
        if (lines.length >= MIN_LINES_FOR_ANY && lines.length <= MAX_CLAUSES) {
          const name = this.chart.robots.length > 1 ? ` of ${robots[robot].name}` : "";
          this.subjects.push({ label: `Any of these ${lines.length}${name}`, lines });
        }
      }
      this.fields.subject.replaceChildren(...this.subjects.map(({ label }, index) => new Option(label, String(index))));
    }

    get subject() {
      return this.subjects[Number(this.fields.subject.value)];
    }

    get robot() {
      return this.subject.lines[0].robot;
    }

    chooseSubject() {
      const [line] = this.subject.lines;
      const { name, model } = robots[line.robot];
      const scopes = [["robot", `This robot: ${name}`], ...(model ? [["model", `All ${model}`]] : []), ["organization", "All robots"]];
      const selected = this.fields.scope.value;
      this.fields.scope.replaceChildren(...scopes.map(([value, label]) => new Option(label, value)));
      this.fields.scope.value = scopes.some(([value]) => value === selected) ? selected : "robot";
      this.form.querySelector("[data-unit]").textContent = line.unit;
      this.changed();
    }

    // The threshold, in the unit of the axis

    get axis() {
      return this.subject.lines[0].axis ? 1 : 0;
    }

    get scale() {
      return this.chart.chart.scales[this.axis ? "y2" : "y"];
    }

    range() {
      const drawnIn = this.chart.drawnIn[this.axis];
      return [this.scale.min * drawnIn, this.scale.max * drawnIn];
    }

    get step() {
      const [low, high] = this.range();
      return 10 ** Math.floor(Math.log10((high - low) / STEPS)) || 1;
    }

    setThreshold(value, { isTyped = false } = {}) {
      if (!Number.isFinite(value)) {
        return;
      }
      this.threshold = isTyped ? value : roundTo(value, this.step);
      if (!isTyped) {
        this.fields.threshold.value = String(this.threshold);
      }
      this.chart.update();
      this.changed();
    }

    // The line

    buildLine() {
      this.line = document.createElement("div");
      this.line.className = "u-ruleline";
      this.line.setAttribute("role", "slider");
      this.line.setAttribute("aria-orientation", "vertical");
      this.line.setAttribute("aria-label", `${this.chart.title}: threshold of the new rule`);
      this.line.tabIndex = 0;
      this.line.append(document.createElement("span"));
      this.line.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        this.line.focus();
        this.line.setPointerCapture(event.pointerId);
        this.isDragging = true;
      });
      this.line.addEventListener("pointermove", (event) => {
        if (this.isDragging) {
          const { top, bottom } = this.chart.chart.chartArea;
          const y = event.clientY - this.chart.canvas.getBoundingClientRect().top;
          const at = Math.min(Math.max(y, top), bottom);
          this.setThreshold(this.scale.getValueForPixel(at) * this.chart.drawnIn[this.axis]);
        }
      });
      for (const name of ["pointerup", "pointercancel"]) {
        this.line.addEventListener(name, () => {
          this.isDragging = false;
          this.chart.update();
        });
      }
      this.line.addEventListener("keydown", (event) => this.onKey(event));
      this.chart.panel.querySelector(".u-chart__area").append(this.line);
    }

    onKey(event) {
      const [low, high] = this.range();
      const step = this.step * (event.shiftKey ? 10 : 1);
      const values = {
        ArrowUp: this.threshold + step, ArrowRight: this.threshold + step,
        ArrowDown: this.threshold - step, ArrowLeft: this.threshold - step,
        PageUp: this.threshold + 10 * step, PageDown: this.threshold - 10 * step,
        Home: low, End: high,
      };
      if (event.key in values) {
        event.preventDefault();
        event.stopPropagation(); // the chart moves in time with the same keys
        this.setThreshold(values[event.key]);
      } else if (event.key === "Escape") {
        event.stopPropagation();
        this.close();
      }
    }

    // Keeps the line within the axis; called before each update of the chart.
    fit() {
      if (this.form && !this.isDragging && this.threshold !== undefined) {
        const axis = this.chart.chart.options.scales[this.axis ? "y2" : "y"];
        axis.suggestedMin = axis.suggestedMax = this.threshold / this.chart.drawnIn[this.axis];
      }
    }

    align() {
      if (!this.form || this.threshold === undefined) {
        return;
      }
      const { left, right } = this.chart.chart.chartArea;
      const y = this.scale.getPixelForValue(this.threshold / this.chart.drawnIn[this.axis]);
      Object.assign(this.line.style, {
        left: `${this.chart.canvas.offsetLeft + left}px`, width: `${right - left}px`,
        top: `${this.chart.canvas.offsetTop + y}px`,
      });
      const [low, high] = this.range();
      const text = `${formatValue(this.threshold)} ${this.subject.lines[0].unit}`.trim();
      this.line.setAttribute("aria-valuemin", String(low));
      this.line.setAttribute("aria-valuemax", String(high));
      this.line.setAttribute("aria-valuenow", String(this.threshold));
      this.line.setAttribute("aria-valuetext", text);
      this.line.firstElementChild.textContent = text;
    }

    // Draws when the rule would have fired.
    draw(chart, colour, shade) {
      const { ctx, chartArea, scales } = chart;
      ctx.save();
      for (const [start, end] of this.episodes) {
        const from = Math.max(scales.x.getPixelForValue(start), chartArea.left);
        const to = Math.min(Math.max(scales.x.getPixelForValue(end), from + 2), chartArea.right);
        if (to > chartArea.left && from < chartArea.right) {
          ctx.fillStyle = shade;
          ctx.fillRect(from, chartArea.top, to - from, chartArea.bottom - chartArea.top);
          ctx.fillStyle = colour;
          ctx.fillRect(from, chartArea.top, to - from, 4);
        }
      }
      ctx.restore();
    }

    // The rule

    changed() {
      if (!this.form || this.threshold === undefined) {
        return;
      }
      if (!this.isNamed) {
        const words = [this.subject.lines.length > 1 ? this.chart.title : this.subject.label,
          this.fields.comparison.selectedOptions[0].text.toLowerCase(), formatValue(this.threshold), this.subject.lines[0].unit];
        this.fields.name.value = words.filter(Boolean).join(" ").slice(0, this.fields.name.maxLength);
      }
      // What was drawn belonged to another rule. One robot is tried again at once.
      this.episodes = [];
      this.showDays.hidden = true;
      this.say("");
      this.loading?.abort();
      clearTimeout(this.timer);
      if (this.fields.scope.value === "robot") {
        this.timer = setTimeout(() => this.preview(), PREVIEW_DELAY_MS);
      }
    }

    rule() {
      const scope = this.fields.scope.value;
      const { lines } = this.subject;
      return {
        name: this.fields.name.value.trim(),
        scope,
        ...(scope === "robot" ? { robot: this.robot } : {}),
        ...(scope === "model" ? { model: robots[this.robot].model } : {}),
        kind: "metric",
        severity: this.fields.severity.value,
        condition: {
          clauses: lines.map(({ metric, factor, offset }) => ({
            metric, comparison: this.fields.comparison.value, threshold: (this.threshold - offset) / factor,
          })),
          ...(lines.length > 1 ? { match: "any" } : {}),
          for_seconds: Number(this.fields.for_seconds.value || 0),
        },
      };
    }

    say(text, { isError = false } = {}) {
      this.result.textContent = text;
      this.result.classList.toggle("u-note", isError);
    }

    async send(path, signal) {
      const headers = {
        Accept: "application/json", "Content-Type": "application/json",
        "X-CSRFToken": this.fields.csrfmiddlewaretoken.value,
      };
      const response = await fetch(`/api/v1/alert-rules${path}`, { method: "POST", headers, signal, body: JSON.stringify(this.rule()) });
      const body = await response.json();
      if (response.status === 401) {
        window.urfmp.showSessionEnded();
      }
      if (!response.ok) {
        throw new Error(problemText(body));
      }
      return body;
    }

    async preview() {
      this.loading?.abort();
      const loading = new AbortController();
      this.loading = loading;
      this.say("Trying…");
      try {
        const found = await this.send("/preview", loading.signal);
        if (!loading.signal.aborted) {
          this.showPreview(found);
        }
      } catch (error) {
        if (!loading.signal.aborted) {
          this.say(error.message, { isError: true });
        }
      }
    }

    showPreview({ count, start, end, robots: tried, robot_count: total }) {
      this.tried = [Date.parse(start), Date.parse(end)];
      const shown = new Set(this.chart.robots);
      this.episodes = tried.filter(({ robot }) => shown.has(robot)).flatMap(({ episodes }) => (
        episodes.map((episode) => [Date.parse(episode.start), Date.parse(episode.end ?? end)])
      ));
      if (!tried.length) {
        this.say("There are no points of the last 7 days to try the rule on.");
        return;
      }
      const of = this.fields.scope.value === "robot" ? "" : ` on ${tried.length} of ${total} robots that were tried`;
      this.say(`Would have fired ${count} time${count === 1 ? "" : "s"}${of} since ${window.urfmp.time.full(this.tried[0])}.`);
      this.form.dataset.count = String(count);
      this.showDays.hidden = false;
      this.chart.update();
    }

    async save() {
      const button = this.form.querySelector("[type=submit]");
      button.disabled = true;
      try {
        const { id, name } = await this.send("");
        const note = this.chart.panel.querySelector("[data-rule-saved]");
        const link = document.createElement("a");
        link.className = "u-link";
        link.href = `${this.form.dataset.rules}${id}/change/`;
        link.textContent = name;
        this.close();
        note.replaceChildren("Saved: ", link);
      } catch (error) {
        this.say(error.message, { isError: true });
        button.disabled = false;
      }
    }
  }

  return ChartRule;
})();
