// Times on charts, in the user's timezone.
window.urfmp.time = (() => {
  "use strict";

  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 259200, 604800, 1209600, 2592000];
  const HOUR_MS = 3600000;
  const DAY_MS = 86400000;

  const { clock, date, dateTime, offset, offsetText, parts: partsOf } = window.urfmpFormat;

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
    const time = clock(value, this.urfmpStep < 60000);
    const isDay = this.urfmpStep >= DAY_MS || (this.max - this.min > 1.04 * DAY_MS && time === "00:00");
    return isDay ? date(value).split(" ", 2).join(" ") : time;
  }

  const full = (time) => dateTime(time, true);
  const range = (start, end) => `${full(start)} to ${full(end)}`;

  return { full, instants, local, offsetText, range, tickLabel, ticks };
})();
