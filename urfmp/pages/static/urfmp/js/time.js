// Formatting of times on charts, in the organization's timezone.
window.urfmp.time = (() => {
  "use strict";

  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 259200, 604800, 1209600, 2592000];
  const DAY_MS = 86400000;

  const zone = document.querySelector('meta[name="urfmp-timezone"]')?.content || "UTC";
  const format = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options });
  const CLOCK = format({ hour: "2-digit", minute: "2-digit" });
  const SECONDS = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const DAY = format({ day: "numeric", month: "short" });
  const FULL = format({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const PARTS = format({ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });

  const partsOf = (time) => Object.fromEntries(PARTS.formatToParts(time).map((part) => [part.type, part.value]));

  // Returns the timezone offset in milliseconds, so that ticks fall on whole local hours.
  function offset(time) {
    const parts = partsOf(time);
    const local = Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second);
    return local - Math.floor(time / 1000) * 1000;
  }

  // Formats a time for <input type="datetime-local">.
  function local(time) {
    const parts = partsOf(time);
    return `${parts.year}-${parts.month}-${parts.day}T${parts.hour}:${parts.minute}:${parts.second}`;
  }

  // Parses the value of such an input. An ambiguous hour means its first occurrence.
  function fromLocal(text) {
    const asUtc = Date.parse(`${text}Z`);
    const first = asUtc - offset(asUtc - DAY_MS);
    return local(first).slice(0, text.length) === text ? first : asUtc - offset(asUtc + DAY_MS);
  }

  function ticks(axis) {
    const maxTicks = Math.max(2, Math.floor(axis.width / 76));
    const range = axis.max - axis.min;
    const step = 1000 * (STEPS.find((seconds) => range / (1000 * seconds) <= maxTicks) || 7776000);
    const shift = offset(axis.max);
    axis.ticks = [];
    for (let at = Math.ceil((axis.min + shift) / step) * step - shift; at <= axis.max; at += step) {
      axis.ticks.push({ value: at });
    }
    axis.urfmpStep = step;
  }

  function tickLabel(value) {
    if (this.urfmpStep >= DAY_MS || (this.max - this.min > 1.04 * DAY_MS && CLOCK.format(value) === "00:00")) {
      return DAY.format(value);
    }
    return (this.urfmpStep < 60000 ? SECONDS : CLOCK).format(value);
  }

  const full = (time) => FULL.format(time);
  const range = (start, end) => `${full(start)} to ${full(end)}`;

  return { fromLocal, full, local, range, tickLabel, ticks };
})();
