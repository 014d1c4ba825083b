// Strips of status over time: pointing at one, or the arrow keys in it, tell what its stripes are.
(() => {
  "use strict";

  const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };

  const stripOf = (event) => event.target.closest?.("[data-strip]");
  const stripesOf = (strip) => [...strip.querySelectorAll("rect[data-text]")];

  function say(strip, text) {
    const place = strip.closest("section")?.querySelector("[data-said]");
    if (place) {
      place.textContent = text;
    }
  }

  function show(strip, stripe) {
    strip.querySelector("[data-here]")?.removeAttribute("data-here");
    stripe?.setAttribute("data-here", "");
    if (stripe) {
      say(strip, stripe.dataset.text);
    }
  }

  function choose(strip, stripes, index) {
    const number = Math.max(0, Math.min(stripes.length - 1, index));
    strip.setAttribute("aria-valuenow", String(number + 1));
    strip.setAttribute("aria-valuetext", stripes[number].dataset.text);
    show(strip, stripes[number]);
  }

  document.addEventListener("keydown", (event) => {
    const strip = stripOf(event);
    if (!strip || !(event.key in KEYS) || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    const stripes = stripesOf(strip);
    if (stripes.length) {
      event.preventDefault();
      const here = stripes.findIndex((stripe) => "here" in stripe.dataset);
      const from = here >= 0 ? here : stripes.length;
      choose(strip, stripes, from + KEYS[event.key]);
    }
  });

  document.addEventListener("pointerover", (event) => {
    const strip = stripOf(event);
    if (strip && event.target.dataset.text) {
      show(strip, event.target);
    }
  });

  // Markers of alerts say what they are as well.
  for (const kind of ["pointerover", "focusin"]) {
    document.addEventListener(kind, (event) => {
      const marker = event.target.closest?.("[data-markers] [data-text]");
      if (marker) {
        say(marker, marker.dataset.text);
      }
    });
  }

  document.addEventListener("pointerout", (event) => {
    const strip = stripOf(event);
    if (strip && !strip.contains(event.relatedTarget)) {
      show(strip, null);
    }
  });
})();
