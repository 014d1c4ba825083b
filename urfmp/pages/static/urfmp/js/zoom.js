// Zooms a chart by dragging, pinching, Ctrl+wheel or keys. Double-click or Escape undoes.
window.urfmp.zoomable = (() => {
  "use strict";

  const MIN_DRAG_PX = 8;

  return (chart, view) => {
    const area = chart.panel.querySelector(".u-chart__area");
    const frame = area.querySelector("[data-frame]");
    const pointers = new Map();
    let from = null; // x position where a drag started
    let pinch = null; // times under the two fingers

    const within = (x) => Math.max(chart.chart.chartArea.left, Math.min(chart.chart.chartArea.right, x));
    const xOf = (event) => event.clientX - chart.canvas.getBoundingClientRect().left;
    const timeAt = (x) => chart.chart.scales.x.getValueForPixel(x);

    function select(to) {
      const { top, bottom } = chart.chart.chartArea;
      const offset = chart.canvas.offsetLeft;
      frame.hidden = false;
      Object.assign(frame.style, {
        left: `${offset + Math.min(from, to)}px`, width: `${Math.abs(to - from)}px`,
        top: `${chart.canvas.offsetTop + top}px`, height: `${bottom - top}px`,
      });
    }

    function finish() {
      from = null;
      frame.hidden = true;
      chart.isSelecting = false;
    }

    area.addEventListener("pointerdown", (event) => {
      if (!chart.chart || event.button !== 0 || event.target !== chart.canvas) {
        return;
      }
      pointers.set(event.pointerId, xOf(event));
      if (pointers.size === 2) {
        finish();
        pinch = [...pointers].map(([id, x]) => [id, timeAt(x)]);
        return;
      }
      from = within(xOf(event));
      chart.isSelecting = true;
      area.setPointerCapture(event.pointerId);
    });

    area.addEventListener("pointermove", (event) => {
      if (!pointers.has(event.pointerId)) {
        return;
      }
      pointers.set(event.pointerId, xOf(event));
      if (from !== null) {
        select(within(xOf(event)));
      }
    });

    area.addEventListener("pointerup", (event) => {
      if (pinch && pointers.size === 2) {
        // Keeps the two times under the two fingers.
        const [[a, timeA], [b, timeB]] = pinch;
        const [xA, xB] = [pointers.get(a), pointers.get(b)];
        const { left, right } = chart.chart.chartArea;
        const perPixel = (timeB - timeA) / (xB - xA);
        if (Number.isFinite(perPixel) && perPixel > 0) {
          view.zoomTo(timeA - (xA - left) * perPixel, timeA + (right - xA) * perPixel);
        }
        pinch = null;
      } else if (from !== null) {
        const to = within(xOf(event));
        const [start, end] = [Math.min(from, to), Math.max(from, to)];
        if (end - start >= MIN_DRAG_PX) {
          view.zoomTo(timeAt(start), timeAt(end));
        }
      }
      pointers.delete(event.pointerId);
      finish();
    });

    area.addEventListener("pointercancel", (event) => {
      pointers.delete(event.pointerId);
      pinch = null;
      finish();
    });

    // Browsers report a touchpad pinch as Ctrl+wheel. The plain wheel scrolls the page.
    area.addEventListener("wheel", (event) => {
      if (chart.chart && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        view.scale(event.deltaY > 0 ? 1.25 : 0.8, timeAt(within(xOf(event))));
      }
    }, { passive: false });

    area.addEventListener("dblclick", () => view.undo());

    const keys = {
      "+": () => view.scale(0.5), "=": () => view.scale(0.5), "-": () => view.scale(2),
      ArrowLeft: () => view.shift(-0.25), ArrowRight: () => view.shift(0.25),
    };
    area.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) {
        return;
      }
      if (event.key === "Escape") {
        if (from !== null) {
          finish();
        } else {
          view.undo();
        }
      } else if (keys[event.key]) {
        event.preventDefault();
        keys[event.key]();
      }
    });
  };
})();
