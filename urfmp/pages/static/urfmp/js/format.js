// The one format of dates, times and numbers in scripts; `formats.py` has the same for pages.
window.urfmpFormat = (() => {
  "use strict";

  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const DAY_MS = 86400000;
  const MAX_PLAIN = 1e9;
  const MIN_PLAIN = 1e-3;

  const meta = (name, fallback) => document.querySelector(`meta[name="urfmp-${name}"]`)?.content || fallback;
  const formatters = new Map();

  // Returns the settings once the head of the page is read.
  function cached(key, create) {
    if (!formatters.has(key)) {
      formatters.set(key, create());
    }
    return formatters.get(key);
  }

  const locale = () => cached("locale", () => meta("locale", "en-GB"));
  const zone = () => cached("zone", () => meta("timezone", "UTC"));

  function parts(time) {
    const format = cached("parts", () => new Intl.DateTimeFormat("en-GB", {
      timeZone: zone(), hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
    }));
    return Object.fromEntries(format.formatToParts(time).map((part) => [part.type, part.value]));
  }

  // Returns the timezone offset in milliseconds.
  function offset(time) {
    const local = parts(time);
    return Date.UTC(local.year, local.month - 1, local.day, local.hour, local.minute, local.second) - Math.floor(time / 1000) * 1000;
  }

  function offsetText(time) {
    const minutes = Math.round(offset(time) / 60000);
    const two = (number) => String(number).padStart(2, "0");
    return `${minutes < 0 ? "-" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  }

  // Returns whether the clock shows this time twice.
  function isRepeated(time) {
    const own = offset(time);
    return [offset(time - DAY_MS), offset(time + DAY_MS)].some((other) => other !== own && offset(time + own - other) === other);
  }

  function date(time) {
    const { day, month, year } = parts(time);
    return `${Number(day)} ${MONTHS[month - 1]} ${year}`;
  }

  function clock(time, withSeconds) {
    const { hour, minute, second } = parts(time);
    return withSeconds ? `${hour}:${minute}:${second}` : `${hour}:${minute}`;
  }

  const dateTime = (time, withSeconds = false) => `${date(time)}, ${clock(time, withSeconds)}${isRepeated(time) ? ` (UTC${offsetText(time)})` : ""}`;
  const exact = (time) => `${date(time)}, ${clock(time, true)} ${zone()}${zone() === "UTC" ? "" : ` (UTC${offsetText(time)})`}`;

  function number(value, decimals = 0) {
    return cached(`number ${decimals}`, () => new Intl.NumberFormat(locale(), {
      useGrouping: "always", minimumFractionDigits: decimals, maximumFractionDigits: decimals, roundingMode: "halfEven",
    })).format(value).replace("\u2212", "-").replaceAll("'", "\u2019");
  }

  function decimalsOf(amount) {
    if (amount >= 100) {
      return 0;
    }
    if (amount >= 1 || amount === 0) {
      return 1;
    }
    return amount >= 0.1 ? 3 : amount >= 0.01 ? 4 : 5;
  }

  // Formats a measured value; `decimals` is for one that is not measured, such as a count.
  function value(measured, decimals) {
    if (measured === null || measured === undefined || Number.isNaN(measured)) {
      return "–";
    }
    const amount = Math.abs(measured);
    if (amount >= MAX_PLAIN || (amount > 0 && amount < MIN_PLAIN)) {
      return measured.toExponential(2).replace(".", number(1.1, 1)[1]);
    }
    return number(measured, decimals ?? decimalsOf(amount));
  }

  function relative(milliseconds) {
    const seconds = milliseconds / 1000;
    for (const [size, unit] of UNITS) {
      if (Math.abs(seconds) >= size) {
        const text = `${number(Math.floor(Math.abs(seconds) / size))} ${unit}`;
        return seconds > 0 ? `${text} ago` : `in ${text}`;
      }
    }
    return "now";
  }

  // Returns a rounded number as inputs and addresses need it: a point, no grouping.
  const plain = (value, digits) => String(Number(value.toFixed(digits)));

  // Says next to the page's timezone how far the browser's clock is from it.
  function compareClocks() {
    const note = document.querySelector("[data-zone]");
    const now = Date.now();
    const minutes = Math.round(-new Date(now).getTimezoneOffset() - offset(now) / 60000);
    if (note && minutes) {
      const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
      const length = [hours && `${hours} h`, rest && `${rest} min`].filter(Boolean).join(" ");
      note.textContent += ` (your clock: ${length} ${minutes < 0 ? "earlier" : "later"})`;
    }
  }

  document.addEventListener("DOMContentLoaded", compareClocks);

  return { clock, date, dateTime, exact, locale, number, offset, offsetText, parts, plain, relative, value };
})();
