// Times on charts, in the user's timezone.
window.urfmp.time = (() => {
  "use strict";

  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 259200, 604800, 1209600, 2592000];
  const HOUR_MS = 3600000;
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

  // Returns the instants of such an input: two if the clock repeats the time, none if it skips it.
  function instants(text) {
    const asUtc = Date.parse(`${text}Z`);
    const found = [asUtc - offset(asUtc - DAY_MS), asUtc - offset(asUtc + DAY_MS)].sort((a, b) => a - b);
    return [...new Set(found)].filter((at) => local(at).slice(0, text.length) === text);
  }

  function offsetText(time) {
    const minutes = Math.round(offset(time) / 60000);
    const two = (number) => String(number).padStart(2, "0");
    return `${minutes < 0 ? "-" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  }

  // Returns the instant of a local time in milliseconds, the later one if it is repeated.
  function instantOf(wall, guess) {
    const at = wall - offset(wall - guess);
    return wall - offset(at);
  }

  // Long steps are counted in local time, so that days begin at midnight on both sides of a change.
  function ticks(axis) {
    const maxTicks = Math.max(2, Math.floor(axis.width / 76));
    const range = axis.max - axis.min;
    const step = 1000 * (STEPS.find((seconds) => range / (1000 * seconds) <= maxTicks) || 7776000);
    const shift = offset(axis.min);
    axis.ticks = [];
    for (let wall = Math.ceil((axis.min + shift) / step) * step; wall - DAY_MS <= axis.max + shift; wall += step) {
      const at = step > HOUR_MS ? instantOf(wall, shift) : wall - shift;
      if (at >= axis.min && at <= axis.max && at !== axis.ticks.at(-1)?.value) {
        axis.ticks.push({ value: at });
      }
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

  return { full, instants, local, offsetText, range, tickLabel, ticks };
})();
