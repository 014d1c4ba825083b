// Pan and zoom of a map. Coordinates are metres, with the y axis up; `scale` is pixels per metre.
window.urfmpMapView = (() => {
  "use strict";

  const MIN_SCALE = 0.01;
  const MAX_SCALE = 2000;
  const PAN_PIXELS = 60;
  const CLICK_PIXELS = 5;
  // Robots and clusters cover much of a phone: a drag or a pinch may begin on them.
  const MARKS = ".u-dot:not(.u-dot--movable), .u-cluster";

  class MapView {
    // `onChange` is called after each change, `onClick` after a tap on the stage itself.
    constructor(stage, { onChange, onClick }) {
      this.stage = stage;
      this.onChange = onChange;
      this.onClick = onClick;
      this.scale = 10;
      this.left = 0; // pixels of the origin
      this.top = 0;
      this.pointers = new Map();
      stage.addEventListener("pointerdown", (event) => this.#down(event));
      stage.addEventListener("pointermove", (event) => this.#move(event));
      for (const name of ["pointerup", "pointercancel"]) {
        stage.addEventListener(name, (event) => this.#up(event));
      }
      stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
      stage.addEventListener("keydown", (event) => this.#key(event));
    }

    toPixels(x, y) {
      return [x * this.scale + this.left, this.top - y * this.scale];
    }

    toMetres(px, py) {
      return [(px - this.left) / this.scale, (this.top - py) / this.scale];
    }

    // Returns left, bottom, right and top of what is visible.
    box() {
      const [left, top] = this.toMetres(0, 0);
      const [right, bottom] = this.toMetres(this.stage.clientWidth, this.stage.clientHeight);
      return [left, bottom, right, top];
    }

    fit([left, bottom, right, top]) {
      const [width, height] = [this.stage.clientWidth, this.stage.clientHeight];
      const margin = Math.min(48, width / 8, height / 8);
      const [spanX, spanY] = [Math.max(right - left, 1), Math.max(top - bottom, 1)];
      this.scale = this.#limited(Math.min((width - 2 * margin) / spanX, (height - 2 * margin) / spanY));
      this.center((left + right) / 2, (bottom + top) / 2);
    }

    center(x, y) {
      this.left = this.stage.clientWidth / 2 - x * this.scale;
      this.top = this.stage.clientHeight / 2 + y * this.scale;
      this.onChange();
    }

    // The point at these pixels stays where it is.
    zoom(factor, px = this.stage.clientWidth / 2, py = this.stage.clientHeight / 2) {
      const [x, y] = this.toMetres(px, py);
      this.scale = this.#limited(this.scale * factor);
      this.left = px - x * this.scale;
      this.top = py + y * this.scale;
      this.onChange();
    }

    pan(dx, dy) {
      this.left += dx;
      this.top += dy;
      this.onChange();
    }

    #limited(scale) {
      return Math.min(Math.max(scale, MIN_SCALE), MAX_SCALE);
    }

    #position(event) {
      const box = this.stage.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    }

    #down(event) {
      const control = event.target.closest("button, a");
      if (event.button || (control && !control.matches(MARKS))) {
        return;
      }
      this.pointers.set(event.pointerId, this.#position(event));
      this.moved = this.pointers.size > 1 ? Infinity : 0;
      this.isOnMark = Boolean(control);
      if (!control) {
        this.stage.setPointerCapture(event.pointerId);
      }
    }

    #move(event) {
      const before = this.pointers.get(event.pointerId);
      if (!before) {
        return;
      }
      const now = this.#position(event);
      const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
      this.pointers.set(event.pointerId, now);
      this.moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
      if (this.moved >= CLICK_PIXELS && !this.stage.hasPointerCapture(event.pointerId)) {
        this.stage.setPointerCapture(event.pointerId); // the mark below is not clicked
      }
      if (others.length) {
        const [other] = others;
        const distance = (point) => Math.max(Math.hypot(point[0] - other[0], point[1] - other[1]), 1);
        const [px, py] = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
        this.left += (now[0] - before[0]) / 2;
        this.top += (now[1] - before[1]) / 2;
        this.zoom(distance(now) / distance(before), px, py);
      } else {
        this.pan(now[0] - before[0], now[1] - before[1]);
      }
    }

    #up(event) {
      if (this.pointers.delete(event.pointerId) && event.type === "pointerup" && !this.isOnMark && this.moved < CLICK_PIXELS) {
        this.onClick();
      }
    }

    // Without Ctrl the wheel scrolls the page, unless the map was selected.
    #wheel(event) {
      if (event.ctrlKey || event.metaKey || document.activeElement === this.stage) {
        event.preventDefault();
        this.zoom(Math.exp(-Math.max(-80, Math.min(80, event.deltaY)) / 200), ...this.#position(event));
      }
    }

    #key(event) {
      if (event.target !== this.stage || event.ctrlKey || event.metaKey || event.altKey) {
        return;
      }
      const steps = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      const factors = { "+": 1.25, "=": 1.25, "-": 0.8 };
      if (steps[event.key]) {
        this.pan(...steps[event.key].map((step) => step * PAN_PIXELS));
      } else if (factors[event.key]) {
        this.zoom(factors[event.key]);
      } else {
        return;
      }
      event.preventDefault();
    }
  }

  return MapView;
})();
