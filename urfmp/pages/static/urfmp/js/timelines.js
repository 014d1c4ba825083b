// Status timelines: the pointer or the arrow keys select a segment and show its description.
window.urfmp.timelines = (() => {
  "use strict";

  const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };

  const SVG = "http://www.w3.org/2000/svg";

  // Describes a segment of the API.
  function segmentText(segment) {
    const { label, time } = window.urfmp;
    const names = (segment.statuses.length ? segment.statuses : [segment.status || "unknown"]).map(label).join(", ");
    const occurrences = segment.spells > 1 ? `, ${segment.spells} occurrences` : "";
    const reason = segment.reason ? `: ${segment.reason}` : "";
    return `${names}${occurrences}, ${time.range(Date.parse(segment.start), Date.parse(segment.end))}${reason}`;
  }

  function addRect(svg, left, width, top, height, status) {
    const rect = document.createElementNS(SVG, "rect");
    const values = { x: `${left}%`, width: `${width}%`, y: top, height, fill: `url(#status-${status})` };
    Object.entries(values).forEach(([name, value]) => rect.setAttribute(name, value));
    svg.append(rect);
    return rect;
  }

  // Draws segments of the API between two times.
  function draw(timeline, segments, start, end) {
    const percent = (at) => 100 * (at - start) / (end - start);
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("width", "100%");
    svg.setAttribute("height", "100%");
    svg.setAttribute("aria-hidden", "true");
    segments.forEach((segment, index) => {
      // The latest status extends to the present while a live chart moves.
      const isLast = index === segments.length - 1;
      const left = Math.max(0, percent(Date.parse(segment.start)));
      const right = Math.min(100, percent(isLast ? Math.max(Date.parse(segment.end), Math.min(end, Date.now())) : Date.parse(segment.end)));
      if (right > left) {
        const longest = segment.statuses[0] || segment.status;
        addRect(svg, left, right - left, "0", "100%", longest).dataset.text = segmentText(segment);
        if (segment.status !== longest) {
          addRect(svg, left, right - left, "60%", "40%", segment.status).classList.add("u-timeline__severe");
        }
      }
    });
    timeline.replaceChildren(svg);
    timeline.setAttribute("aria-valuemax", String(Math.max(1, svg.querySelectorAll("rect[data-text]").length)));
  }

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

  // Strips of a list come without descriptions, which are loaded for the one that is pointed at.
  function makeSlider(strip) {
    strip.dataset.timeline = "";
    strip.tabIndex = 0;
    strip.setAttribute("role", "slider");
    strip.setAttribute("aria-readonly", "true");
    strip.setAttribute("aria-valuemin", "1");
    strip.setAttribute("aria-valuemax", "1");
    strip.setAttribute("aria-valuenow", "1");
    strip.setAttribute("aria-valuetext", strip.title);
    strip.setAttribute("aria-label", `${strip.getAttribute("aria-label").slice(0, -strip.title.length - 2)}: status over time; use the arrow keys to move through it`);
  }

  async function loadStrip(strip, query) {
    if (strip.dataset.loaded) {
      return;
    }
    strip.dataset.loaded = "1";
    try {
      const response = await fetch(`/api/v1/robots/${strip.dataset.strip}/status-history/timeline?${query}`, { headers: { Accept: "application/json" } });
      if (response.status === 401) {
        window.urfmp.showSessionEnded();
      }
      if (response.ok) {
        const { start, end, segments } = await response.json();
        draw(strip, segments, Date.parse(start), Date.parse(end));
        strip.setAttribute("aria-valuenow", strip.getAttribute("aria-valuemax"));
        strip.removeAttribute("title");
        return;
      }
    } catch {
      // The next attempt tries again.
    }
    delete strip.dataset.loaded;
  }

  for (const list of document.querySelectorAll("[data-strips]")) {
    list.closest("section").querySelector("[data-description]").textContent = "Point at a timeline, or focus it and use the arrow keys.";
    for (const strip of list.querySelectorAll("[data-strip]")) {
      makeSlider(strip);
      for (const kind of ["pointerenter", "focus"]) {
        strip.addEventListener(kind, () => loadStrip(strip, list.dataset.strips));
      }
    }
  }

  return { draw };
})();
