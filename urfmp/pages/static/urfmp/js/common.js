// On every page: times that stay true, the copy button, and small helpers for the other scripts.
window.urfmp = (() => {
  "use strict";

  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

  function distance(milliseconds) {
    const seconds = milliseconds / 1000;
    for (const [size, unit] of UNITS) {
      if (Math.abs(seconds) >= size) {
        const text = `${Math.floor(Math.abs(seconds) / size)} ${unit}`;
        return seconds > 0 ? `${text} ago` : `in ${text}`;
      }
    }
    return "now";
  }

  function refreshTimes() {
    for (const element of document.querySelectorAll("time.u-ago")) {
      const text = distance(Date.now() - Date.parse(element.dateTime));
      if (element.textContent !== text) {
        element.textContent = text;
      }
    }
  }

  // The element inside `place` that tells when something was seen last; made when it is missing.
  function setTime(place, time) {
    let element = place.querySelector("time.u-ago");
    if (!element) {
      place.textContent = "";
      element = document.createElement("time");
      element.className = "u-ago";
      place.append(element);
    }
    element.dateTime = time;
    element.title = `${time.slice(0, 19).replace("T", " ")} UTC`;
    element.textContent = distance(Date.now() - Date.parse(time));
  }

  function measured(value) {
    if (value === null || value === undefined) {
      return "–";
    }
    return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
  }

  function label(status) {
    const words = status.replaceAll("_", " ");
    return words.charAt(0).toUpperCase() + words.slice(1);
  }

  function setBadge(badge, status) {
    badge.dataset.value = status;
    badge.textContent = label(status);
  }

  // Values are shown as the greatest of the metrics that an element names.
  function showValues(root, latest) {
    for (const element of root.querySelectorAll("[data-metrics]")) {
      const known = element.dataset.metrics.split(" ").map((name) => latest[name]);
      const numbers = known.filter((value) => typeof value === "number");
      if (numbers.length) {
        const { factor = 1, offset = 0 } = element.dataset;
        const text = measured(Math.max(...numbers) * Number(factor) + Number(offset));
        if (element.textContent !== text) {
          element.textContent = text;
        }
      }
    }
  }

  const CONNECTION = { open: "Live", lost: "Not live, trying again", ended: "Not live" };

  function showConnection(state) {
    for (const element of document.querySelectorAll("[data-connection]")) {
      element.dataset.state = state;
      element.textContent = CONNECTION[state];
    }
    if (state === "ended") {
      showEnded();
    }
  }

  // Nothing on the page moves any more: that has to be seen from across the room.
  function showEnded() {
    const signIn = document.querySelector('meta[name="urfmp-live"]')?.dataset.signIn;
    if (!signIn || document.querySelector(".u-ended")) {
      return;
    }
    const note = document.createElement("div");
    note.className = "u-ended";
    note.setAttribute("role", "alert");
    const link = document.createElement("a");
    link.className = "u-button u-button--main";
    link.href = `${signIn}?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = "Sign in again";
    note.append("You are signed out: what this page shows is no longer up to date.", link);
    document.body.append(note);
  }

  function readJson(id) {
    const element = document.getElementById(id);
    return element ? JSON.parse(element.textContent) : {};
  }

  function copyFrom(button) {
    const source = document.querySelector(button.dataset.copy);
    const note = button.querySelector("[data-copy-label]") || button;
    const selected = window.getSelection();
    selected.selectAllChildren(source);
    const done = () => { note.textContent = "Copied"; };
    if (navigator.clipboard) {
      navigator.clipboard.writeText(source.textContent).then(done, () => {
        note.textContent = "Press Ctrl+C";
      });
    } else {
      note.textContent = "Press Ctrl+C";
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) {
      copyFrom(button);
    }
  });
  document.addEventListener("DOMContentLoaded", () => {
    refreshTimes();
    setInterval(refreshTimes, 1000);
  });

  return { distance, label, measured, readJson, setBadge, setTime, showConnection, showEnded, showValues };
})();
