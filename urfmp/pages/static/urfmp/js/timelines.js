// Status timelines: the pointer or the arrow keys select a segment and show its description.
(() => {
  "use strict";

  const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };

  const timelineOf = (event) => event.target.closest?.("[data-timeline]");
  const segmentsOf = (timeline) => [...timeline.querySelectorAll("rect[data-text]")];

  function describe(element, text) {
    const description = element.closest("section")?.querySelector("[data-description]");
    if (description) {
      description.textContent = text;
    }
  }

  function select(timeline, segment) {
    timeline.querySelector("[data-selected]")?.removeAttribute("data-selected");
    segment?.setAttribute("data-selected", "");
    if (segment) {
      describe(timeline, segment.dataset.text);
    }
  }

  function selectIndex(timeline, segments, index) {
    const bounded = Math.max(0, Math.min(segments.length - 1, index));
    timeline.setAttribute("aria-valuenow", String(bounded + 1));
    timeline.setAttribute("aria-valuetext", segments[bounded].dataset.text);
    select(timeline, segments[bounded]);
  }

  document.addEventListener("keydown", (event) => {
    const timeline = timelineOf(event);
    if (!timeline || !(event.key in KEYS) || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    const segments = segmentsOf(timeline);
    if (segments.length) {
      event.preventDefault();
      const selected = segments.findIndex((segment) => "selected" in segment.dataset);
      const from = selected >= 0 ? selected : segments.length;
      selectIndex(timeline, segments, from + KEYS[event.key]);
    }
  });

  document.addEventListener("pointerover", (event) => {
    const timeline = timelineOf(event);
    if (timeline && event.target.dataset.text) {
      select(timeline, event.target);
    }
  });

  // Alert markers show their description as well.
  for (const kind of ["pointerover", "focusin"]) {
    document.addEventListener(kind, (event) => {
      const marker = event.target.closest?.("[data-markers] [data-text]");
      if (marker) {
        describe(marker, marker.dataset.text);
      }
    });
  }

  document.addEventListener("pointerout", (event) => {
    const timeline = timelineOf(event);
    if (timeline && !timeline.contains(event.relatedTarget)) {
      select(timeline, null);
    }
  });
})();
